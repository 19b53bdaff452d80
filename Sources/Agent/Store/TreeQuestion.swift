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

/// Asks for all of the tree in one round trip, as long as it has the members that it had at the read before; and while
/// nothing has happened, only for what no watch vouches for.
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
            absent.subtracting(known.absent).flatMap(TreeQuestion.expecting) + memberRequests(beyond: known)
                + leases.subtracting(known.leases).map { .exists($0) }
        }

        func memberRequests(beyond known: Guess = Guess()) -> [ReadRequest] {
            members.filter { !known.members.contains($0) || watched.contains($0) && !known.watched.contains($0) }
                .map { .get($0, watch: watched.contains($0)) }
        }
    }

    /// The last read, and what it was true of.
    private struct Last {
        var guess = Guess()
        var answers = TreeAnswers()
        var connection: Connection?
        var changes: UInt64 = 0
        /// Since everything was read.
        var calmReads = 0
    }

    /// Everything is read again after so many looks that did not: nothing depends for long on a watch that got lost.
    private static let mostCalmReads = 10

    let layout: ZNodeLayout
    private let changes: (@Sendable () -> UInt64)?
    private let last = NIOLockedValueBox(Last())

    /// - Parameter changes: moves with whatever may have changed the tree, members' records apart; nil: everything is read
    ///   each time.
    init(layout: ZNodeLayout, changes: (@Sendable () -> UInt64)? = nil) {
        self.layout = layout
        self.changes = changes
    }

    /// - Parameters:
    ///   - deadline: for each of at most two round trips.
    ///   - isWatched: whether changes of this member's record wake the loop.
    /// - Throws: `ZooKeeperError` when any read fails.
    func ask(
        _ session: ZooKeeperSession, deadline: Duration, isWatched: (_ member: String, TreeAnswers) -> Bool
    ) async throws(ZooKeeperError) -> TreeAnswers {
        let last = last.withLockedValue { $0 }
        // Taken before anything is read: what changes later counts as another change.
        var next = Last(connection: session.connection, changes: changes?() ?? 0, calmReads: last.calmReads + 1)
        if changes != nil, next.connection == last.connection, next.changes == last.changes,
            next.calmReads <= Self.mostCalmReads,
            let answers = try await askCalmly(last, session, deadline)
        {
            next.answers = answers
        } else {
            next.calmReads = 0
            try await next.answers.read(always(last.guess) + last.guess.requests(beyond: Guess()), session, deadline)
        }
        let members = next.answers.children(layout.members)
        next.guess = Guess(
            members: Set(members), watched: Set(members.filter { isWatched($0.name, next.answers) }),
            leases: Set(next.answers.children(layout.leases)),
            absent: Set(lasting.filter { next.answers[$0] == nil }))
        try await next.answers.read(next.guess.requests(beyond: last.guess), session, deadline)
        self.last.withLockedValue { $0 = next }
        return next.answers
    }

    /// The lock, and what no watch tells of; all else is as it was. Nil when the lock is another one than before.
    private func askCalmly(
        _ last: Last, _ session: ZooKeeperSession, _ deadline: Duration
    ) async throws(ZooKeeperError) -> TreeAnswers? {
        func lock(_ answers: TreeAnswers) -> [Int64]? {
            answers[layout.leader].map { [$0.stat.czxid, Int64($0.stat.version.rawValue)] }
        }
        guard let before = lock(last.answers) else { return nil }
        var answers = last.answers
        try await answers.read(
            [.get(layout.leader, watch: true)]
                + [layout.epoch, layout.status, layout.sync, layout.history].map { .get($0) }
                + last.guess.memberRequests(), session, deadline)
        return lock(answers) == before ? answers : nil
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
