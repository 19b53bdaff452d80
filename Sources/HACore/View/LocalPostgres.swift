/// How PostgreSQL was asked to run. A start as primary is a promotion (design/lock.md 4.A6).
public enum StartRole: String, Hashable, Sendable {
    case primary, standby
}

/// The data directory as found on disk.
public enum DataDirectory: Hashable, Sendable {
    /// Absent or empty.
    case empty
    /// A usable cluster, with what its control file says.
    case ready(ControlFile)
    /// A rewind or clone was cut off here; nothing may be started from it.
    case unfinished(String, Leftover = .unknown)
    /// Something that cannot be used; the text says what and why.
    case unusable(String)

    /// What an operation that was cut off has left.
    public enum Leftover: Hashable, Sendable {
        /// All that it takes to do the rewind again, from any source.
        case rewind
        /// Parts of a copy, and nothing else.
        case clone
        case unknown
    }
}

/// WAL of this server that a rewind gave up, because no other member has it.
public struct GivenUpWAL: Hashable, Sendable {
    public var timeline: Timeline
    /// Where the histories parted.
    public var from: LSN
    /// The end of the own WAL.
    public var to: LSN
    public var bytes: UInt64 { to.bytesAhead(of: from) }

    public init(timeline: Timeline, from: LSN, to: LSN) {
        self.timeline = timeline
        self.from = from
        self.to = to
    }
}

/// What the local PostgreSQL is, as one consistent observation.
public struct LocalPostgres: Hashable, Sendable {
    /// The server process, as its parent (the keeper) knows it.
    public enum Process: Hashable, Sendable {
        /// Nothing of this data directory runs.
        case absent
        /// The postmaster lives.
        case running(as: StartRole)
        /// A postmaster lives that no keeper watches: somebody else started it, or its keeper died after a take-over.
        case unkept(as: StartRole)
        /// The postmaster is gone and processes of its data directory remain: still able to acknowledge commits.
        case remains
    }

    /// Why nothing runs.
    public enum Ending: Hashable, Sendable {
        /// Not started by this keeper yet.
        case neverStarted
        /// The agent asked for it.
        case requested
        /// It ended by itself, was killed, or was fenced; `at` is when the parent saw it.
        case crashed(at: Instant)
    }

    public var directory: DataDirectory
    public var process: Process
    public var ending: Ending
    /// The keeper ended the last postmaster by a fence.
    public var wasFenced = false
    /// When the present postmaster was started.
    public var startedAt: Instant?
    /// A promotion was asked for (from the fork of the child that creates the promote file on): counts as writable.
    public var promoteRequested: Bool
    /// The agent asked this postmaster to stop.
    public var stopRequested: Bool
    /// The keeper proved of a postmaster that still runs: its shutdown checkpoint is written and no client is left
    /// (rulings, Lock 10). What remains, the archiver and walsenders, writes nothing.
    public var isShutDown: Bool
    /// Deadline the keeper is armed with; nil = not armed, so that it starts and promotes no primary.
    public var armedUntil: Instant?
    /// mzxid of `epoch` under which the keeper was armed: another than our leadership's means that renewals of the
    /// present process do not reach it yet; zero: only with a session's lease, as for a primary that was found running.
    public var armedZxid: Int64?
    /// The keeper did not start this postmaster, or was told to leave it: it was taken over as it ran.
    public var takenOver = false
    /// The keeper enforces no deadline: the cluster is, or was, paused.
    public var keeperPaused = false
    /// It fenced under this mzxid of `epoch` and refuses to act until armed with a greater one.
    public var latch: Int64?

    /// What SQL said last; for a primary that cannot be asked, what its keeper and its files say. Nil when neither is
    /// known.
    public var sql: SQLStatus?
    /// Why the running server could not be asked now, or lets nobody in; nil when it answered.
    public var obstacle: String?
    /// What the last rewind of this process gave up.
    public var givenUp: GivenUpWAL?

    public init(
        directory: DataDirectory, process: Process = .absent, ending: Ending = .neverStarted, startedAt: Instant? = nil,
        promoteRequested: Bool = false, stopRequested: Bool = false, isShutDown: Bool = false,
        armedUntil: Instant? = nil, armedZxid: Int64? = nil, latch: Int64? = nil, sql: SQLStatus? = nil,
        obstacle: String? = nil
    ) {
        self.directory = directory
        self.process = process
        self.ending = ending
        self.startedAt = startedAt
        self.promoteRequested = promoteRequested
        self.stopRequested = stopRequested
        self.isShutDown = isShutDown
        self.armedUntil = armedUntil
        self.armedZxid = armedZxid
        self.latch = latch
        self.sql = sql
        self.obstacle = obstacle
    }

    /// Nothing here can be proved to be read-only: it was started as a primary or asked to promote, says that it has left
    /// recovery (somebody else promoted it), or is half gone.
    public var mayBeWritable: Bool {
        switch process {
        case .absent: false
        case .running(let role): !isShutDown && (role == .primary || promoteRequested || sql?.inRecovery == false)
        case .unkept, .remains: true
        }
    }

    public var isRunning: Bool {
        if case .running = process { return true }
        return false
    }

    public var isUnkept: Bool {
        if case .unkept = process { return true }
        return false
    }

    /// A primary was found running and taken over, and no lock of ours was proved for it since (design/lock.md 4.A0).
    public var isFound: Bool { takenOver && process == .running(as: .primary) && (armedZxid ?? 0) == 0 }

    /// Others may rely on its keeper while this member is silent: its deadline comes before another can lead
    /// (design/lock.md 4.A4). That of a primary that was found running follows from no lock; in pause there is none.
    public var isKept: Bool { !isUnkept && !isFound && !keeperPaused }

    public var control: ControlFile? {
        if case .ready(let control) = directory { return control }
        return nil
    }
}

/// One answer of a running server.
public struct SQLStatus: Hashable, Sendable {
    public var at: Instant
    public var inRecovery: Bool
    /// Primary: of the current WAL file. Standby: of what it replays or receives.
    public var timeline: Timeline
    /// Primary: the flush position. Standby: nil.
    public var written: LSN?
    /// Standby: the greater of what the walreceiver has written and `pg_last_wal_receive_lsn`; zero when neither is known.
    public var received: LSN
    public var replayed: LSN
    /// Standby: the walreceiver is in state streaming.
    public var streaming: Bool
    /// Standby: the walreceiver's connection target, `host:port`, when there is one.
    public var upstream: String?
    /// Standby: what replay waits for, by PostgreSQL's name of the wait event, while a query holds it up.
    public var replayWait: String?
    /// Files said so, not SQL: the position is no more than a lower bound.
    public var isInferred: Bool
    /// Primary: who receives WAL.
    public var senders: [Sender] = []
    /// `synchronous_standby_names` in effect; nil when it was not read.
    public var synchronousNames: String?

    /// A standby as `pg_stat_replication` shows it.
    public struct Sender: Hashable, Sendable {
        /// How it takes part, in the order in which it is preferred (contract 4.10).
        public enum Part: Int, Hashable, Sendable, Comparable {
            case async, potential, quorum, sync

            public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
        }

        /// Its `application_name`, which is the name of the member.
        public var name: String
        public var isStreaming: Bool
        public var part: Part
        public var flushed: LSN

        public init(name: String, isStreaming: Bool = true, part: Part = .async, flushed: LSN) {
            self.name = name
            self.isStreaming = isStreaming
            self.part = part
            self.flushed = flushed
        }
    }

    public init(
        at: Instant, inRecovery: Bool, timeline: Timeline, written: LSN? = nil, received: LSN = .zero,
        replayed: LSN = .zero, streaming: Bool = false, upstream: String? = nil, replayWait: String? = nil,
        isInferred: Bool = false
    ) {
        self.at = at
        self.inRecovery = inRecovery
        self.timeline = timeline
        self.written = written
        self.received = received
        self.replayed = replayed
        self.streaming = streaming
        self.upstream = upstream
        self.replayWait = replayWait
        self.isInferred = isInferred
    }

    /// The position that counts in a race: what a promotion would keep.
    public var position: LSN { written ?? max(received, replayed) }
}
