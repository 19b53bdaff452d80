/// The configuration that decisions depend on: dynamic configuration, local configuration and own tags together.
public struct ClusterPolicy: Hashable, Sendable {
    public var loopWait: Duration = .seconds(10)
    public var retryTimeout: Duration = .seconds(10)
    public var ttl: Duration = .seconds(30)
    /// Bytes behind the last known leader position beyond which a standby does not race.
    public var maximumLagOnFailover: UInt64 = 1_048_576
    public var checkTimeline = false
    /// How long a crashed primary may take to come back; zero = fail over at once.
    public var primaryStartTimeout: Duration = .seconds(300)
    /// How long an orderly stop may take before PostgreSQL is stopped at once.
    public var primaryStopTimeout: Duration = .seconds(60)
    /// Who leads next must have every acknowledged row (contract 4.10).
    public var synchronous = false
    /// Without a synchronous standby nothing is acknowledged.
    public var synchronousStrict = false
    public var synchronousCount = 1
    /// Bytes behind the best standby beyond which another is not chosen; nil = no limit.
    public var maximumLagOnSyncNode: UInt64?
    /// Nothing is started, stopped, promoted or fenced without an operator's word (contract 4.18).
    public var paused = false
    public var useRewind = false
    public var cloneOnRewindFailure = false
    public var cloneOnDivergence = false
    /// The local configuration has a `bootstrap` section.
    public var mayBootstrap = true
    /// A command of the user's makes the cluster, not initdb.
    public var hasBootstrapCommand = false
    /// A command of the user's makes a replica without a leader (`no_leader`).
    public var restoresWithoutLeader = false
    /// Own tag: never leads.
    public var nofailover = false
    public var failoverPriority = 1
    /// Own tag: the member to stream from in place of the leader.
    public var replicatefrom: MemberID?
    /// Own tag: replays from the archive alone.
    public var nostream = false
    /// A script of the user's has to agree before a promotion (`pre_promote`).
    public var asksBeforePromotion = false

    public init() {}
}
