/// The steps out of one state of the lock's world: time, ZooKeeper and third parties here, the agents in
/// `LockStepper+Agent.swift`.
struct LockStepper {
    let model: LockModel
    let state: LockState
    var steps: [SearchStep]

    var setting: LockSetting { model.setting }
    func has(_ kept: LockGuard) -> Bool { model.has(kept) }

    mutating func add(_ kind: LockLabel.Kind, _ subject: Int, stale: Bool = false, _ next: LockState) {
        var next = next
        model.normalize(&next)
        steps.append(SearchStep(label: LockLabel(kind, subject, stale: stale).code, state: next.packed))
    }

    mutating func addAll() {
        add(.tick, 0, tick())
        for session in 0..<8 where state.sessions[session] > setting.timeout {
            var next = state
            end(session: UInt8(session), in: &next)
            add(.expire, session, next)
        }
        addThirdParties()
        addRestarts()
        for process in 0..<3 {
            if state.processes[process].progress == .queued, let next = processed(process) {
                add(.processed, process, next)
            }
            if state.processes[process].alive == 1 { addSteps(of: process) }
        }
    }

    // MARK: Time

    /// Sessions grow older; a keeper whose deadline has come stops PostgreSQL before any session can end by this tick.
    private func tick() -> LockState {
        var next = state
        for session in 0..<8 where next.sessions[session] > 0 {
            next.sessions[session] = min(setting.timeout + 1, next.sessions[session] + 1)
        }
        for index in 0..<3 {
            if next.processes[index].proven > 0 { next.processes[index].proven -= 1 }
            if next.processes[index].request != .none {
                next.processes[index].requestAge = min(setting.timeout, next.processes[index].requestAge + 1)
            }
            if next.processes[index].watch > 1 { next.processes[index].watch -= 1 }
            let peers = next.processes[index].peers
            if peers > 0, peers < LockState.Process.clear {
                next.processes[index].peers = peers == 2 ? LockState.Process.clear : peers - 1
            }
        }
        guard has(.keeperDeadline) else { return next }
        for node in 0..<2 where next.nodes[node].left > 0 {
            next.nodes[node].left -= 1
            guard next.nodes[node].left == 0 else { continue }
            next.nodes[node].latch = max(next.nodes[node].latch, next.nodes[node].armedZxid)
            next.nodes[node].writable = 0
            next.nodes[node].found = 0
        }
        return next
    }

    // MARK: ZooKeeper

    func end(session: UInt8, in next: inout LockState) {
        next.sessions[Int(session)] = 0
        if next.tree.leader == session + 1 { next.tree.leader = 0 }
    }

    private mutating func addThirdParties() {
        if state.leaderDeletions < setting.leaderDeletions, state.tree.leader > 0 {
            var next = state
            next.leaderDeletions += 1
            next.tree.leader = 0
            add(.leaderDeleted, 0, next)
        }
        if state.epochDeletions < setting.epochDeletions, state.tree.hasEpoch == 1 {
            var next = state
            next.epochDeletions += 1
            next.tree.hasEpoch = 0
            next.tree.holder = LockState.Tree.nobody
            // Without the lift nothing is left of what was.
            if !has(.liftedEpoch) { next.tree.version = 0 }
            add(.epochDeleted, 0, next)
        }
        let owner = state.processes[Int(state.attached)]
        if state.mayBeFound == 1, state.nodes[0].writable == 0, state.tree.leader == 0, owner.alive == 1,
            owner.leads == 0, owner.request == .none,
            owner.unknown == 0, owner.proven > 0
        {
            var next = state
            next.mayBeFound = 0
            next.nodes[0].writable = 1
            next.nodes[0].found = 1
            if has(.armFound) { next.nodes[0].left = owner.proven }
            add(.found, 0, next)
        }
        if setting.staleReads {
            var next = state
            next.stale = state.tree
            next.staleHolderLives = state.holderLives
            add(.serverCatchesUp, 0, next)
        }
    }

    /// The transactions of lock.md 3, all or nothing (`LockTransactions` of the agent). Nil: `epoch` may not move any more.
    func processed(_ process: Int) -> LockState? {
        var next = state
        let request = state.processes[process]
        let session = request.session
        next.sessions[Int(session)] = 1
        let tree = state.tree
        let fits = tree.hasEpoch == 1 && tree.version == request.expected
        var succeeds = false
        var moves = false
        switch request.request {
        case .none: return nil
        case .acquire:
            succeeds = tree.hasEpoch == 1 && (fits || !has(.epochInAcquire)) && tree.leader == 0
            moves = true
            if succeeds { next.tree.leader = session + 1 }
        case .renew:
            succeeds = (fits || !has(.epochInRenew)) && (tree.leader > 0 || !has(.markInRenew))
        case .release:
            succeeds = tree.hasEpoch == 1 && (fits || !has(.epochInRelease)) && tree.leader > 0
            moves = has(.bumpInRelease)
            if succeeds {
                next.tree.leader = 0
                next.tree.holder = LockState.Tree.released
            }
        case .replace:
            succeeds = fits && tree.leader > 0
            moves = true
            if succeeds { next.tree.leader = session + 1 }
        case .adopt:
            succeeds = fits && tree.leader > 0
            moves = true
        case .createEpoch:
            succeeds = tree.hasEpoch == 0
            moves = true
            if succeeds {
                next.tree.hasEpoch = 1
                next.tree.holder = LockState.Tree.nobody
            }
        case .delete:
            succeeds = fits && tree.leader > 0
            if succeeds { next.tree.leader = 0 }
        case .close:
            end(session: session, in: &next)
            model.clearRequest(&next.processes[process])
            return next
        }
        if succeeds, moves {
            guard next.tree.zxid < setting.moves + 1 else { return nil }
            next.tree.zxid += 1
            next.tree.version += 1
            if request.request.takesLock { next.tree.holder = session + 2 }
        }
        if request.unknown == 1 || request.alive == 0 {
            model.clearRequest(&next.processes[process])
        } else {
            next.processes[process].progress = succeeds ? .done : .failed
            next.processes[process].resultZxid = next.tree.zxid
        }
        return next
    }
}
