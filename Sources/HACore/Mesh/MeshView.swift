/// Everything a decision about the mesh may depend on, as one value.
public struct MeshView: Hashable, Sendable {
    /// Another cluster of the mesh.
    public struct Peer: Hashable, Sendable {
        public var scope: String
        public var record: MeshRecord
        /// The lock of its present leader; nil: nobody leads there.
        public var leaderTerm: Term?
        /// When the record was last written, as far as this agent has seen it.
        public var writtenAt: Instant

        public init(scope: String, record: MeshRecord, leaderTerm: Term?, writtenAt: Instant) {
            self.scope = scope
            self.record = record
            self.leaderTerm = leaderTerm
            self.writtenAt = writtenAt
        }

        /// The record is its present leader's word.
        public var isCurrent: Bool { leaderTerm == record.term }
    }

    /// The server here, which is a primary.
    public struct Server: Hashable, Sendable {
        public var systemIdentifier: SystemIdentifier
        public var timeline: Timeline
        /// Where the timeline before ended; nil: this is the first.
        public var forkedAt: LSN?
        /// How this timeline came of others; nil: the first has none.
        public var history: TimelineHistory?
        /// Where the next record goes; read after the peers' records and after whatever this leader has done before.
        public var position: LSN
        public var version: Int
        /// `default_transaction_read_only` as new sessions get it.
        public var clientsAreShut: Bool
        /// The postmaster's environment names the service file that the agent writes.
        public var readsServices: Bool
        /// Positions flushed by standbys that stream.
        public var standbys: [MemberID: LSN]

        public init(
            systemIdentifier: SystemIdentifier, timeline: Timeline, forkedAt: LSN?, position: LSN, version: Int,
            clientsAreShut: Bool, readsServices: Bool, standbys: [MemberID: LSN] = [:],
            history: TimelineHistory? = nil
        ) {
            self.systemIdentifier = systemIdentifier
            self.timeline = timeline
            self.forkedAt = forkedAt
            self.position = position
            self.version = version
            self.clientsAreShut = clientsAreShut
            self.readsServices = readsServices
            self.standbys = standbys
            self.history = history
        }
    }

    public var now: Instant
    public var scope: String
    public var settings: MeshSettings
    /// The proved lock; decisions are for its holder alone.
    public var term: Term
    /// The record in the tree, by whichever leader; read after the lock was taken, or as this leader wrote it last.
    public var own: MeshRecord?
    /// All clusters of the mesh: without one of them there is no view. Read before anything of the server is.
    public var peers: [Peer]
    public var intents: MeshIntents
    public var server: Server
    /// The address of this member, then of the others.
    public var addresses: [MeshRecord.Address]
    /// Members of this cluster other than this one.
    public var otherMembers: Int
    /// By name; one that could not be read is missing here and named in `obstacles`.
    public var databases: [String: MeshDatabase]
    public var obstacles: [String: String]
    /// The service file as it is on the disk, by peer.
    public var routes: [String: MeshRoute]
    /// Copies of slots that this server was promoted with before it was seen that they are usable (design/zones.md 4).
    public var unprovedSlots: Set<String> = []
    public var isPaused = false

    public init(
        now: Instant, scope: String, settings: MeshSettings, term: Term, own: MeshRecord?, peers: [Peer],
        intents: MeshIntents = MeshIntents(), server: Server, addresses: [MeshRecord.Address], otherMembers: Int,
        databases: [String: MeshDatabase] = [:], obstacles: [String: String] = [:],
        routes: [String: MeshRoute] = [:]
    ) {
        self.now = now
        self.scope = scope
        self.settings = settings
        self.term = term
        self.own = own
        self.peers = peers
        self.intents = intents
        self.server = server
        self.addresses = addresses
        self.otherMembers = otherMembers
        self.databases = databases
        self.obstacles = obstacles
        self.routes = routes
    }
}

/// Spock's catalogs in one database, and what PostgreSQL's own say beside them.
public struct MeshDatabase: Hashable, Sendable {
    public struct Subscription: Hashable, Sendable {
        public var name: String
        /// The peer's node.
        public var provider: String
        /// How the worker connects.
        public var dsn: String
        public var isEnabled: Bool
        public var slot: String
        public var sets: [String]
        /// As `sub_show_status` names it.
        public var status: String
        /// A process applies it, or tries to.
        public var hasWorker: Bool
        /// Tables that are not yet copied from the peer, as `schema.table`.
        public var copying: Set<String> = []

        public init(
            name: String, provider: String, dsn: String, isEnabled: Bool = true, slot: String, sets: [String] = [],
            status: String = "replicating", hasWorker: Bool = true
        ) {
            self.name = name
            self.provider = provider
            self.dsn = dsn
            self.isEnabled = isEnabled
            self.slot = slot
            self.sets = sets
            self.status = status
            self.hasWorker = hasWorker
        }
    }

    public struct ReplicationSet: Hashable, Sendable {
        public var insert, update, delete, truncate: Bool
        /// `schema.table`
        public var tables: Set<String>

        public init(
            insert: Bool = true, update: Bool = true, delete: Bool = true, truncate: Bool = true,
            tables: Set<String> = []
        ) {
            self.insert = insert
            self.update = update
            self.delete = delete
            self.truncate = truncate
            self.tables = tables
        }
    }

    public struct Table: Hashable, Sendable {
        public var schema: String
        public var name: String
        /// It has a primary key, or another replica identity: updates and deletes can be told.
        public var hasKey: Bool

        public init(schema: String, name: String, hasKey: Bool) {
            self.schema = schema
            self.name = name
            self.hasKey = hasKey
        }

        public var qualified: String { "\(schema).\(name)" }
    }

    public struct Slot: Hashable, Sendable {
        public var confirmed: LSN
        public var restart: LSN
        /// The walsender that uses it.
        public var activePID: Int32?
        public var isLost: Bool
        /// PostgreSQL keeps it on the standbys; nil: it cannot, before 17.
        public var isOnStandbys: Bool?
        /// How old what the peer last confirmed was, as PostgreSQL has measured it.
        public var lag: Duration?

        public init(confirmed: LSN, restart: LSN, activePID: Int32? = nil, isLost: Bool = false) {
            self.confirmed = confirmed
            self.restart = restart
            self.activePID = activePID
            self.isLost = isLost
        }
    }

    /// Nil: the extension is not there.
    public var spockVersion: String?
    public var protocols: ClosedRange<Int>?
    public var encoding: String
    /// Nil: the database is no node.
    public var localNode: String?
    /// Connection strings of the interfaces that are named like their node.
    public var nodes: [String: String] = [:]
    public var sets: [String: ReplicationSet] = [:]
    /// Of the schemas that the settings name.
    public var tables: [Table] = []
    public var subscriptions: [Subscription] = []
    /// Progress by name of the origin, which is the subscription's slot; read after the workers. Zero, or not here:
    /// nothing was applied.
    public var origins: [String: LSN] = [:]
    /// Logical slots of this database.
    public var slots: [String: Slot] = [:]

    public init(encoding: String = "UTF8") { self.encoding = encoding }

    public func subscription(to peer: String) -> Subscription? { subscriptions.first { $0.provider == peer } }
}
