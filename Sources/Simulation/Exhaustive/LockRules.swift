import HACore

/// What the rule table says of an absent lock and before a promotion, asked once for each case: the search then looks it
/// up. Nothing of the two rules is written down again.
struct LockRules {
    enum Clearance { case ask, wait, refused, clear }
    enum Answer: CaseIterable { case primary, standby, silentWaiting, silentWaited }

    private static let now = Instant(nanoseconds: 1_000_000_000_000)
    private static let terms = LeaseTerms(timeout: .seconds(10), tickTime: .seconds(1))
    private let acquires: [Bool]
    private let clearances: [Clearance]

    init() {
        var acquires: [Bool] = []
        for holder in 0..<3 {
            for flags in 0..<8 {
                acquires.append(
                    Self.acquires(holder, mine: flags & 1 != 0, lives: flags & 2 != 0, waited: flags & 4 != 0))
            }
        }
        self.acquires = acquires
        clearances = Answer.allCases.flatMap { answer in
            [false, true].map { Self.clearance(answer, kept: $0) }
        }
    }

    /// Rules `candidate.absence`, `lock.clear` and `candidate.acquire` with everything else in favour.
    func mayAcquire(holder: UInt8, mine: Bool, lives: Bool, waited: Bool) -> Bool {
        acquires[Int(min(holder, 2)) * 8 + (mine ? 1 : 0) + (lives ? 2 : 0) + (waited ? 4 : 0)]
    }

    /// Rule `leader.promote` with everything else in favour. `kept`: a keeper runs the peer's PostgreSQL.
    func clearance(_ answer: Answer, kept: Bool) -> Clearance {
        clearances[(Answer.allCases.firstIndex(of: answer) ?? 0) * 2 + (kept ? 1 : 0)]
    }

    /// A healthy standby `a` beside `b`; both sessions live, everything was read a moment ago.
    private static func view(
        leader: StoreView.Leader?, holder: StoreView.Epoch.Holder, kept: Bool = true, sessions: Set<Int64> = [1, 2]
    ) -> ClusterView {
        let control = ControlFile(
            systemIdentifier: SystemIdentifier(rawValue: "7000000000000000001"), state: .inArchiveRecovery,
            timeline: Timeline(1), checkpoint: LSN(100), redo: LSN(100), minRecoveryPoint: LSN(100),
            minRecoveryTimeline: Timeline(1), allowsRewind: true)
        let sql = SQLStatus(at: now, inRecovery: true, timeline: Timeline(1), received: LSN(200), replayed: LSN(200))
        var view = ClusterView(
            now: now, me: "a", coordination: .connected,
            local: LocalPostgres(directory: .ready(control), process: .running(as: .standby), sql: sql))
        view.lease = LeaseView(session: 1, anchor: now, provenUntil: terms.end(from: now), terms: terms)
        view.store = StoreView(
            session: 1, readAt: now, leader: leader, epoch: StoreView.Epoch(version: 5, zxid: 5, holder: holder),
            members: ["a": MemberView(session: 1), "b": MemberView(session: 2, kept: kept)], livingSessions: sessions,
            initialize: .done(control.systemIdentifier), hasConfig: true)
        return view
    }

    private static func acquires(_ holder: Int, mine: Bool, lives: Bool, waited: Bool) -> Bool {
        let holders: [StoreView.Epoch.Holder] = [
            .nobody, .released, .taken(by: mine ? "a" : "b", session: 3, nonce: "1"),
        ]
        var view = view(leader: nil, holder: holders[holder], sessions: lives ? [1, 2, 3] : [1, 2])
        var memory = DecisionMemory()
        memory.absentSince = waited ? now - terms.timeout - LeaseTerms.margin : now
        memory.absentEpochVersion = 5
        view.peers = PeerRound(
            askedAt: now, asked: ["b"], answers: ["b": PeerRound.Answer(inRecovery: true, position: LSN(200))])
        return decide(view, memory).effects == [.acquire(epochVersion: 5), .askPeers]
    }

    private static func clearance(_ answer: Answer, kept: Bool) -> Clearance {
        let leader = StoreView.Leader(member: "a", term: Term(5), session: 1, version: 1)
        var view = view(leader: leader, holder: .taken(by: "a", session: 1, nonce: "1"), kept: kept)
        let wait = terms.timeout + LeaseTerms.margin
        view.leadership = Leadership(term: Term(5), epochVersion: 5, epochZxid: 5, provedAt: now - wait)
        let answers: [MemberID: PeerRound.Answer]
        switch answer {
        case .primary: answers = ["b": PeerRound.Answer(inRecovery: false, position: LSN(200))]
        case .standby: answers = ["b": PeerRound.Answer(inRecovery: true, position: LSN(200))]
        case .silentWaiting, .silentWaited: answers = [:]
        }
        view.peers = PeerRound(askedAt: answer == .silentWaited ? now - wait : now, asked: ["b"], answers: answers)
        let effects = decide(view, DecisionMemory()).effects
        if effects.contains(.promote(Term(5))) { return .clear }
        if effects.contains(.release(Term(5))) { return .refused }
        return effects.contains(.askPeers) ? .ask : .wait
    }
}
