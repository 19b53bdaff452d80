/// One database's replication between this cluster and one peer.
public struct MeshLink: Hashable, Sendable, Comparable {
    public var database: String
    /// The peer's node.
    public var peer: String

    public init(_ database: String, _ peer: String) {
        self.database = database
        self.peer = peer
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.database, left.peer) < (right.database, right.peer)
    }
}

/// What a cluster says of itself to its peers, in the znode `spock`; only its leader writes it (design/zones.md 2).
public struct MeshRecord: Hashable, Sendable {
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// Promoted, and not yet checked: no client writes, no apply worker runs, its origins stand still.
        case gated
        case open
    }

    /// The promotion that began the present timeline.
    public struct Fork: Hashable, Sendable {
        /// Of the lock under which it was found; peers answer for it.
        public var term: Term
        public var timeline: Timeline
        /// Where the timeline of the record before was left.
        public var position: LSN
        /// Where the leader wrote when it opened to clients; nil: it never did.
        public var openedAt: LSN?

        public init(term: Term, timeline: Timeline, position: LSN, openedAt: LSN? = nil) {
            self.term = term
            self.timeline = timeline
            self.position = position
            self.openedAt = openedAt
        }
    }

    public struct Address: Hashable, Sendable {
        public var host: String
        public var port: Int

        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    public var mesh: String
    public var node: String
    /// The lock under which it was written: of another leader it says where that one was.
    public var term: Term
    public var state: State
    public var systemIdentifier: SystemIdentifier
    public var timeline: Timeline
    /// Nil: nobody was promoted since the mesh knows this cluster.
    public var fork: Fork?
    /// Promotions before it that not every peer has followed yet, oldest first.
    public var earlierForks: [Fork] = []
    /// Of the leader.
    public var address: Address
    /// Of all members, the leader first, for connection strings that name several.
    public var addresses: [Address] = []
    /// Where a proxy, or an address that moves, leads to whoever leads; by libpq's keywords.
    public var fixed: String?
    /// `server_version_num`.
    public var postgresVersion: Int
    public var spockVersion: String?
    /// The protocols that this Spock speaks.
    public var protocols: ClosedRange<Int>?
    /// Databases whose node exists, with their encoding.
    public var databases: [String: String] = [:]
    public var links: [MeshLink: MeshLinkRecord] = [:]
    /// What was found to be lost, skipped or out of step, newest last.
    public var findings: [MeshFinding] = []

    public init(
        mesh: String, node: String, term: Term, state: State, systemIdentifier: SystemIdentifier, timeline: Timeline,
        address: Address, postgresVersion: Int
    ) {
        self.mesh = mesh
        self.node = node
        self.term = term
        self.state = state
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.address = address
        self.postgresVersion = postgresVersion
    }
}

extension MeshRecord {
    /// What a peer has missed that has followed no fork after that of `term`.
    /// - Returns: the first end of a timeline: what the peer applied beyond it may be on no timeline any more; and where
    ///   the first leader wrote that opened since: what came after it is of the present timeline, or lost. Nil: nothing.
    public func unfollowed(since term: Term?) -> (divergence: LSN, openedAt: LSN?)? {
        let forks = (earlierForks + (fork.map { [$0] } ?? [])).filter { fork in term.map { fork.term > $0 } ?? true }
        guard let divergence = forks.map(\.position).min() else { return nil }
        return (divergence, forks.compactMap(\.openedAt).min())
    }
}

/// What a cluster says of one link: first as the subscriber of its peer, then as the provider.
public struct MeshLinkRecord: Hashable, Sendable {
    /// A position of the peer up to which every standby here has all that was applied; a promoted standby keeps it only
    /// if it has it, too.
    public struct Safe: Hashable, Sendable {
        /// Confirmed on the peer's slot.
        public var confirmed: LSN
        /// Our own position after `confirmed` was read: who has flushed it has what `confirmed` stands for.
        public var position: LSN
        /// The peer's term in which `confirmed` was published.
        public var term: Term

        public init(confirmed: LSN, position: LSN, term: Term) {
            self.confirmed = confirmed
            self.position = position
            self.term = term
        }
    }

    /// The return of the peer's slot to where its promoted standby needs it.
    public struct Rewind: Hashable, Sendable {
        /// Of the peer's fork.
        public var term: Term
        public var isDone: Bool
        /// The slot was made anew: copies of it on standbys here may still stand where it was.
        public var isMoved: Bool
        /// What no slot here reaches back to, if anything: the peer lacks our changes in it.
        public var gap: MeshRange?

        public init(term: Term, isDone: Bool, isMoved: Bool = false, gap: MeshRange? = nil) {
            self.term = term
            self.isDone = isDone
            self.isMoved = isMoved
            self.gap = gap
        }
    }

    /// The progress goes back to where the peer wrote when it opened without our answer.
    public struct SetBack: Hashable, Sendable {
        /// Of the peer's WAL.
        public var to: LSN
        /// Our own position when it was done: a standby that has not got so far is still to be set back.
        public var finished: LSN?

        public init(to: LSN, finished: LSN? = nil) {
            self.to = to
            self.finished = finished
        }
    }

    /// A hand for a subscription that does not connect: whoever leads next enables what stands here.
    public var kick = false
    /// Our own position after the last kick: a standby that has not got so far may have the subscription disabled.
    public var kicked: LSN?
    /// The cluster that was subscribed to: another one of the same name is not taken for it.
    public var peerSystem: SystemIdentifier?
    /// Also one that is about to be made: peers count with it.
    public var subscription: String?
    /// The slot on the peer, which is also the name of the origin here.
    public var slot: String?
    public var status: String?
    /// How far the peer's changes are applied, zero where none is; nil: not read since the promotion.
    public var origin: LSN?
    /// The peer's fork for which `origin` was read after the end of the worker, with the way to the peer shut.
    public var answered: Term?
    /// The peer's fork whose `openedAt` the progress was compared with, after the answer and before a worker starts.
    public var followed: Term?
    public var setBack: SetBack?
    public var safe: Safe?

    /// The peer's slot here, since it was seen.
    public var provided: String?
    /// What it has confirmed; nil: there is none.
    public var confirmed: LSN?
    public var holdSlot: String?
    public var rewind: Rewind?

    public init() {}
}

/// Positions after `from` up to and including `to`, of the provider's WAL.
public struct MeshRange: Hashable, Sendable, CustomStringConvertible {
    public var from: LSN
    public var to: LSN

    public init(from: LSN, to: LSN) {
        self.from = from
        self.to = to
    }

    public var description: String { "\(from) to \(to)" }
}

/// Whether workers may reach a peer, and where.
public enum MeshRoute: Hashable, Sendable {
    case shut
    case open(MeshRecord.Address)
}

/// Something that replication will not mend by itself.
public struct MeshFinding: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// The peer has applied changes of this cluster that its promoted standby does not have: rows differ.
        case ahead
        /// This cluster has applied changes of the peer that the peer's promoted standby does not have, and the peer opened
        /// without knowing.
        case aheadOfPeer = "ahead_of_peer"
        /// This cluster lacks changes of the peer, which has confirmed them.
        case gap
        /// The peer's slot is not there, or lost: what was written since the beginning of the range is missing at the peer.
        case slotMissing = "slot_missing"
        /// The peer's slot was a copy that had not yet been seen to be usable when its server was promoted: the peer goes on
        /// with it, and changes since the beginning of the range may be missing there.
        case slotUnproved = "slot_unproved"
        /// Removed because it kept more WAL than `slot_max_wal` allows.
        case slotDropped = "slot_dropped"
        /// Removed because it kept more WAL than `hold_max_wal` allows: from here on a gap can only be suspected.
        case holdDropped = "hold_dropped"
        /// The peer was made anew: its system identifier is another.
        case peerReplaced = "peer_replaced"
    }

    public var kind: Kind
    public var link: MeshLink
    /// Of the provider's WAL, where it is known.
    public var range: MeshRange?
    /// The term in which it was found.
    public var term: Term

    public init(_ kind: Kind, _ link: MeshLink, range: MeshRange? = nil, term: Term) {
        self.kind = kind
        self.link = link
        self.range = range
        self.term = term
    }
}
