/// What decisions remember from one view to the next: every timer is here, in the open.
public struct DecisionMemory: Hashable, Sendable {
    /// How far this process has come in making a new cluster.
    public enum BootstrapPhase: Hashable, Sendable, Comparable {
        /// `initialize` is ours, the directory is still empty.
        case won
        /// initdb is done.
        case created
        /// A step failed: everything of it goes away again.
        case failed
    }

    /// Repeated failures of one effect.
    public struct Retry: Hashable, Sendable {
        public var failures: Int
        public var notBefore: Instant
        public var reason: String
    }

    /// A planned change under way: PostgreSQL stops here so that another member can lead.
    public struct HandOver: Hashable, Sendable {
        public var term: Term
        public var since: Instant
        /// When the shutdown checkpoint was seen in the control file: from here on others are asked whether they have it.
        public var shutDownAt: Instant?
        /// When the last process of it was seen gone: no walsender can bring anybody further.
        public var endedAt: Instant?
    }

    public var bootstrap: BootstrapPhase?
    /// Since when the pause is over while the keeper does not enforce its deadline yet.
    public var pauseOverSince: Instant?
    /// When initdb, or the command in its place, was done.
    public var createdAt: Instant?
    /// Since when the tree was read without a leader, and the version of `epoch` it was read with.
    public var absentSince: Instant?
    public var absentEpochVersion: Int64?
    /// Since when each read of the tree has shown another program's lock, or none, and the same version of `epoch`.
    public var foreignSince: Instant?
    private var foreignEpochVersion: Int64?
    /// The highest version of `epoch` that this process has seen: one made anew has to start above it.
    public var highestEpochVersion: Int64 = 0
    /// By effect name.
    public var retries: [String: Retry] = [:]
    /// The server that was started last has let somebody in: its end is no failure to start.
    var hasAnswered = true
    /// Moments at which the local primary ended by itself, newest last.
    public var crashes: [Instant] = []
    /// When the agent gave the lock away or stepped down: it leaves the race to others for a moment.
    public var stoodBackAt: Instant?
    /// Another member has led as a primary since.
    public var isSucceeded = false
    /// The term in which the user's script agreed to a promotion.
    public var agreedTerm: Term?
    /// When it last did not: for `ttl` from then on this member leaves the race to others.
    public var refusedAt: Instant?
    public var steppingDown = false
    /// Since when a postmaster runs here that no keeper watches.
    public var unkeptSince: Instant?
    public var handOver: HandOver?
    /// Where the primary was when `synchronous_standby_names` last changed: who has not come so far is not confirmed.
    public var synchronousSince: LSN?
    public var synchronousSetAt: Instant?
    /// Commits that waited for others than those in the setting have been let go since it changed.
    public var commitsWoken = true
    /// When the process was asked to end.
    public var leavingSince: Instant?
    /// When PostgreSQL was last asked to stop at once.
    public var quitAt: Instant?
    /// The lock is taken only to be released again (rule `lock.clear`).
    public var clearing = false
    /// PostgreSQL was stopped by an operator's order: also in pause it is started again.
    public var owed = false
    /// When the operator's request of this version was first seen in the tree.
    public var requestVersion: Int64?
    public var requestedAt: Instant?
    /// An operator's request made this member take the lock: also in pause it is promoted.
    public var designated = false
    /// When data were last replaced by an operator's order, or could not be.
    public var copiedAt: Instant?
    /// Kicks since the standby last streamed, and when the last was.
    public var kicks = 0
    public var kickedAt: Instant?
    /// The term in which PostgreSQL was last seen as a primary here.
    public var ledTerm: Term?
    /// When the others were first asked since the lock was proved: a silent one is waited for from then on.
    public var askedSince: Instant?
    /// When PostgreSQL was last seen as a primary here under our lock.
    public var lastLedAt: Instant?
    /// The term of the lock as last read: what failed with one leader may succeed with the next.
    public var seenTerm: Term?

    public init() {}

    /// Takes in what a new view says about time passing and about effects that ended.
    mutating func observe(_ view: ClusterView) {
        for finished in view.finished { take(finished) }
        if case .crashed(let at) = view.local.ending, crashes.last != at {
            crashes.append(at)
            if crashes.count > 16 { crashes.removeFirst() }
            // A lock file or a setting in its way ends it at once: not tried many times a second for ever.
            if !hasAnswered, !view.local.wasFenced {
                fail("start", at: at, because: "PostgreSQL ended as it started, its own lines say why")
            }
        }
        if view.local.isRunning, view.local.sql != nil {
            hasAnswered = true
            retries["start"] = nil
        }
        if !view.local.isRunning { steppingDown = false }
        // Recovery to a target in the past does not succeed at the second try either, initdb's cluster not at the fourth: a
        // port that is taken, or a folder that is missing, would be tried many times a second for ever.
        if bootstrap == .created, view.local.process == .absent, case .crashed(let at) = view.local.ending,
            let createdAt, at >= createdAt, !view.local.wasFenced,
            view.policy.hasBootstrapCommand || crashes.count(where: { $0 >= createdAt }) >= 3
        {
            bootstrap = .failed
        }
        if !view.local.keeperPaused {
            pauseOverSince = nil
        } else if view.store != nil {
            pauseOverSince = view.policy.paused ? nil : pauseOverSince ?? view.now
        }
        unkeptSince = view.local.isUnkept ? unkeptSince ?? view.now : nil
        if view.local.sql?.streaming == true || !view.local.isRunning { kicks = 0 }
        if let leadership = view.leadership, view.local.sql?.inRecovery == false, view.local.isRunning {
            ledTerm = leadership.term
            lastLedAt = view.now
        }
        if let leadership = view.leadership, let asked = view.peers?.askedAt, asked >= leadership.provedAt,
            askedSince.map({ $0 < leadership.provedAt }) ?? true
        {
            askedSince = asked
        }
        if view.local.mayBeWritable { clearing = false }
        if let leader = view.store?.leader?.member, leader != view.me, view.store?.members[leader]?.isPrimary == true {
            isSucceeded = true
        }
        observeHandOver(view)
        observeOrders(view)
        if synchronousSince == nil, let position = view.local.sql?.written {
            // Without a synchronous standby before, commits wait only once the checkpointer, too, has read the setting.
            let settled = view.policy.synchronousStrict ? Duration.zero : .seconds(1)
            if synchronousSetAt.map({ view.now - $0 >= settled }) ?? true { synchronousSince = position }
        }
        if view.local.sql?.written == nil { synchronousSince = nil }
        if view.leaving { leavingSince = leavingSince ?? view.now }
        guard let store = view.store else { return }
        if store.request?.version != requestVersion {
            requestVersion = store.request?.version
            requestedAt = view.now
        }
        highestEpochVersion = max(
            highestEpochVersion, store.epoch?.version ?? 0, view.leadership?.epochVersion ?? 0)
        // What a lost reply did not say: ours has become the cluster, and others may have led it since.
        if bootstrap == .created, view.leadership == nil, case .done(let cluster) = store.initialize,
            cluster == view.local.control?.systemIdentifier
        {
            bootstrap = nil
        }
        if let term = store.leader?.term, term != seenTerm {
            if seenTerm != nil {
                retries["rewind"] = nil
                retries["clone"] = nil
            }
            seenTerm = term
        }
        switch store.leader?.version {
        case 0:
            if let version = store.epoch?.version, foreignSince == nil || foreignEpochVersion != version {
                (foreignSince, foreignEpochVersion) = (store.readAt, version)
            }
        case nil where foreignEpochVersion == store.epoch?.version: break
        default: foreignSince = nil
        }
        if store.leader == nil {
            if absentSince == nil || absentEpochVersion != store.epoch?.version {
                absentSince = store.readAt
                absentEpochVersion = store.epoch?.version
            }
        } else {
            if store.leader?.member != view.me { clearing = false }
            absentSince = nil
            absentEpochVersion = nil
        }
    }

    private mutating func observeHandOver(_ view: ClusterView) {
        guard var current = handOver else { return }
        // Another term, a server that runs again, or one that did not end in order: this one is over.
        guard view.leadership.map({ $0.term == current.term }) ?? (view.store == nil),
            view.local.startedAt.map({ $0 <= current.since }) ?? true,
            view.local.process != .absent || view.local.control?.state == .shutDown
        else {
            handOver = nil
            return
        }
        if current.shutDownAt == nil, view.local.control?.state == .shutDown { current.shutDownAt = view.now }
        if current.endedAt == nil, view.local.process == .absent { current.endedAt = view.now }
        handOver = current
    }

    private mutating func observeOrders(_ view: ClusterView) {
        if handOver != nil || view.order != nil {
            owed = true
        } else if view.local.isRunning, view.local.sql != nil, !view.local.stopRequested {
            owed = false
        }
        if view.local.sql?.inRecovery == false { designated = false }
        if let leader = view.store?.leader, leader.member != view.me { designated = false }
    }

    /// Before the next try of what has been tried so often and was not the first: doubled each time, up to 10 s.
    static func pause(afterTries tries: Int) -> Duration { .milliseconds(min(10_000, 50 << min(tries, 8))) }

    private mutating func fail(_ name: String, at instant: Instant, because reason: String) {
        let failures = (retries[name]?.failures ?? 0) + 1
        let notBefore = instant + Self.pause(afterTries: failures - 1)
        retries[name] = Retry(failures: failures, notBefore: notBefore, reason: reason)
    }

    private mutating func take(_ finished: FinishedEffect) {
        let name = finished.effect.name
        switch finished.outcome {
        case .done where name == "start": hasAnswered = false
        case .done: retries[name] = nil
        case .failed(let reason), .unknown(let reason): fail(name, at: finished.at, because: reason)
        }
        if case .reinitialize = finished.effect { copiedAt = finished.at }
        switch (finished.effect, finished.outcome) {
        case (.raceInitialize, .done): bootstrap = .won
        case (.initdb, .done):
            bootstrap = .created
            createdAt = finished.at
        case (.finishBootstrap, .done), (.cancelBootstrap, .done): bootstrap = nil
        case (.initdb, .failed), (.finishBootstrap, .failed): bootstrap = .failed
        case (.start(as: .primary, _), .failed) where bootstrap != nil: bootstrap = .failed
        case (.acquire(_, _, .some), .done), (.acquire(_, _, .some), .unknown): designated = true
        case (.release, .done):
            standBack(finished.at)
            clearing = false
            handOver = nil
        case (.release, .unknown):
            // It may have happened: then the race is for the others first.
            standBack(finished.at)
        case (.clearRequest, .done): handOver = nil
        case (.setSynchronous, .done):
            synchronousSince = nil
            synchronousSetAt = finished.at
            commitsWoken = false
        case (.wakeCommits, .done): commitsWoken = true
        case (.prePromote(let term), .done): agreedTerm = term
        case (.prePromote, .failed): refusedAt = finished.at
        case (.stopAtOnce, .done): quitAt = finished.at
        case (.kick, .done):
            kicks += 1
            kickedAt = finished.at
        default: break
        }
    }

    private mutating func standBack(_ at: Instant) {
        stoodBackAt = at
        isSucceeded = false
    }

    /// Crashes of the local primary within `span` before `now`.
    func crashCount(within span: Duration, before now: Instant) -> Int {
        crashes.count { now - $0 <= span }
    }
}
