/// States that differ in nothing that can matter become one.
extension LockModel {
    func normalize(_ state: inout LockState) {
        // The slot that the keeper listens to is always the first.
        if state.attached == 1 {
            let former = state.processes[0]
            state.processes[0] = state.processes[1]
            state.processes[1] = former
            state.attached = 0
        }
        for index in 0..<3 { normalize(index, in: &state) }
        normalizeSessions(&state)
        for node in 0..<2 {
            if state.nodes[node].left == 0 { state.nodes[node].armedZxid = 0 }
            if !latchMatters(node, in: state) { state.nodes[node].latch = 0 }
        }
        if !setting.staleReads {
            state.stale = LockState.Tree()
            state.staleHolderLives = 0
        }
    }

    func clearRequest(_ process: inout LockState.Process) {
        process.request = .none
        process.progress = .none
        process.expected = 0
        process.requestAge = 0
        process.resultZxid = 0
    }

    private func normalize(_ index: Int, in state: inout LockState) {
        // The requests of a session that is over are refused.
        if state.processes[index].progress == .queued, !state.lives(state.processes[index].session) {
            clearRequest(&state.processes[index])
        }
        if state.processes[index].alive == 0 {
            guard state.processes[index].progress == .queued else {
                state.processes[index] = LockState.Process()
                return
            }
            // What a killed process leaves behind is the request that is on its way.
            var left = LockState.Process()
            left.session = state.processes[index].session
            left.request = state.processes[index].request
            left.expected = state.processes[index].expected
            left.progress = .queued
            state.processes[index] = left
            return
        }
        if state.processes[index].leads == 0 {
            state.processes[index].version = 0
            state.processes[index].zxid = 0
            if has(.askBeforePromotion) { state.processes[index].peers = 0 }
        }
        let request = state.processes[index].request
        let takes = request.takesLock
        if !takes, request != .renew { state.processes[index].requestAge = 0 }
        if state.processes[index].progress == .failed || (state.processes[index].progress == .done && !takes) {
            state.processes[index].expected = 0
            state.processes[index].resultZxid = 0
            if state.processes[index].progress == .failed { state.processes[index].requestAge = 0 }
        }
    }

    /// An idle process's session is renewed; one that nobody knows is over; the others are numbered in a fixed order.
    private func normalizeSessions(_ state: inout LockState) {
        var named: UInt8 = 0
        if state.tree.leader > 0 { named |= 1 << (state.tree.leader - 1) }
        if let session = state.tree.session { named |= 1 << session }
        var known = named
        if state.file > 0 { known |= 1 << (state.file - 1) }
        for index in 0..<3 {
            let process = state.processes[index]
            guard process.alive == 1 || process.progress == .queued else { continue }
            known |= 1 << process.session
            let isIdle = process.alive == 1 && process.leads == 0 && process.request == .none && process.unknown == 0
            if isIdle, state.lives(process.session), index != 1, named & (1 << process.session) == 0 {
                state.sessions[Int(process.session)] = 1
                state.processes[index].proven = setting.timeout
            }
        }
        for session in 0..<8 where known & (1 << UInt8(session)) == 0 { state.sessions[session] = 0 }
        renumber(&state)
    }

    private func renumber(_ state: inout LockState) {
        var names = Names()
        for index in 0..<3 where state.processes[index].alive == 1 || state.processes[index].progress == .queued {
            state.processes[index].session = names.name(state.processes[index].session)
        }
        names.rename(&state.tree)
        if state.file > 0 { state.file = names.name(state.file - 1) + 1 }
        if setting.staleReads { names.rename(&state.stale) }
        let before = state.sessions
        state.sessions = [0, 0, 0, 0, 0, 0, 0, 0]
        for session in 0..<8 where names.given[session] < 8 {
            state.sessions[Int(names.given[session])] = before[session]
        }
    }

    /// New numbers for sessions, in the order of asking.
    private struct Names {
        private(set) var given: [8 of UInt8] = [8, 8, 8, 8, 8, 8, 8, 8]
        private var next: [2 of UInt8] = [0, 4]

        mutating func name(_ session: UInt8) -> UInt8 {
            if given[Int(session)] == 8 {
                let node = LockState.node(ofSession: session)
                given[Int(session)] = next[node]
                next[node] += 1
            }
            return given[Int(session)]
        }

        mutating func rename(_ tree: inout LockState.Tree) {
            if tree.leader > 0 { tree.leader = name(tree.leader - 1) + 1 }
            if let session = tree.session { tree.holder = name(session) + 2 }
        }
    }

    /// Whether a process of this node may still act under the move of `epoch` that its keeper refuses.
    private func latchMatters(_ node: Int, in state: LockState) -> Bool {
        (0..<3).contains { index in
            guard LockState.node(of: index) == node else { return false }
            let process = state.processes[index]
            return process.leads == 1 && process.zxid <= state.nodes[node].latch
                || process.progress == .done && process.resultZxid <= state.nodes[node].latch
        }
    }
}
