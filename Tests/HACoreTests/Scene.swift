@testable import HACore

/// A member's view of a cluster of three, to be changed one fact at a time.
struct Scene {
    static let system = SystemIdentifier(rawValue: "7000000000000000001")
    static let now = Instant(nanoseconds: 1_000_000_000_000)
    static let me: MemberID = "n1"
    static let session: Int64 = 11
    static let otherSession: Int64 = 22

    var view: ClusterView
    var memory = DecisionMemory()

    /// A running standby that reads the tree; nobody holds the lock, which was released in order.
    init() {
        let control = ControlFile(
            systemIdentifier: Self.system, state: .inArchiveRecovery, timeline: Timeline(1), checkpoint: LSN(1000),
            redo: LSN(1000), minRecoveryPoint: LSN(1200), minRecoveryTimeline: Timeline(1))
        var local = LocalPostgres(directory: .ready(control), process: .running(as: .standby))
        local.sql = SQLStatus(
            at: Self.now, inRecovery: true, timeline: Timeline(1), received: LSN(2000), replayed: LSN(2000),
            streaming: true)
        view = ClusterView(now: Self.now, me: Self.me, coordination: .connected, local: local)
        var store = StoreView(session: Self.session, readAt: Self.now)
        store.epoch = StoreView.Epoch(version: 5, zxid: 500, holder: .released)
        store.initialize = .done(Self.system)
        store.hasConfig = true
        store.members = [
            "n1": MemberView(session: Self.session), "n2": MemberView(session: Self.otherSession),
            "n3": MemberView(session: 33),
        ]
        store.livingSessions = [Self.session, Self.otherSession, 33]
        view.store = store
        let terms = LeaseTerms(timeout: .seconds(10), tickTime: .seconds(2))
        view.lease = LeaseView(
            session: Self.session, anchor: Self.now - .seconds(1), provenUntil: Self.now + .seconds(8), terms: terms)
    }

    var decision: Decision { decide(view, memory) }

    mutating func held(by member: MemberID, session: Int64, version: Int64 = 1, term: Int64 = 400) {
        view.store?.leader = StoreView.Leader(member: member, term: Term(term), session: session, version: version)
        view.store?.epoch?.holder = .taken(by: member, session: session, nonce: "x")
    }

    /// The lock is ours and proved.
    mutating func lead() {
        held(by: Self.me, session: Self.session)
        view.leadership = Leadership(
            term: Term(400), epochVersion: 5, epochZxid: 500, provedAt: Self.now - .seconds(5))
        view.local.armedUntil = Self.now + .seconds(8)
        view.local.armedZxid = 500
    }

    mutating func runPrimary() {
        view.local.process = .running(as: .primary)
        view.local.sql = SQLStatus(at: Self.now, inRecovery: false, timeline: Timeline(1), written: LSN(2000))
    }

    mutating func stop(_ state: ControlFile.State, crashedAt: Instant? = nil) {
        view.local.process = .absent
        view.local.sql = nil
        view.local.ending = crashedAt.map { .crashed(at: $0) } ?? .requested
        guard var control = view.local.control else { return }
        control.state = state
        view.local.directory = .ready(control)
    }

    /// Another primary leads; its history says where timeline 2 began.
    mutating func follow(fork: UInt64 = 2000) {
        held(by: "n2", session: Self.otherSession)
        view.store?.members["n2"]?.isPrimary = true
        view.upstream = UpstreamView(
            member: "n2", term: Term(400), systemIdentifier: Self.system, timeline: Timeline(2),
            history: TimelineHistory(
                timeline: Timeline(2), forks: [TimelineHistory.Fork(parent: Timeline(1), switchLSN: LSN(fork))]))
    }

    mutating func answer(_ answers: [MemberID: PeerRound.Answer], askedAt: Instant = now) {
        view.peers = PeerRound(askedAt: askedAt, asked: ["n2", "n3"], answers: answers)
    }

    static func standby(_ position: UInt64, priority: Int = 1) -> PeerRound.Answer {
        PeerRound.Answer(inRecovery: true, position: LSN(position), timeline: Timeline(1), failoverPriority: priority)
    }

    static let primary = PeerRound.Answer(inRecovery: false, position: LSN(3000))
}
