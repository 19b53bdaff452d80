import HACore
import LocalConfiguration
import NIOConcurrencyHelpers
import ZooKeeper

/// What was read of the tree, by path.
struct TreeAnswers: Sendable {
    private var answers: [ZNodePath: ReadAnswer] = [:]

    /// Nil when it is absent.
    subscript(path: ZNodePath) -> (data: [UInt8], stat: ZNodeStat)? { answers[path]?.data }

    func stat(_ path: ZNodePath) -> ZNodeStat? { answers[path]?.stat }

    func children(_ path: ZNodePath) -> [ZNodePath] { childPaths[path] ?? [] }

    private var childPaths: [ZNodePath: [ZNodePath]] = [:]

    /// Those whose watch has told of nothing yet: they are as they were read.
    fileprivate private(set) var vouched: Set<ZNodePath> = []

    fileprivate mutating func read(
        _ requests: [ReadRequest], _ session: ZooKeeperSession, _ deadline: Duration
    ) async throws(ZooKeeperError) {
        for (request, answer) in zip(requests, try await session.read(requests, deadline: deadline)) {
            answers[request.path] = answer
            if let names = answer.children {
                childPaths[request.path] = names.compactMap { try? request.path.child($0) }
            }
            if request.setsWatch(answer) { vouched.insert(request.path) }
        }
    }

    fileprivate mutating func note(told paths: Set<ZNodePath>) { vouched.subtract(paths) }
}

extension ReadRequest {
    /// Whether a change of the data will be told of.
    fileprivate func setsWatch(_ answer: ReadAnswer) -> Bool {
        switch (self, answer) {
        case (.get(_, watch: .none), _), (.exists(_, watch: .none), _), (.get, .absent), (.children, _): false
        default: true
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
            absent.subtracting(known.absent).flatMap { TreeQuestion.expecting($0) } + memberRequests(beyond: known)
                + leaseRequests(beyond: known)
        }

        /// - Parameter others: the watch on those whose changes wait for the next look.
        func memberRequests(beyond known: Guess = Guess(), others: ReadRequest.Watch = .quiet) -> [ReadRequest] {
            members.filter { !known.members.contains($0) || watched.contains($0) && !known.watched.contains($0) }
                .map { .get($0, watch: watched.contains($0) ? .event : others) }
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
        /// When that was sent which had been answered last by the end of it. Each look without a question moves it on.
        var answered: Instant?
        /// When anything was asked for.
        var readAt = Instant.now
        /// Since everything was read.
        var calmReads = 0
        var allReadAt = Instant.now
    }

    /// How far watches are trusted: nothing depends for ever on one that got lost.
    struct Trust: Sendable {
        /// Within this time after a read, one that watches vouch for is not made.
        var unasked = Duration.seconds(5)
        /// Everything is read again after so many looks and so long without.
        var looks = 10
        var time = Duration.seconds(60)
    }

    let layout: ZNodeLayout
    private let changes: (@Sendable () -> TreeChanges)?
    private let trust: Trust
    private let last = NIOLockedValueBox(Last())

    /// - Parameter changes: nil: everything is read each time.
    init(layout: ZNodeLayout, changes: (@Sendable () -> TreeChanges)? = nil, trust: Trust = Trust()) {
        self.layout = layout
        self.changes = changes
        self.trust = trust
    }

    /// Whether the last answers stand without a question, `status` apart, which no watch is on: something that was sent
    /// later was answered, a renewal of the lease, and no watch had told of anything before it.
    /// - Returns: as of when they stand; nil: ask.
    func standing(_ session: ZooKeeperSession) -> Instant? {
        // First: what is told after it may have happened after it.
        let answered = Instant(nanoseconds: session.answeredAt)
        let changes = changes?()
        return last.withLockedValue { last in
            guard let connection = session.connection, last.connection == connection, let before = last.answered,
                answered > before
            else { return nil }
            noteTold(session, &last.answers)
            guard changes == last.changes, Instant.now - last.readAt < trust.unasked,
                last.answers.vouched.contains(layout.leader), lock(last.answers) != nil,
                unvouched(last.guess, last.answers).isEmpty
            else { return nil }
            last.answered = answered
            last.calmReads += 1
            return answered
        }
    }

    /// - Parameters:
    ///   - deadline: for each of at most two round trips.
    ///   - isWatched: whether changes of this member's record wake the loop.
    /// - Throws: `ZooKeeperError` when any read fails.
    func ask(
        _ session: ZooKeeperSession, deadline: Duration, isWatched: (_ member: String, TreeAnswers) -> Bool
    ) async throws(ZooKeeperError) -> TreeAnswers {
        // A read that fails leaves nothing to go on from: what watches told of meanwhile is forgotten with it.
        let last = last.withLockedValue { last in
            defer { last.connection = nil }
            return last
        }
        // Taken before anything is read: what changes later counts as another change.
        var next = Last(
            connection: session.connection, changes: changes?() ?? TreeChanges(), calmReads: last.calmReads + 1,
            allReadAt: last.allReadAt)
        var extent = extent(of: next, after: last)
        if extent == .everything {
            (next.calmReads, next.allReadAt) = (0, Instant.now)
        } else {
            next.answers = last.answers
            noteTold(session, &next.answers)
        }
        let first = requests(extent, last.guess, next.answers)
        try await read(first, session, deadline, &next.answers)
        if extent == .steady, lock(next.answers) != lock(last.answers) {
            extent = .lock
            try await read(requests(extent, last.guess, next.answers), session, deadline, &next.answers)
        }

        let members = next.answers.children(layout.members)
        next.guess = Guess(
            members: Set(members), watched: Set(members.filter { isWatched($0.name, next.answers) }),
            leases: Set(next.answers.children(layout.leases)), absent: Set(lasting.filter { next.answers[$0] == nil }))
        var second = next.guess.requests(beyond: last.guess)
        // What watches have told of meanwhile.
        if extent == .steady { second += unvouched(last.guess, next.answers).filter { !first.contains($0) } }
        try await read(second, session, deadline, &next.answers)
        next.answered = Instant(nanoseconds: session.answeredAt)
        self.last.withLockedValue { $0 = next }
        return next.answers
    }

    private func read(
        _ requests: [ReadRequest], _ session: ZooKeeperSession, _ deadline: Duration, _ answers: inout TreeAnswers
    ) async throws(ZooKeeperError) {
        try await answers.read(requests, session, deadline)
        noteTold(session, &answers)
    }

    /// What is told is told once: a question that relies on no watch leaves it to the one that does.
    private func noteTold(_ session: ZooKeeperSession, _ answers: inout TreeAnswers) {
        if changes != nil { answers.note(told: session.takeTold()) }
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
            next.calmReads <= trust.looks || Instant.now - next.allReadAt < trust.time
        else { return .everything }
        return next.changes.lock == last.changes.lock && lock(last.answers) != nil ? .steady : .lock
    }

    /// Which lock it is.
    private func lock(_ answers: TreeAnswers) -> [Int64]? {
        answers[layout.leader].map { [$0.stat.czxid, Int64($0.stat.version.rawValue)] }
    }

    private func requests(_ extent: Extent, _ guess: Guess, _ known: TreeAnswers) -> [ReadRequest] {
        // `leader` first: sessions that are read after it and are gone prove its absence (lock.md M2).
        switch extent {
        case .steady:
            return [.get(layout.leader, watch: .event), .get(layout.status)] + unvouched(guess, known)
        case .lock:
            // In a race most of it changes again at once: no watches that only tell so.
            return Self.expecting(layout.leader) + race + calm.map { .get($0) } + guess.memberRequests(others: .none)
                + guess.leaseRequests()
        case .everything:
            return Self.expecting(layout.leader)
                + lasting.filter { !guess.absent.contains($0) }.map { .get($0, watch: .event) }
                + [.exists(layout.bootstrap, watch: .event), .children(layout.members, watch: .event)]
                + race + quiet + guess.requests()
        }
    }

    /// Of what changes often, that which has changed, or may have without a word.
    private func unvouched(_ guess: Guess, _ known: TreeAnswers) -> [ReadRequest] {
        (quiet + guess.memberRequests()).filter { !known.vouched.contains($0.path) }
    }

    /// Not watched: these change often, or matter in a race alone.
    private var race: [ReadRequest] { [.get(layout.status), .get(layout.timeline), .children(layout.leases)] }

    /// Changes are read with the next look.
    private var calm: [ZNodePath] { [layout.epoch, layout.sync, layout.history] }

    private var quiet: [ReadRequest] { calm.flatMap { Self.expecting($0, watch: .quiet) } }

    /// Watched, and seldom made or removed.
    private var lasting: [ZNodePath] { [layout.initialize, layout.config, layout.failover] }

    /// A get of a missing znode sets no watch, exists does. What is made in between is read here, and at its event.
    private static func expecting(_ path: ZNodePath, watch: ReadRequest.Watch = .event) -> [ReadRequest] {
        [.exists(path, watch: watch), .get(path)]
    }
}
