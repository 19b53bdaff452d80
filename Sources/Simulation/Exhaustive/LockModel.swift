/// The lock's world (design/lock.md 7): node A, whose process may be replaced by a second one, and node B; ZooKeeper's tree
/// and sessions; on each node a keeper that enforces a deadline. Requests wait as long as they like and may get lost, as
/// may their replies; a process that takes no step is frozen. Each request that is processed restarts its session's timer
/// (the lease's own world is `LeaseModel`).
///
/// Left out because it can only take away behaviours: how long a stop takes (the lease's margin), the health race,
/// standbys that have to start. Patroni beside is not in this world.
struct LockModel: SearchedModel {
    let setting: LockSetting
    let rules: LockRules
    private let removed: UInt64

    init(_ setting: LockSetting) {
        self.setting = setting
        rules = LockRules()
        removed = setting.removed.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
    }

    var name: String { "lock, " + setting.name }

    func has(_ kept: LockGuard) -> Bool { removed & (1 << UInt64(kept.rawValue)) == 0 }

    var initial: [PackedState] {
        var state = LockState()
        for (process, session) in [(0, 0), (2, 4)] as [(Int, UInt8)] {
            state.processes[process].alive = 1
            state.processes[process].session = session
            state.processes[process].proven = setting.timeout
            state.sessions[Int(session)] = 1
        }
        state.file = 1
        switch setting.start {
        case .nothing: break
        case .leading:
            state.tree.leader = 1
            state.tree.holder = 2
            state.processes[0].leads = 1
            state.processes[0].version = 1
            state.processes[0].zxid = 1
            state.nodes[0].writable = 1
            state.nodes[0].left = setting.timeout
            state.nodes[0].armedZxid = 1
        case .foundPrimary: state.mayBeFound = 1
        }
        state.stale = state.tree
        state.staleHolderLives = state.holderLives
        normalize(&state)
        return [state.packed]
    }

    func violation(in packed: PackedState) -> String? {
        let state = LockState(packed)
        guard state.nodes[0].writable == 1, state.nodes[1].writable == 1 else { return nil }
        return "A and B are both writable"
    }

    func addSteps(from packed: PackedState, to steps: inout [SearchStep]) {
        let state = LockState(packed)
        var stepper = LockStepper(model: self, state: state, steps: steps)
        steps = []
        stepper.addAll()
        steps = stepper.steps
    }

    func line(_ label: UInt32, in packed: PackedState) -> String {
        LockLabel(code: label).description + "  " + summary(LockState(packed))
    }

    private func summary(_ state: LockState) -> String {
        let session = { (number: UInt8) in number < 4 ? "a\(number)" : "b\(number - 4)" }
        let leader = state.tree.leader == 0 ? "-" : session(state.tree.leader - 1)
        let epoch = state.tree.hasEpoch == 0 ? "-" : "\(state.tree.version)"
        let nodes = (0..<2).map { node in
            "\(node == 0 ? "A" : "B")\(state.nodes[node].writable == 1 ? " WRITABLE" : "")"
                + (state.nodes[node].left > 0 ? " left \(state.nodes[node].left)" : "")
        }
        return "[leader \(leader), epoch \(epoch); \(nodes.joined(separator: ", "))]"
    }
}

/// What a step is called, for a trace.
struct LockLabel: CustomStringConvertible {
    enum Kind: UInt32, CaseIterable {
        case tick, expire, leaderDeleted, epochDeleted, serverCatchesUp, found
        case processed, look, loseReply, loseRequest, assume, settleAfter, settleWithout
        case acquire, renew, release, replace, adopt, createEpoch, delete, close
        case believe, arm, promote, prepare, promoteUnchecked, stop, touch, newSession, watch
        case askClear, askSilent, restart, restartNew, exit, changeTTL, changeTTLClosing
    }

    let kind: Kind
    /// A process; a session for `expire`.
    let subject: UInt32
    let stale: Bool

    init(_ kind: Kind, _ subject: Int, stale: Bool = false) {
        self.kind = kind
        self.subject = UInt32(subject)
        self.stale = stale
    }

    init(code: UInt32) {
        kind = Kind(rawValue: code >> 8) ?? .tick
        subject = code & 0x7F
        stale = code & 0x80 != 0
    }

    var code: UInt32 { kind.rawValue << 8 | (stale ? 0x80 : 0) | subject }

    var description: String {
        let who = ["A's process", "A's former process", "B"][min(2, Int(subject))]
        let what: String
        switch kind {
        case .tick: return "one unit passes"
        case .expire: return "session \(subject < 4 ? "a\(subject)" : "b\(subject - 4)") ends"
        case .leaderDeleted: return "somebody deletes leader"
        case .epochDeleted: return "somebody deletes epoch"
        case .serverCatchesUp: return "the server that lags catches up"
        case .found: return "A's PostgreSQL is found running as a primary without the lock"
        case .processed: what = "the request is carried out"
        case .look: what = "looks at the answer"
        case .loseReply: what = "loses the answer"
        case .loseRequest: what = "loses its connection with a request under way"
        case .assume: what = "takes the lost request for a success"
        case .settleAfter: what = "settles: its request is carried out before"
        case .settleWithout: what = "settles: its request never happens"
        case .believe: what = "finds its session's lock and believes in it"
        case .arm: what = "arms the keeper"
        case .promote: what = "has the keeper promote"
        case .prepare: what = "checks that it may promote"
        case .promoteUnchecked: what = "promotes"
        case .stop: what = "stops PostgreSQL"
        case .touch: what = "renews its session"
        case .newSession: what = "opens a new session"
        case .watch: what = "reads that nobody leads under a new epoch"
        case .askClear: what = "asks the other node, which is no primary"
        case .askSilent: what = "asks the other node, which is silent"
        case .restart: what = "is killed, its successor takes up the session"
        case .restartNew: what = "is killed, its successor opens a session"
        case .exit: what = "ends in order and closes its session"
        case .changeTTL: what = "opens a second session with another ttl"
        case .changeTTLClosing: what = "closes its session and opens another with another ttl"
        default: what = "sends \(kind)"
        }
        return "\(who): \(what)\(stale ? " (by an old read)" : "")"
    }
}

/// Searches the lock's world; `limit` bounds the states, and with them memory (about 50 bytes each).
public func search(_ setting: LockSetting, limit: Int = 30_000_000) -> SearchResult {
    Search.run(LockModel(setting), limit: limit)
}
