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

/// How often a part of the tree may have changed, as far as watches, connections and writes of this process tell.
struct TreeChanges: Equatable, Sendable {
    /// Who leads, or what comes with that.
    var lock: UInt64 = 0
    /// Anything else, members' records apart.
    var rest: UInt64 = 0
}

/// Asks for all of the tree in one round trip, as long as it has the members that it had at the read before; and only for
/// what watches do not vouch for, while they have told of nothing but the lock.
struct TreeQuestion: Sendable {
    /// What is not known before the lists of names are read.
    private struct Guess {
        var members: Set<ZNodePath> = []
        /// Those whose changes are acted on at once.
        var watched: Set<ZNodePath> = []
        var leases: Set<ZNodePath> = []
        /// Whose creation is waited for.
        var absent: Set<ZNodePath> = []

        func requests(beyond known: Guess = Guess()) -> [ReadRequest] {
            absent.subtracting(known.absent).flatMap(TreeQuestion.expecting) + memberRequests(beyond: known)
                + leaseRequests(beyond: known)
        }

        func memberRequests(beyond known: Guess = Guess()) -> [ReadRequest] {
            members.filter { !known.members.contains($0) || watched.contains($0) && !known.watched.contains($0) }
                .map { .get($0, watch: watched.contains($0)) }
        }

        func leaseRequests(beyond known: Guess = Guess()) -> [ReadRequest] {
            leases.subtracting(known.leases).map { .exists($0) }
        }
    }

    /// The last read, and what it was true of.
    private struct Last {
        var guess = Guess()
        var answers = TreeAnswers()
        var connection: Connection?
        var changes = TreeChanges()
        /// Since everything was read.
        var calmReads = 0
    }

    /// Everything is read again after so many looks that did not: nothing depends for long on a watch that got lost.
    private static let mostCalmReads = 10

    let layout: ZNodeLayout
    private let changes: (@Sendable () -> TreeChanges)?
    private let last = NIOLockedValueBox(Last())

    /// - Parameter changes: nil: everything is read each time.
    init(layout: ZNodeLayout, changes: (@Sendable () -> TreeChanges)? = nil) {
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
        var next = Last(
            connection: session.connection, changes: changes?() ?? TreeChanges(), calmReads: last.calmReads + 1)
        var extent = extent(of: next, after: last)
        if extent == .everything { next.calmReads = 0 } else { next.answers = last.answers }
        try await next.answers.read(requests(extent, last.guess), session, deadline)
        if extent == .steady, lock(next.answers) != lock(last.answers) {
            extent = .lock
            try await next.answers.read(requests(extent, last.guess), session, deadline)
        }

        let members = next.answers.children(layout.members)
        next.guess = Guess(
            members: Set(members), watched: Set(members.filter { isWatched($0.name, next.answers) }),
            leases: Set(next.answers.children(layout.leases)), absent: Set(lasting.filter { next.answers[$0] == nil }))
        try await next.answers.read(next.guess.requests(beyond: last.guess), session, deadline)
        self.last.withLockedValue { $0 = next }
        return next.answers
    }

    /// How much is read; the rest is as it was.
    private enum Extent {
        /// The lock, and what no watch tells of.
        case steady
        /// All that a race for the lock depends on.
        case lock
        case everything
    }

    private func extent(of next: Last, after last: Last) -> Extent {
        guard changes != nil, next.connection == last.connection, next.changes.rest == last.changes.rest,
            next.calmReads <= Self.mostCalmReads
        else { return .everything }
        return next.changes.lock == last.changes.lock && lock(last.answers) != nil ? .steady : .lock
    }

    /// Which lock it is.
    private func lock(_ answers: TreeAnswers) -> [Int64]? {
        answers[layout.leader].map { [$0.stat.czxid, Int64($0.stat.version.rawValue)] }
    }

    private func requests(_ extent: Extent, _ guess: Guess) -> [ReadRequest] {
        let unwatched = [layout.epoch, layout.status, layout.sync, layout.history].map { ReadRequest.get($0) }
        // `leader` first: sessions that are read after it and are gone prove its absence (lock.md M2).
        switch extent {
        case .steady: return [.get(layout.leader, watch: true)] + unwatched + guess.memberRequests()
        case .lock:
            return Self.expecting(layout.leader) + unwatched + [.get(layout.timeline), .children(layout.leases)]
                + guess.memberRequests() + guess.leaseRequests()
        case .everything:
            return Self.expecting(layout.leader)
                + lasting.filter { !guess.absent.contains($0) }.map { .get($0, watch: true) }
                + [.exists(layout.bootstrap, watch: true), .children(layout.members, watch: true)]
                + unwatched + [.get(layout.timeline), .children(layout.leases)] + guess.requests()
        }
    }

    /// Watched, and seldom made or removed.
    private var lasting: [ZNodePath] { [layout.initialize, layout.config, layout.failover] }

    /// A get of a missing znode sets no watch, exists does. What is made in between is read here, and at its event.
    private static func expecting(_ path: ZNodePath) -> [ReadRequest] { [.exists(path, watch: true), .get(path)] }
}
