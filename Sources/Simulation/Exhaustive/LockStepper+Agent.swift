/// What an agent's process may do (design/lock.md 4 and 6): everything that its rules allow, at any time.
extension LockStepper {
    mutating func addSteps(of index: Int) {
        let process = state.processes[index]
        if process.progress == .done || process.progress == .failed {
            add(.look, index, looked(index))
            addLoss(index, of: process, reply: true)
        } else if process.progress == .queued, process.unknown == 0 {
            addLoss(index, of: process, reply: false)
        }
        if process.unknown == 1 { addSettling(index) }
        if !state.lives(process.session) {
            if process.progress == .none { addNewSession(index) }
            return
        }
        if process.request == .none, process.unknown == 0 {
            addRequests(index, state.tree, lives: state.holderLives, stale: false)
            if setting.staleReads, state.stale != state.tree || state.staleHolderLives != state.holderLives {
                addRequests(index, state.stale, lives: state.staleHolderLives, stale: true)
            }
            addEnds(index)
        }
        addActs(index)
    }

    // MARK: Answers

    private func looked(_ index: Int) -> LockState {
        var next = state
        let process = state.processes[index]
        if process.progress == .done {
            if process.request.takesLock || process.request == .renew {
                let age = has(.countFromSending) ? process.requestAge : 0
                next.processes[index].proven = max(process.proven, setting.timeout - min(setting.timeout, age))
            }
            switch process.request {
            case .acquire, .replace, .adopt:
                lead(index, version: process.expected + 1, zxid: process.resultZxid, in: &next)
                if !has(.askBeforePromotion), process.request == .acquire {
                    next.processes[index].peers = process.peers
                }
                if !has(.askAfterAdoption), process.request == .adopt {
                    next.processes[index].peers = LockState.Process.clear
                }
            case .renew:
                let node = LockState.node(of: index)
                if state.isAttached(index), process.leads == 1, state.nodes[node].left > 0,
                    state.nodes[node].armedZxid == process.zxid
                {
                    next.nodes[node].left = max(state.nodes[node].left, next.processes[index].proven)
                }
            case .release: next.processes[index].leads = 0
            case .delete: next.processes[index].replacing = 1
            default: break
            }
        } else if process.request == .renew || process.request == .release {
            next.processes[index].leads = 0
        }
        model.clearRequest(&next.processes[index])
        return next
    }

    private func lead(_ index: Int, version: UInt8, zxid: UInt8, in next: inout LockState) {
        next.processes[index].leads = 1
        next.processes[index].version = version
        next.processes[index].zxid = zxid
        next.processes[index].peers = 0
        next.processes[index].replacing = 0
        next.processes[index].watch = 0
        next.processes[index].watchVersion = 0
    }

    private mutating func addLoss(_ index: Int, of process: LockState.Process, reply: Bool) {
        guard state.faults < setting.faults, process.request != .close else { return }
        // A lost renewal is the same as one that waits, and its answer as one that is looked at late.
        guard process.request != .renew else { return }
        var next = state
        next.faults += 1
        if process.request == .release { next.processes[index].leads = 0 }
        next.processes[index].unknown = 1
        if reply { model.clearRequest(&next.processes[index]) }
        if has(.settle) {
            add(reply ? .loseReply : .loseRequest, index, next)
        } else if process.request.takesLock {
            next.processes[index].unknown = 0
            lead(index, version: process.expected + 1, zxid: state.tree.zxid, in: &next)
            next.processes[index].proven = max(process.proven, setting.timeout - process.requestAge)
            model.clearRequest(&next.processes[index])
            add(.assume, index, next)
        }
    }

    /// `sync` on the present connection: what was under way has happened or never will (4.A3).
    private mutating func addSettling(_ index: Int) {
        if state.processes[index].progress == .queued, var next = processed(index) {
            next.processes[index].unknown = 0
            model.clearRequest(&next.processes[index])
            add(.settleAfter, index, next)
        }
        var next = state
        next.processes[index].unknown = 0
        model.clearRequest(&next.processes[index])
        add(.settleWithout, index, next)
    }

    private mutating func addNewSession(_ index: Int) {
        var next = state
        guard let session = freeSession(index, in: next) else { return }
        join(index, session, in: &next)
        add(.newSession, index, next)
    }

    /// A handshake is accepted: it proves the session like any request.
    private func join(_ index: Int, _ session: UInt8, in next: inout LockState) {
        next.processes[index] = LockState.Process()
        next.processes[index].alive = 1
        next.processes[index].session = session
        next.processes[index].proven = setting.timeout
        next.sessions[Int(session)] = 1
        if LockState.node(of: index) == 0, next.isAttached(index) { next.file = session + 1 }
    }

    /// The first number that nothing knows any more.
    private func freeSession(_ index: Int, in state: LockState) -> UInt8? {
        let first: UInt8 = index < 2 ? 0 : 4
        return (first..<first + 4).first { session in
            guard !state.lives(session), state.tree.leader != session + 1, state.tree.holder != session + 2,
                state.stale.leader != session + 1, state.stale.holder != session + 2
            else { return false }
            return !(0..<3).contains {
                $0 != index && state.processes[$0].session == session
                    && (state.processes[$0].alive == 1 || state.processes[$0].progress != .none)
            }
        }
    }

    // MARK: Requests

    private mutating func send(
        _ kind: LockLabel.Kind, _ request: LockState.Request, _ index: Int, expecting version: UInt8,
        stale: Bool = false,
        _ change: (inout LockState) -> Void = { _ in }
    ) {
        var next = state
        next.processes[index].request = request
        next.processes[index].expected = version
        next.processes[index].progress = .queued
        change(&next)
        add(kind, index, stale: stale, next)
    }

    private mutating func addRequests(_ index: Int, _ read: LockState.Tree, lives: UInt8, stale: Bool) {
        let process = state.processes[index]
        let node = LockState.node(of: index)
        if process.leads == 1, !stale, process.proven < setting.timeout || read.leader != process.session + 1 {
            send(.renew, .renew, index, expecting: process.version)
        }
        guard state.isAttached(index) else { return }
        let isWritable = state.nodes[node].writable == 1
        if read.hasEpoch == 0 {
            if !stale, read.leader == 0 || read.leader == process.session + 1 {
                send(.createEpoch, .createEpoch, index, expecting: 0)
            }
            return
        }
        if process.leads == 1, process.promoting == 0, !stale {
            if !isWritable {
                send(.release, .release, index, expecting: process.version) { $0.nodes[node].left = 0 }
            } else if !has(.stopBeforeRelease) {
                send(.release, .release, index, expecting: process.version)
            }
        }
        if process.leads == 0, read.leader == 0 {
            addAcquire(index, read, lives: lives, stale: stale)
        } else if read.leader > 0, read.leader == process.session + 1 {
            let isLatched = state.nodes[node].latch >= process.zxid && !isWritable
            if process.leads == 0 || isLatched {
                if has(.adopt) {
                    send(.adopt, .adopt, index, expecting: read.version, stale: stale)
                } else {
                    var next = state
                    lead(index, version: read.version, zxid: read.zxid, in: &next)
                    add(.believe, index, stale: stale, next)
                }
            }
        } else if process.leads == 0, read.leader > 0, LockState.node(ofSession: read.leader - 1) == node {
            if has(.replaceAtOnce) {
                send(.replace, .replace, index, expecting: read.version, stale: stale)
            } else {
                send(.delete, .delete, index, expecting: read.version, stale: stale)
            }
        }
    }

    /// `leader` was read absent: whether that is a proof is asked of the rule table (M2).
    private mutating func addAcquire(_ index: Int, _ read: LockState.Tree, lives: UInt8, stale: Bool) {
        let process = state.processes[index]
        let node = LockState.node(of: index)
        let isFound = state.nodes[node].found == 1
        guard state.nodes[node].writable == 0 || isFound || process.replacing == 1, process.proven > 0 else { return }
        let isMine = read.session.map { LockState.node(ofSession: $0) == node } ?? false
        let waited = process.watch == 1 && process.watchVersion == read.version
        let isProof = model.rules.mayAcquire(
            holder: read.holder, mine: isMine, lives: lives == 1, waited: waited || isFound || !has(.waitForNobody))
        if read.holder == LockState.Tree.nobody, process.watch == 0 || process.watchVersion != read.version {
            var next = state
            next.processes[index].watch = setting.timeout + 1
            next.processes[index].watchVersion = read.version
            add(.watch, index, stale: stale, next)
        }
        guard isProof || !has(.absenceProof) else { return }
        let armsAgain = isFound && !has(.armFoundOnce)
        send(.acquire, .acquire, index, expecting: read.version, stale: stale) { next in
            if armsAgain { next.nodes[node].left = max(next.nodes[node].left, process.proven) }
        }
        if !has(.askBeforePromotion), process.peers == 0 { addQuestion(index) }
    }

    // MARK: Acts on its own node

    private mutating func addActs(_ index: Int) {
        let process = state.processes[index]
        let node = LockState.node(of: index)
        guard state.isAttached(index) else { return }
        let here = state.nodes[node]
        if process.promoting == 1 {
            var next = state
            next.processes[index].promoting = 0
            next.nodes[node].writable = 1
            add(.promoteUnchecked, index, next)
        }
        if here.writable == 1 {
            var next = state
            next.nodes[node].writable = 0
            next.nodes[node].left = 0
            next.nodes[node].found = 0
            add(.stop, index, next)
        }
        if process.leads == 0, process.request == .none, process.unknown == 0, process.proven < setting.timeout {
            var next = state
            next.sessions[Int(process.session)] = 1
            next.processes[index].proven = setting.timeout
            add(.touch, index, next)
        }
        // One effect at a time; renewals have a thread of their own.
        guard process.leads == 1, process.proven > 0, here.latch < process.zxid,
            process.request == .none || process.request == .renew
        else { return }
        var armed = state
        armed.nodes[node].left = max(here.left, process.proven)
        armed.nodes[node].armedZxid = process.zxid
        armed.nodes[node].found = 0
        if here.writable == 1 {
            if here.armedZxid != process.zxid { add(.arm, index, armed) }
            return
        }
        if process.peers == 0, asks { addQuestion(index) }
        guard !asks || process.peers == LockState.Process.clear else { return }
        if has(.keeperPromotes) {
            armed.nodes[node].writable = 1
            add(.promote, index, armed)
        } else if process.promoting == 0 {
            armed.processes[index].promoting = 1
            add(.prepare, index, armed)
        }
    }

    /// Where every node is kept, a silent peer need not be waited for, and every peer may be silent: nothing is asked.
    private var asks: Bool { setting.start == .foundPrimary }

    /// Asks the other node; what its answer or its silence means is asked of the rule table (A4).
    private mutating func addQuestion(_ index: Int) {
        let other = 1 - LockState.node(of: index)
        let answer: LockRules.Answer = state.nodes[other].writable == 1 ? .primary : .standby
        let isKept = state.nodes[other].found == 0
        if model.rules.clearance(answer, kept: isKept) == .clear {
            var next = state
            next.processes[index].peers = LockState.Process.clear
            add(.askClear, index, next)
        }
        guard setting.silentPeers else { return }
        var next = state
        if model.rules.clearance(.silentWaiting, kept: isKept) == .clear {
            next.processes[index].peers = LockState.Process.clear
        } else {
            next.processes[index].peers = setting.timeout + (has(.fullWaitForSilent) ? 1 : 0)
        }
        add(.askSilent, index, next)
    }

    // MARK: Ends of processes and sessions

    /// A's process is killed, or has ended, and a successor attaches to the keeper (lock.md 6).
    mutating func addRestarts() {
        let old = Int(state.attached)
        let new = 1 - old
        let dies = state.processes[old].alive == 1
        guard setting.restarts, state.processes[new].alive == 0, state.processes[new].progress == .none,
            !dies || state.faults < setting.faults
        else { return }
        var next = state
        if dies { next.faults += 1 }
        if has(.killPredecessor) { next.processes[old].alive = 0 }
        next.attached = UInt8(new)
        if state.file > 0, state.lives(state.file - 1) {
            var same = next
            join(new, state.file - 1, in: &same)
            add(.restart, old, same)
            if !setting.restartsIntoNewSession { return }
        }
        guard let session = freeSession(new, in: next) else { return }
        join(new, session, in: &next)
        add(.restartNew, old, next)
    }

    private mutating func addEnds(_ index: Int) {
        guard state.faults < setting.faults, index < 2 else { return }
        let process = state.processes[index]
        let node = LockState.node(of: index)
        let isAttached = state.isAttached(index)
        if process.leads == 0, !isAttached || state.nodes[node].writable == 0 {
            var next = state
            next.faults += 1
            if isAttached, has(.fileBeforeClose) { next.file = 0 }
            next.processes[index].alive = 0
            next.processes[index].request = .close
            next.processes[index].progress = .queued
            add(.exit, index, next)
        }
        guard isAttached, setting.ttlChanges, process.leads == 1, let session = freeSession(index, in: state) else {
            return
        }
        var next = state
        next.faults += 1
        let old = process.session
        join(index, session, in: &next)
        if !has(.replaceBeforeClose) {
            end(session: old, in: &next)
            next.processes[index].replacing = 1
        }
        add(has(.replaceBeforeClose) ? .changeTTL : .changeTTLClosing, index, next)
    }
}
