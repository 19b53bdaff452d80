import LocalConfiguration
import NIOConcurrencyHelpers
import ZooKeeper

/// What was read of the tree, by path.
struct TreeAnswers: Sendable {
    private var answers: [ZNodePath: ReadAnswer] = [:]

    /// Nil when it is absent.
    subscript(path: ZNodePath) -> (data: [UInt8], stat: ZNodeStat)? { answers[path]?.data }

    func stat(_ path: ZNodePath) -> ZNodeStat? { answers[path]?.stat }

    func children(_ path: ZNodePath) -> [ZNodePath] {
        (answers[path]?.children ?? []).compactMap { try? path.child($0) }
    }

    fileprivate mutating func read(
        _ requests: [ReadRequest], _ session: ZooKeeperSession, _ deadline: Duration
    ) async throws(ZooKeeperError) {
        for (request, answer) in zip(requests, try await session.read(requests, deadline: deadline)) {
            answers[request.path] = answer
        }
    }
}

/// Asks for all of the tree in one round trip, as long as it has the members that it had at the read before.
struct TreeQuestion: Sendable {
    /// What is not known before the lists of names are read.
    private struct Guess {
        var members: Set<ZNodePath> = []
        /// Those whose changes are acted on at once.
        var watched: Set<ZNodePath> = []
        var leases: Set<ZNodePath> = []
        /// Whose creation is waited for.
        var absent: Set<ZNodePath> = []

        func requests(beyond known: Guess) -> [ReadRequest] {
            let members = self.members.filter {
                !known.members.contains($0) || watched.contains($0) && !known.watched.contains($0)
            }
            return absent.subtracting(known.absent).flatMap(TreeQuestion.expecting)
                + members.map { .get($0, watch: watched.contains($0)) }
                + leases.subtracting(known.leases).map { .exists($0) }
        }
    }

    let layout: ZNodeLayout
    private let last = NIOLockedValueBox(Guess())

    init(layout: ZNodeLayout) { self.layout = layout }

    /// - Parameters:
    ///   - deadline: for each of at most two round trips.
    ///   - isWatched: whether changes of this member's record wake the loop.
    /// - Throws: `ZooKeeperError` when any read fails.
    func ask(
        _ session: ZooKeeperSession, deadline: Duration, isWatched: (_ member: String, TreeAnswers) -> Bool
    ) async throws(ZooKeeperError) -> TreeAnswers {
        let guess = last.withLockedValue { $0 }
        var answers = TreeAnswers()
        try await answers.read(always(guess) + guess.requests(beyond: Guess()), session, deadline)

        let members = answers.children(layout.members)
        let found = Guess(
            members: Set(members), watched: Set(members.filter { isWatched($0.name, answers) }),
            leases: Set(answers.children(layout.leases)), absent: Set(lasting.filter { answers[$0] == nil }))
        try await answers.read(found.requests(beyond: guess), session, deadline)
        last.withLockedValue { $0 = found }
        return answers
    }

    /// Watched, and seldom made or removed.
    private var lasting: [ZNodePath] { [layout.initialize, layout.config, layout.failover] }

    private func always(_ guess: Guess) -> [ReadRequest] {
        // `leader` first: sessions that are read after it and are gone prove its absence (lock.md M2).
        Self.expecting(layout.leader)
            + lasting.filter { !guess.absent.contains($0) }.map { .get($0, watch: true) }
            + [layout.epoch, layout.status, layout.sync, layout.history, layout.timeline].map { .get($0) }
            + [
                .exists(layout.bootstrap, watch: true), .children(layout.members, watch: true),
                .children(layout.leases),
            ]
    }

    /// A get of a missing znode sets no watch, exists does. What is made in between is read here, and at its event.
    private static func expecting(_ path: ZNodePath) -> [ReadRequest] { [.exists(path, watch: true), .get(path)] }
}
