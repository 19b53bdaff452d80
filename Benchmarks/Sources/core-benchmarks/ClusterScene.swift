import HACore

/// What a member sees of a cluster whose members all run, as it would after a while: named `n1`, which is this one, to `nN`.
struct ClusterScene {
    static let now = Instant(nanoseconds: 1_000_000_000_000)
    static let session: Int64 = 101
    static let term = Term(400)

    var view: ClusterView
    let others: [MemberID]

    /// A standby; nobody holds the lock, which was released in order.
    init(members count: Int) {
        let names = (1...count).map { MemberID("n\($0)") }
        others = Array(names.dropFirst())
        let control = ControlFile(
            systemIdentifier: SystemIdentifier(rawValue: "7000000000000000001"), state: .inArchiveRecovery,
            timeline: Timeline(1), checkpoint: LSN(1000), redo: LSN(1000), minRecoveryPoint: LSN(1200),
            minRecoveryTimeline: Timeline(1))
        var local = LocalPostgres(directory: .ready(control), process: .running(as: .standby))
        local.sql = SQLStatus(
            at: Self.now, inRecovery: true, timeline: Timeline(1), received: LSN(2000), replayed: LSN(2000),
            streaming: true, upstream: "10.0.0.2:5432")
        let terms = LeaseTerms(timeout: .seconds(10), tickTime: .seconds(2))
        var store = StoreView(session: Self.session, readAt: Self.now - .milliseconds(5))
        store.epoch = StoreView.Epoch(version: 5, zxid: 500, holder: .released)
        store.initialize = .done(control.systemIdentifier)
        store.hasConfig = true
        store.optime = LSN(2000)
        for (index, name) in names.enumerated() {
            store.members[name] = MemberView(
                session: Self.session + Int64(index), timeline: Timeline(1), position: LSN(2000))
        }
        store.livingSessions = Set(store.members.values.map(\.session))
        view = ClusterView(
            now: Self.now, me: names[0], coordination: .connected, store: store,
            lease: LeaseView(
                session: Self.session, anchor: Self.now - .milliseconds(600), provenUntil: Self.now + .seconds(8),
                terms: terms), local: local)
    }

    private mutating func lock(_ member: MemberID) {
        guard let session = view.store?.members[member]?.session else { return }
        view.store?.members[member]?.isPrimary = true
        view.store?.leader = .init(member: member, term: Self.term, session: session, version: 1)
        view.store?.epoch?.holder = .taken(by: member, session: session, nonce: "8f14e45f")
    }

    /// The lock is ours, the server a primary, and everybody streams from it.
    mutating func lead() {
        lock(view.me)
        view.leadership = Leadership(
            term: Self.term, epochVersion: 5, epochZxid: 500, provedAt: Self.now - .seconds(60))
        view.local.armedUntil = Self.now + .seconds(8)
        view.local.armedZxid = 500
        view.local.process = .running(as: .primary)
        view.local.sql = SQLStatus(at: Self.now, inRecovery: false, timeline: Timeline(1), written: LSN(2000))
        view.local.sql?.senders = others.map { .init(name: $0.rawValue, flushed: LSN(2000)) }
        control(.inProduction)
    }

    private mutating func control(_ state: ControlFile.State) {
        guard var control = view.local.control else { return }
        control.state = state
        view.local.directory = .ready(control)
    }

    /// `n2` leads, and this member follows it.
    mutating func follow() {
        lock("n2")
        view.following = Following(member: "n2", term: Self.term)
        view.upstream = UpstreamView(
            member: "n2", term: Self.term, systemIdentifier: SystemIdentifier(rawValue: "7000000000000000001"),
            timeline: Timeline(1), history: TimelineHistory(timeline: Timeline(1), forks: []))
    }

    /// Everybody has said where they are.
    mutating func answer() {
        let answer = PeerRound.Answer(inRecovery: true, position: LSN(2000), timeline: Timeline(1))
        view.peers = PeerRound(
            askedAt: Self.now, asked: Set(others),
            answers: Dictionary(uniqueKeysWithValues: others.map { ($0, answer) }))
    }

    /// The first of the others is a synchronous standby.
    mutating func synchronize() {
        view.policy.synchronous = true
        view.store?.sync = .init(leader: view.me, standbys: [others[0]], version: 3)
        view.local.sql?.senders[0].part = .sync
        view.local.sql?.synchronousNames = "\"\(others[0])\""
    }

    mutating func crash() {
        view.local.process = .absent
        view.local.sql = nil
        view.local.ending = .crashed(at: Self.now - .milliseconds(1))
    }
}
