/// The connection to ZooKeeper.
public enum Coordination: Hashable, Sendable {
    /// No session was ever established by this process.
    case never
    case connected
    /// Disconnected; nobody knows yet whether the session lives.
    case uncertain
    /// The session is over; a new one is being opened.
    case expired
}

/// Our own leadership as proved by an acknowledged transaction (acquire, replace, adopt).
public struct Leadership: Hashable, Sendable {
    public var term: Term
    /// Version of `epoch` that every guarded write expects.
    public var epochVersion: Int64
    /// mzxid of `epoch`: what the keeper compares with its latch.
    public var epochZxid: Int64
    /// When the acknowledgement was processed. Questions to peers count only from here on.
    public var provedAt: Instant

    public init(term: Term, epochVersion: Int64, epochZxid: Int64, provedAt: Instant) {
        self.term = term
        self.epochVersion = epochVersion
        self.epochZxid = epochZxid
        self.provedAt = provedAt
    }

    /// What is left of it after a read of the tree: nothing, when a read that began after the proof shows another lock.
    public func confirmed(by store: StoreView) -> Leadership? {
        guard store.readAt >= provedAt else { return self }
        guard let leader = store.leader, leader.term == term, leader.session == store.session, leader.version == 1
        else { return nil }
        return self
    }
}

/// What the session's renewals prove at the moment of the view.
public struct LeaseView: Hashable, Sendable {
    public var session: Int64
    public var anchor: Instant
    public var provenUntil: Instant
    public var terms: LeaseTerms

    public init(session: Int64, anchor: Instant, provenUntil: Instant, terms: LeaseTerms) {
        self.session = session
        self.anchor = anchor
        self.provenUntil = provenUntil
        self.terms = terms
    }

    public init(_ lease: AnchoredLease) {
        self.init(
            session: lease.session, anchor: lease.anchor, provenUntil: lease.provenUntil, terms: lease.terms)
    }
}

/// What a leader said about its own timeline, asked over a replication connection.
public struct UpstreamView: Hashable, Sendable {
    public var member: MemberID
    public var term: Term
    public var systemIdentifier: SystemIdentifier
    public var timeline: Timeline
    public var history: TimelineHistory

    public init(
        member: MemberID, term: Term, systemIdentifier: SystemIdentifier, timeline: Timeline, history: TimelineHistory
    ) {
        self.member = member
        self.term = term
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.history = history
    }
}

/// An effect that has begun and not ended.
public struct RunningEffect: Hashable, Sendable {
    public var effect: Effect
    public var since: Instant

    public init(_ effect: Effect, since: Instant) {
        self.effect = effect
        self.since = since
    }
}

/// How an effect ended; part of the next view.
public struct FinishedEffect: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        case done
        case failed(String)
        /// It may have happened: read back before anything is built on it.
        case unknown(String)
    }

    public var effect: Effect
    public var outcome: Outcome
    public var at: Instant

    public init(_ effect: Effect, _ outcome: Outcome, at: Instant) {
        self.effect = effect
        self.outcome = outcome
        self.at = at
    }
}

/// Everything a decision may depend on, as one value.
public struct ClusterView: Hashable, Sendable {
    public var now: Instant
    public var me: MemberID
    public var policy: ClusterPolicy
    public var coordination: Coordination
    /// The latest read of the present session; nil before the first one.
    public var store: StoreView?
    public var lease: LeaseView?
    public var leadership: Leadership?
    public var local: LocalPostgres
    /// Whom the local standby is configured to follow, and in which of its terms that was settled.
    public var following: Following?
    public var peers: PeerRound?
    public var upstream: UpstreamView?
    public var running: RunningEffect?
    /// Effects that ended since the last decision.
    public var finished: [FinishedEffect]
    /// A write of this session that changes who leads has an unknown outcome.
    public var unsettled: Bool
    /// The process was asked to end: PostgreSQL stops, the lock is handed over (contract 4.17).
    public var leaving: Bool
    /// What an operator wants of this PostgreSQL, and when a restart is to happen.
    public var order: MemberOrder?
    public var scheduledRestart: Instant?
    /// Slots of a mesh with which peers could go on after a promotion here.
    public var provedSlots = 0

    public init(
        now: Instant, me: MemberID, policy: ClusterPolicy = ClusterPolicy(), coordination: Coordination = .never,
        store: StoreView? = nil, lease: LeaseView? = nil, leadership: Leadership? = nil, local: LocalPostgres,
        following: Following? = nil, peers: PeerRound? = nil, upstream: UpstreamView? = nil,
        running: RunningEffect? = nil, finished: [FinishedEffect] = [], unsettled: Bool = false,
        leaving: Bool = false, order: MemberOrder? = nil, scheduledRestart: Instant? = nil
    ) {
        self.now = now
        self.me = me
        self.policy = policy
        self.coordination = coordination
        self.store = store
        self.lease = lease
        self.leadership = leadership
        self.local = local
        self.following = following
        self.peers = peers
        self.upstream = upstream
        self.running = running
        self.finished = finished
        self.unsettled = unsettled
        self.leaving = leaving
        self.order = order
        self.scheduledRestart = scheduledRestart
    }
}

/// The upstream a standby was configured with.
public struct Following: Hashable, Sendable {
    /// Nil: nobody.
    public var member: MemberID?
    public var term: Term

    public init(member: MemberID?, term: Term) {
        self.member = member
        self.term = term
    }
}
