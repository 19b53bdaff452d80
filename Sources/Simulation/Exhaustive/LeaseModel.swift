/// The lease's world: one agent, its follower, the ZooKeeper leader, messages with any delay between them, in order.
/// A freeze of the agent or the follower is a delay; a cut is a delay that does not end.
///
/// The session ends as early as ZooKeeper may end it. Broken is what ends while the agent's keeper lets PostgreSQL write.
struct LeaseModel: SearchedModel {
    let setting: LeaseSetting
    private let chain: LeaseChain

    init(_ setting: LeaseSetting) {
        self.setting = setting
        chain = LeaseChain(setting: setting)
    }

    var name: String { "lease, " + setting.name }

    /// A session that was just opened: its handshake is the first anchor.
    var initial: [PackedState] {
        (0..<setting.gap).map { pingAge in
            var state = LeaseState()
            state.pingAge = pingAge
            state.leaseLeft = setting.timeout - setting.margin
            state.sendAge = setting.pause
            return state.packed
        }
    }

    func violation(in packed: PackedState) -> String? {
        let state = LeaseState(packed)
        guard state.expired == 1, state.leaseLeft > 0 else { return nil }
        if !setting.countsUnknownShorter, state.leaderHasShorter == 1, state.agentHasShorter == 0 { return nil }
        return "the session is over, the lease goes on for \(state.leaseLeft) units"
    }

    enum Label: UInt32 {
        case tick, tickLost, expire, followerReads, leaderReads, request, look, send, leaderChange, disconnect
        case disconnectElsewhere, shorter, accept, connected
    }

    func line(_ label: UInt32, in packed: PackedState) -> String {
        let state = LeaseState(packed)
        let what =
            switch Label(rawValue: label) {
            case .tick: "one unit passes"
            case .tickLost: "one unit passes, the agent's clock stands"
            case .expire: "the leader ends the session"
            case .followerReads: "the follower reads from the leader"
            case .leaderReads: "the leader reads from the follower"
            case .request: "a write arrives at the follower, which notes the touch and forwards it"
            case .look: "the agent looks at an acknowledgement"
            case .send: "the agent sends a write"
            case .leaderChange: "another server becomes the ZooKeeper leader, the agent reconnects"
            case .disconnect: "the connection breaks, the agent asks the same follower for its session"
            case .disconnectElsewhere: "the connection breaks, the agent asks another follower for its session"
            case .shorter: "the connection breaks, the next server gives a shorter timeout"
            case .accept: "the leader accepts the reconnect"
            case .connected: "the agent learns that it is connected again"
            case nil: "?"
            }
        return what + " [lease \(state.leaseLeft), touched \(state.touchAge) ago]"
    }

    func addSteps(from packed: PackedState, to steps: inout [SearchStep]) {
        let state = LeaseState(packed)
        func add(_ label: Label, _ change: (inout LeaseState) -> Void) {
            var next = state
            change(&next)
            steps.append(SearchStep(label: label.rawValue, state: next.packed))
        }
        let timeout = state.leaderHasShorter == 1 ? setting.shorterTimeout : setting.timeout
        if state.expired == 0, state.touchAge >= timeout {
            add(.expire) { $0.expired = 1 }
        } else {
            add(.tick) { tick(&$0, agentsClock: true) }
            if setting.drifts, state.ticksSinceLost == 5 { add(.tickLost) { tick(&$0, agentsClock: false) } }
        }
        if state.toFollower > 1 { add(.followerReads) { followerReads(&$0) } }
        if state.toLeader > 1 { add(.leaderReads) { leaderReads(&$0) } }
        if state.requests > 0 {
            add(.request) {
                $0.requests -= 1
                $0.table = 1
                append(LeaseState.Upward.request, to: &$0.toLeader)
            }
        }
        if state.answers > 0 { add(.look) { chain.acknowledge(&$0) } }
        addAgentSteps(state, add)
        if state.expired == 0, state.leaderChanges < setting.leaderChanges {
            add(.leaderChange) { next in
                next.leaderChanges += 1
                // Each session starts anew at the new leader; what was between the servers is gone.
                next.touchAge = 0
                next.toLeader = 1
                next.toFollower = 1
                next.table = 0
                disconnect(&next)
                next.handshake = .sent
                next.handshakeAge = next.acknowledgedAge
                next.asksShorter = 0
            }
        }
    }

    private func addAgentSteps(_ state: LeaseState, _ add: (Label, (inout LeaseState) -> Void) -> Void) {
        switch state.handshake {
        case .none:
            guard state.expired == 0 else { return }
            if state.outstandingCount < setting.inFlight, state.sendAge >= setting.pause {
                add(.send) { next in
                    next.outstanding[Int(next.outstandingCount)] = 0
                    next.outstandingCount += 1
                    next.requests += 1
                    next.sendAge = 0
                }
            }
            guard state.reconnects < setting.reconnects else { return }
            add(.disconnect) { reconnect(&$0) }
            let elsewhere: (inout LeaseState) -> Void = { next in
                reconnect(&next)
                next.toLeader = 1
                next.toFollower = 1
                next.table = 0
            }
            add(.disconnectElsewhere, elsewhere)
            if setting.shorterTimeout > 0 {
                add(.shorter) { next in
                    elsewhere(&next)
                    next.asksShorter = 1
                }
            }
        case .sent:
            guard state.expired == 0 else { return }
            add(.accept) { next in
                next.handshake = .accepted
                next.touchAge = 0
                next.leaderHasShorter = next.asksShorter
            }
        case .accepted:
            add(.connected) { next in
                chain.reconnected(&next)
                next.handshake = .none
                next.handshakeAge = 0
                next.asksShorter = 0
            }
        }
    }

    // MARK: Time

    private func tick(_ state: inout LeaseState, agentsClock: Bool) {
        if state.expired == 0 {
            state.touchAge += 1
            state.pingAge += 1
            if state.pingAge >= setting.gap {
                state.pingAge = 0
                append(LeaseState.Downward.ping, to: &state.toFollower)
            }
        }
        if setting.drifts { state.ticksSinceLost = agentsClock ? min(5, state.ticksSinceLost + 1) : 0 }
        guard agentsClock else { return }
        let oldest = setting.timeout
        state.leaseLeft = state.leaseLeft > 0 ? state.leaseLeft - 1 : 0
        state.sendAge = min(setting.pause, state.sendAge + 1)
        if setting.reconnects + setting.leaderChanges > 0 {
            state.acknowledgedAge = min(oldest, state.acknowledgedAge + 1)
            if state.handshake != .none { state.handshakeAge = min(oldest, state.handshakeAge + 1) }
        }
        for index in 0..<Int(state.outstandingCount) {
            state.outstanding[index] = min(oldest, state.outstanding[index] + 1)
        }
        for index in 0..<Int(state.renewals) {
            state.sent[index] = min(oldest, state.sent[index] + 1)
            state.acknowledged[index] = min(oldest, state.acknowledged[index] + 1)
        }
        chain.trim(&state)
    }

    // MARK: The servers

    private func followerReads(_ state: inout LeaseState) {
        if take(from: &state.toFollower) == LeaseState.Downward.commit {
            state.answers += 1
        } else {
            // A reply without a touch changes nothing anywhere: it is left out.
            if state.table == 1, state.expired == 0 { append(LeaseState.Upward.touch, to: &state.toLeader) }
            state.table = 0
        }
    }

    private func leaderReads(_ state: inout LeaseState) {
        let message = take(from: &state.toLeader)
        guard state.expired == 0 else { return }
        if message == LeaseState.Upward.request {
            append(LeaseState.Downward.commit, to: &state.toFollower)
        } else {
            state.touchAge = 0
        }
    }

    // MARK: The connection

    /// What was in flight on the old connection has no answer any more; the chain begins anew.
    private func disconnect(_ state: inout LeaseState) {
        state.requests = 0
        state.answers = 0
        state.outstandingCount = 0
        state.outstanding = [0, 0]
        chain.forget(&state)
    }

    private func reconnect(_ state: inout LeaseState) {
        state.reconnects += 1
        disconnect(&state)
        state.toLeader = without(LeaseState.Upward.request, in: state.toLeader)
        state.toFollower = without(LeaseState.Downward.commit, in: state.toFollower)
        state.handshake = .sent
        state.handshakeAge = state.acknowledgedAge
    }

    // MARK: Messages in order: the first in the lowest bits, behind the last a single one

    private func append(_ message: UInt32, to queue: inout UInt32) {
        let end = 31 - UInt32(queue.leadingZeroBitCount)
        precondition(end < 31, "more messages than there is room for")
        queue = (queue & ~(1 << end)) | message << end | 2 << end
    }

    private func take(from queue: inout UInt32) -> UInt32 {
        defer { queue >>= 1 }
        return queue & 1
    }

    private func without(_ message: UInt32, in queue: UInt32) -> UInt32 {
        var (rest, kept) = (queue, UInt32(1))
        while rest > 1 {
            let next = take(from: &rest)
            if next != message { append(next, to: &kept) }
        }
        return kept
    }
}

/// Searches the whole world of the lease.
public func search(_ setting: LeaseSetting, limit: Int = 20_000_000) -> SearchResult {
    Search.run(LeaseModel(setting), limit: limit)
}
