/// One read of the cluster's tree, made by one session.
public struct StoreView: Hashable, Sendable {
    /// The `leader` znode.
    public struct Leader: Hashable, Sendable {
        public var member: MemberID
        public var term: Term
        /// `ephemeralOwner`.
        public var session: Int64
        /// Data version: 1 is the mark of our own locks, 0 a Patroni's (lock.md 3).
        public var version: Int64

        public init(member: MemberID, term: Term, session: Int64, version: Int64) {
            self.member = member
            self.term = term
            self.session = session
            self.version = version
        }
    }

    /// The `epoch` znode: each change of the lock moves its version.
    public struct Epoch: Hashable, Sendable {
        /// Who moved it last.
        public enum Holder: Hashable, Sendable {
            /// Made anew, nobody has led since.
            case nobody
            /// The last holder let go in order.
            case released
            case taken(by: MemberID, session: Int64, nonce: String)
        }

        public var version: Int64
        /// Transaction of the last change: what the keeper's latch compares (lock.md 4.E).
        public var zxid: Int64
        public var holder: Holder

        public init(version: Int64, zxid: Int64, holder: Holder) {
            self.version = version
            self.zxid = zxid
            self.holder = holder
        }
    }

    /// The `initialize` znode.
    public enum Initialize: Hashable, Sendable {
        case absent
        /// Somebody bootstraps.
        case inProgress
        /// An agent of ours began to bootstrap and its session is over.
        case abandoned
        case done(SystemIdentifier)
        case invalid(String)
    }

    /// The `failover` znode: somebody wants another member to lead (contract 1.7). One that cannot be read is none.
    public struct Request: Hashable, Sendable {
        /// Present: a switchover from this member. Absent: a failover.
        public var leader: MemberID?
        public var candidate: MemberID?
        /// When it is to happen; nil = now.
        public var dueAt: Instant?
        /// Data version: who acts on it proves with it that it still stands.
        public var version: Int64
        /// Somebody has taken the lock because of it.
        public var isFulfilled: Bool

        public init(
            leader: MemberID? = nil, candidate: MemberID? = nil, dueAt: Instant? = nil, version: Int64,
            isFulfilled: Bool = false
        ) {
            self.leader = leader
            self.candidate = candidate
            self.dueAt = dueAt
            self.version = version
            self.isFulfilled = isFulfilled
        }
    }

    public var session: Int64
    /// When the read began.
    public var readAt: Instant
    public var leader: Leader?
    public var epoch: Epoch?
    public var members: [MemberID: MemberView]
    /// Sessions that own an ephemeral of this cluster (`members/*`, `lease/*`), read after `leader`.
    public var livingSessions: Set<Int64>
    public var initialize: Initialize
    public var hasConfig: Bool
    /// Last position a leader published.
    public var optime: LSN?
    /// Timeline that the stored history ends on; nil when unknown.
    public var historyTimeline: Timeline?
    /// The highest version of `epoch` that any member's record shows.
    public var highestEpochVersion: Int64
    public var request: Request?
    public var sync: Sync

    /// The `sync` znode: who has every row that was acknowledged (contract 1.5).
    public struct Sync: Hashable, Sendable {
        /// Nil: synchronous replication is off.
        public var leader: MemberID?
        public var standbys: Set<MemberID>
        /// Data version; nil when the znode is missing.
        public var version: Int64?

        public init(leader: MemberID? = nil, standbys: Set<MemberID> = [], version: Int64? = nil) {
            self.leader = leader
            self.standbys = standbys
            self.version = version
        }

        /// Names are compared without regard to case, as PostgreSQL compares them.
        public func lists(_ member: MemberID) -> Bool { standbys.contains { $0.isSame(as: member) } }
    }

    public init(
        session: Int64, readAt: Instant, leader: Leader? = nil, epoch: Epoch? = nil,
        members: [MemberID: MemberView] = [:], livingSessions: Set<Int64> = [], initialize: Initialize = .absent,
        hasConfig: Bool = false, optime: LSN? = nil, historyTimeline: Timeline? = nil,
        highestEpochVersion: Int64 = 0, request: Request? = nil, sync: Sync = Sync()
    ) {
        self.session = session
        self.readAt = readAt
        self.leader = leader
        self.epoch = epoch
        self.members = members
        self.livingSessions = livingSessions
        self.initialize = initialize
        self.hasConfig = hasConfig
        self.optime = optime
        self.historyTimeline = historyTimeline
        self.highestEpochVersion = highestEpochVersion
        self.request = request
        self.sync = sync
    }
}

/// A member as its own record describes it: what it believed when it wrote.
public struct MemberView: Hashable, Sendable {
    public var session: Int64
    /// It has an `api_url` and can be asked.
    public var reachable: Bool
    public var isPrimary: Bool
    public var isRunning: Bool
    public var nofailover: Bool
    public var clonefrom: Bool
    /// Never to be a synchronous standby.
    public var nosync: Bool
    public var syncPriority: Int
    public var failoverPriority: Int
    /// The member that it streams from in place of the leader.
    public var replicatefrom: MemberID?
    /// It replays from the archive alone.
    public var nostream: Bool
    public var timeline: Timeline?
    public var position: LSN?
    /// A promoted leader has not yet checkpointed: nobody may rewind from it (contract 4.12).
    public var checkpointPending: Bool
    /// A keeper runs its PostgreSQL and enforces the lease: it need not be waited for when silent (lock.md 4.A4).
    public var kept: Bool

    public init(
        session: Int64, reachable: Bool = true, isPrimary: Bool = false, isRunning: Bool = true,
        nofailover: Bool = false, clonefrom: Bool = false, nosync: Bool = false, syncPriority: Int = 1,
        failoverPriority: Int = 1, replicatefrom: MemberID? = nil, nostream: Bool = false, timeline: Timeline? = nil,
        position: LSN? = nil, checkpointPending: Bool = false, kept: Bool = true
    ) {
        self.session = session
        self.reachable = reachable
        self.isPrimary = isPrimary
        self.isRunning = isRunning
        self.nofailover = nofailover
        self.clonefrom = clonefrom
        self.nosync = nosync
        self.syncPriority = syncPriority
        self.failoverPriority = failoverPriority
        self.replicatefrom = replicatefrom
        self.nostream = nostream
        self.timeline = timeline
        self.position = position
        self.checkpointPending = checkpointPending
        self.kept = kept
    }
}
