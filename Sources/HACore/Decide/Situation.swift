/// A view and the memory, with what follows from them. Rules read it and nothing else.
struct Situation {
    /// Who holds the lock, as this session reads it.
    enum Holder {
        case nobody
        /// Our lock, taken by this session.
        case me(StoreView.Leader)
        /// Our name and mark, taken by an earlier session of ours.
        case myEarlierSession(StoreView.Leader)
        /// Our name without the mark: a Patroni that ran here (lock.md M1).
        case legacyOfMine(StoreView.Leader)
        case other(StoreView.Leader)
    }

    let view: ClusterView
    let memory: DecisionMemory
    /// Nil unless this member leads, is written as leader in `sync`, and the server said who receives WAL.
    private(set) var synchronousPlan: SynchronousPlan?

    init(view: ClusterView, memory: DecisionMemory) {
        self.view = view
        self.memory = memory
        synchronousPlan = planSynchronous()
    }

    /// The tree as read by the present, connected session; nil when nothing may be concluded from it.
    var store: StoreView? {
        guard view.coordination == .connected, let store = view.store, store.session == view.lease?.session else {
            return nil
        }
        return store
    }

    var holder: Holder? {
        guard let store else { return nil }
        guard let leader = store.leader else { return .nobody }
        guard leader.member == view.me else { return .other(leader) }
        if leader.version != 1 { return .legacyOfMine(leader) }
        return leader.session == store.session ? .me(leader) : .myEarlierSession(leader)
    }

    /// The leader, when it is another member and the read is not older than our own last transaction.
    var otherLeader: StoreView.Leader? {
        guard case .other(let leader) = holder else { return nil }
        if let leadership = view.leadership, leader.term < leadership.term { return nil }
        return leader
    }

    /// Our leadership, when an acknowledged transaction proved it and the latest read agrees.
    var leadership: Leadership? {
        guard let leadership = view.leadership, case .me(let leader) = holder, leader.term == leadership.term else {
            return nil
        }
        return leadership
    }

    /// How long the lock's lease lasts: by the present session's proofs when it leads and they reach the keeper, else by
    /// what the keeper was given.
    var leaseLeft: Duration {
        if let leadership = view.leadership, let lease = view.lease,
            local.armedUntil == nil || local.armedZxid == leadership.epochZxid || local.keeperPaused
        {
            return lease.provenUntil - view.now
        }
        return view.local.armedUntil.map { $0 - view.now } ?? .zero
    }

    var earlyStop: Duration { view.lease?.terms.earlyStop ?? .milliseconds(600) }

    /// Enough lease to begin something that makes PostgreSQL writable: past the early stop, with room to act.
    var leaseSuffices: Bool {
        guard view.leadership != nil, let lease = view.lease else { return false }
        return lease.provenUntil - view.now > lease.terms.earlyStop + .milliseconds(200)
    }

    /// The anchor is young enough to acquire on (lock.md 4.A1).
    var anchorIsYoung: Bool {
        guard let lease = view.lease else { return false }
        return view.now - lease.anchor < lease.terms.timeout / 2
    }

    var local: LocalPostgres { view.local }
    var policy: ClusterPolicy { view.policy }

    /// How soon to ask a starting server again: it logs each refusal.
    var startingPause: Duration {
        let elapsed = view.now - (local.startedAt ?? view.now)
        return max(.milliseconds(25), min(.seconds(1), elapsed / 8))
    }

    /// The cluster is paused; a member that cannot read the tree goes on as its keeper was told, unless it has seen the end.
    var isPaused: Bool { store == nil ? local.keeperPaused && memory.pauseOverSince == nil : policy.paused }

    /// What an operator began has not come to its end.
    var isOwed: Bool { memory.owed || memory.designated || memory.bootstrap != nil || isDesignated }

    /// A primary that runs while the cluster is paused: the lock does not make it writable.
    var isPausedPrimary: Bool { isPaused && local.isRunning && local.mayBeWritable }

    func counts(_ rule: Rule) -> Bool {
        switch rule.inPause {
        case .never: !isPaused
        case .owed: !isPaused || isOwed
        case .always: true
        case .only: isPaused
        }
    }

    /// An effect that failed may be tried again now.
    func ready(_ name: String) -> Bool {
        memory.retries[name].map { view.now >= $0.notBefore } ?? true
    }

    func failures(of name: String) -> Int { memory.retries[name]?.failures ?? 0 }

    /// Names an effect's last failure, for reasons.
    func lastFailure(of name: String) -> String { memory.retries[name].map { ": " + $0.reason } ?? "" }

    /// The pause until the next look: what the rule wants, the next retry, the lease's end, `loop_wait`.
    func recheck(_ wanted: Duration?) -> Duration {
        var pause = min(wanted ?? policy.loopWait, policy.loopWait)
        for retry in memory.retries.values where retry.notBefore > view.now {
            pause = min(pause, retry.notBefore - view.now)
        }
        if let dueAt = view.scheduledRestart, dueAt > view.now { pause = min(pause, dueAt - view.now) }
        // Who receives WAL is looked at often: a standby that is gone holds up every commit.
        if isSynchronous, let leadership {
            let isSettled = synchronousPlan.map { $0.listed == $0.picked } ?? true
            // A new leader's clients wait for the first standby that comes.
            let isNew =
                synchronousPlan?.confirmed.isEmpty == true && view.now - leadership.provedAt < .seconds(10)
            pause = min(pause, isNew ? .milliseconds(25) : isSettled ? .seconds(1) : .milliseconds(200))
        }
        if local.isRunning, local.mayBeWritable, !memory.steppingDown { pause = min(pause, leaseLeft - earlyStop) }
        return max(pause, .milliseconds(5))
    }

    /// The other members that this session read.
    var others: [(name: MemberID, view: MemberView)] {
        (store?.members ?? [:]).filter { $0.key != view.me }.map { ($0.key, $0.value) }.sorted { $0.name < $1.name }
    }

    /// The last answers, when they were asked for at or after `moment` and of everybody who is a member now.
    func answers(since moment: Instant) -> PeerRound? {
        guard let round = view.peers, round.askedAt >= moment else { return nil }
        return others.allSatisfy { !$0.view.reachable || round.asked.contains($0.name) } ? round : nil
    }
}
