/// A state of a searched world in four words.
struct PackedState: Hashable {
    var a: UInt64 = 0
    var b: UInt64 = 0
    var c: UInt64 = 0
    var d: UInt64 = 0

    /// A hash that spreads all bits.
    var mixed: UInt64 { Self.mix(Self.mix(Self.mix(Self.mix(0x9E37_79B9_7F4A_7C15, a), b), c), d) }

    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let mixed = (hash ^ word) &* 0xFF51_AFD7_ED55_8CCD
        return mixed ^ (mixed >> 33)
    }
}

/// Puts small numbers side by side. It stands in one file with its users: only so is it inlined in debug builds.
private struct Packer {
    var state = PackedState()
    private var word: UInt64 = 0
    private var used = 0
    private var words = 0

    @inline(__always)
    mutating func put(_ value: UInt8, _ bits: Int) { put(UInt64(value), bits) }

    @inline(__always)
    mutating func put(_ value: UInt64, _ bits: Int) {
        if used &+ bits > 64 { flush() }
        assert(value >> UInt64(bits) == 0, "\(value) does not fit into \(bits) bits")
        word |= value &<< UInt64(truncatingIfNeeded: used)
        used &+= bits
    }

    @inline(__always)
    mutating func flush() {
        switch words {
        case 0: state.a = word
        case 1: state.b = word
        case 2: state.c = word
        default: state.d = word
        }
        assert(words < 4)
        words &+= 1
        word = 0
        used = 0
    }
}

/// Takes them out again, in the same order.
private struct Unpacker {
    private var state: PackedState
    private var word: UInt64
    private var used = 0
    private var words = 0

    init(_ state: PackedState) {
        self.state = state
        word = state.a
    }

    @inline(__always)
    mutating func take(_ bits: Int) -> UInt8 { UInt8(truncatingIfNeeded: takeWide(bits)) }

    @inline(__always)
    mutating func takeWide(_ bits: Int) -> UInt64 {
        if used &+ bits > 64 {
            words &+= 1
            switch words {
            case 1: word = state.b
            case 2: word = state.c
            default: word = state.d
            }
            used = 0
        }
        defer { used &+= bits }
        return (word &>> UInt64(truncatingIfNeeded: used)) & ((1 &<< UInt64(truncatingIfNeeded: bits)) &- 1)
    }
}

extension LeaseState {
    var packed: PackedState {
        var packer = Packer()
        packer.put(touchAge, 4)
        packer.put(expired, 1)
        packer.put(pingAge, 2)
        packer.put(table, 1)
        packer.put(requests, 2)
        packer.put(answers, 2)
        packer.put(ticksSinceLost, 3)
        packer.put(leaderChanges, 1)
        packer.put(reconnects, 2)
        packer.put(handshake.rawValue, 2)
        packer.put(handshakeAge, 4)
        packer.put(asksShorter, 1)
        packer.put(leaderHasShorter, 1)
        packer.put(agentHasShorter, 1)
        packer.put(acknowledgedAge, 4)
        packer.put(sendAge, 3)
        packer.put(leaseLeft, 4)
        packer.put(outstandingCount, 2)
        for index in 0..<2 { packer.put(outstanding[index], 4) }
        packer.put(renewals, 3)
        for index in 0..<5 {
            packer.put(sent[index], 4)
            packer.put(acknowledged[index], 4)
        }
        packer.put(UInt64(toLeader), 32)
        packer.put(UInt64(toFollower), 32)
        packer.flush()
        return packer.state
    }

    init(_ packed: PackedState) {
        var unpacker = Unpacker(packed)
        touchAge = unpacker.take(4)
        expired = unpacker.take(1)
        pingAge = unpacker.take(2)
        table = unpacker.take(1)
        requests = unpacker.take(2)
        answers = unpacker.take(2)
        ticksSinceLost = unpacker.take(3)
        leaderChanges = unpacker.take(1)
        reconnects = unpacker.take(2)
        handshake = Handshake(rawValue: unpacker.take(2)) ?? .none
        handshakeAge = unpacker.take(4)
        asksShorter = unpacker.take(1)
        leaderHasShorter = unpacker.take(1)
        agentHasShorter = unpacker.take(1)
        acknowledgedAge = unpacker.take(4)
        sendAge = unpacker.take(3)
        leaseLeft = unpacker.take(4)
        outstandingCount = unpacker.take(2)
        for index in 0..<2 { outstanding[index] = unpacker.take(4) }
        renewals = unpacker.take(3)
        for index in 0..<5 {
            sent[index] = unpacker.take(4)
            acknowledged[index] = unpacker.take(4)
        }
        toLeader = UInt32(truncatingIfNeeded: unpacker.takeWide(32))
        toFollower = UInt32(truncatingIfNeeded: unpacker.takeWide(32))
    }
}

extension LockState {
    var packed: PackedState {
        var packer = Packer()
        Self.put(tree, &packer)
        Self.put(stale, &packer)
        packer.put(staleHolderLives, 1)
        for index in 0..<8 { packer.put(sessions[index], 3) }
        for index in 0..<2 {
            packer.put(nodes[index].writable, 1)
            packer.put(nodes[index].left, 2)
            packer.put(nodes[index].armedZxid, 4)
            packer.put(nodes[index].latch, 4)
            packer.put(nodes[index].found, 1)
        }
        for index in 0..<3 {
            let process = processes[index]
            packer.put(process.alive, 1)
            packer.put(process.session, 3)
            packer.put(process.leads, 1)
            packer.put(process.version, 4)
            packer.put(process.zxid, 4)
            packer.put(process.proven, 2)
            packer.put(process.request.rawValue, 4)
            packer.put(process.expected, 4)
            packer.put(process.requestAge, 2)
            packer.put(process.progress.rawValue, 2)
            packer.put(process.resultZxid, 4)
            packer.put(process.unknown, 1)
            packer.put(process.peers, 3)
            packer.put(process.promoting, 1)
            packer.put(process.replacing, 1)
            packer.put(process.watch, 3)
            packer.put(process.watchVersion, 4)
        }
        packer.put(attached, 1)
        packer.put(file, 3)
        packer.put(faults, 2)
        packer.put(leaderDeletions, 1)
        packer.put(epochDeletions, 1)
        packer.put(mayBeFound, 1)
        packer.flush()
        return packer.state
    }

    init(_ packed: PackedState) {
        var unpacker = Unpacker(packed)
        tree = Self.takeTree(&unpacker)
        stale = Self.takeTree(&unpacker)
        staleHolderLives = unpacker.take(1)
        for index in 0..<8 { sessions[index] = unpacker.take(3) }
        for index in 0..<2 {
            nodes[index].writable = unpacker.take(1)
            nodes[index].left = unpacker.take(2)
            nodes[index].armedZxid = unpacker.take(4)
            nodes[index].latch = unpacker.take(4)
            nodes[index].found = unpacker.take(1)
        }
        for index in 0..<3 {
            var process = Process()
            process.alive = unpacker.take(1)
            process.session = unpacker.take(3)
            process.leads = unpacker.take(1)
            process.version = unpacker.take(4)
            process.zxid = unpacker.take(4)
            process.proven = unpacker.take(2)
            process.request = Request(rawValue: unpacker.take(4)) ?? .none
            process.expected = unpacker.take(4)
            process.requestAge = unpacker.take(2)
            process.progress = Progress(rawValue: unpacker.take(2)) ?? .none
            process.resultZxid = unpacker.take(4)
            process.unknown = unpacker.take(1)
            process.peers = unpacker.take(3)
            process.promoting = unpacker.take(1)
            process.replacing = unpacker.take(1)
            process.watch = unpacker.take(3)
            process.watchVersion = unpacker.take(4)
            processes[index] = process
        }
        attached = unpacker.take(1)
        file = unpacker.take(3)
        faults = unpacker.take(2)
        leaderDeletions = unpacker.take(1)
        epochDeletions = unpacker.take(1)
        mayBeFound = unpacker.take(1)
    }

    private static func put(_ tree: Tree, _ packer: inout Packer) {
        packer.put(tree.leader, 4)
        packer.put(tree.hasEpoch, 1)
        packer.put(tree.version, 4)
        packer.put(tree.zxid, 4)
        packer.put(tree.holder, 4)
    }

    private static func takeTree(_ unpacker: inout Unpacker) -> Tree {
        var tree = Tree()
        tree.leader = unpacker.take(4)
        tree.hasEpoch = unpacker.take(1)
        tree.version = unpacker.take(4)
        tree.zxid = unpacker.take(4)
        tree.holder = unpacker.take(4)
        return tree
    }
}
