/// What is wanted of this cluster as a node of a Spock mesh: the section `spock` (contract/spock.md 6.1).
public struct MeshSettings: Hashable, Sendable {
    /// How workers reach a peer.
    public enum ConnectionMode: String, Hashable, Sendable, CaseIterable {
        /// By libpq's service file: a peer's failover is followed without SQL, and the file is the gate of the apply workers.
        case service
        /// All members of the peer in the connection string.
        case multihost
        /// A proxy or an address that moves; `fixed` says which.
        case fixed
    }

    /// What keeps apply workers from a peer after a promotion until it is checked.
    public enum ApplyGate: String, Hashable, Sendable, CaseIterable {
        case service, none
    }

    /// What to do where a peer has confirmed what the promoted standby does not have (contract/spock.md 3.4, 3).
    public enum GapPolicy: String, Hashable, Sendable, CaseIterable {
        /// Through the hold slot; without one, as `hold`.
        case rewindOrHold = "rewind_or_hold"
        /// The peer's changes are not taken until an operator says how.
        case hold
        /// They are taken from now on; the range that is missing is reported.
        case `continue`
        /// The peer's tables are copied anew.
        case resync
    }

    /// What a new subscription copies from its peer.
    public enum Synchronization: String, Hashable, Sendable, CaseIterable {
        case none, structure, full
    }

    public enum SlotMode: String, Hashable, Sendable, CaseIterable {
        /// `native` from PostgreSQL 17 on, else `copy`.
        case auto
        /// PostgreSQL keeps the slots on the standbys (`sync_replication_slots`).
        case native
        /// The agents copy them.
        case copy
    }

    public enum Peers: Hashable, Sendable {
        /// Every cluster of the namespace with the same mesh name.
        case auto
        /// Scopes.
        case listed([String])
    }

    public struct ReplicationSet: Hashable, Sendable {
        public var name: String
        public var insert = true
        public var update = true
        public var delete = true
        public var truncate = true
        /// `schema.table`
        public var tables: [String] = []
        /// Every table of these schemas that fits into the set.
        public var schemas: [String] = []

        /// What the set is for: of Spock's own sets, what Spock makes them for (contract/spock.md 1.1), else everything.
        public init(name: String) {
            self.name = name
            guard ["default_insert_only", "ddl_sql"].contains(name) else { return }
            update = false
            delete = false
            truncate = name == "default_insert_only"
        }
    }

    public struct Connection: Hashable, Sendable {
        public var mode = ConnectionMode.service
        public var user = "postgres"
        /// nil: in the member's runtime folder.
        public var serviceFile: String?
        /// libpq's file with the passwords for peers; nil: none is needed.
        public var passfile: String?
        /// More of libpq's keywords for connections to peers, by name.
        public var options: [String: String] = [:]
        /// With `.fixed`: where peers reach this cluster, such as `host=proxy port=5432`.
        public var fixed: String?

        public init() {}
    }

    /// Clusters with the same name replicate to each other.
    public var mesh: String
    /// The name of this cluster's node: unique in the mesh.
    public var node: String
    public var databases: [String]
    public var location: String?
    public var country: String?
    /// JSON, as `node_create` takes it.
    public var info: String?
    public var connection = Connection()
    public var replicationSets: [ReplicationSet] = []
    public var peers = Peers.auto
    /// `{local}` and `{peer}` stand for the nodes' names.
    public var subscriptionTemplate = "sub_{local}_{peer}"
    /// The sets of a peer that are subscribed to.
    public var subscribedSets = ["default", "default_insert_only", "ddl_sql"]
    public var synchronization = Synchronization.none
    public var forwardOrigins: [String] = []
    public var slotMode = SlotMode.auto
    public var copyInterval = Duration.seconds(10)
    public var holdSlots = true
    /// Bytes of WAL that hold slots may keep.
    public var holdMaxWAL: UInt64 = 4 << 30
    /// Bytes of WAL that the slot of a peer that is away may keep; nil: any number.
    public var slotMaxWAL: UInt64?
    public var applyGate = ApplyGate.service
    public var onGap = GapPolicy.rewindOrHold
    /// How long clients wait for the word of a peer after a promotion.
    public var maxGateWait = Duration.seconds(3)
    /// Parameters named `spock.*` that follow from the section `ddl`, by name.
    public var ddl: [String: String] = [
        "spock.enable_ddl_replication": "on", "spock.include_ddl_repset": "on",
        "spock.allow_ddl_from_functions": "on",
    ]

    public init(mesh: String, node: String, databases: [String]) {
        self.mesh = mesh
        self.node = node
        self.databases = databases
    }

    public func subscription(to peer: String) -> String {
        var text = ""
        var rest = Substring(subscriptionTemplate)
        while let brace = rest.firstIndex(of: "{") {
            text += rest[..<brace]
            rest = rest[brace...]
            if rest.hasPrefix("{local}") {
                text += node
                rest = rest.dropFirst("{local}".count)
            } else if rest.hasPrefix("{peer}") {
                text += peer
                rest = rest.dropFirst("{peer}".count)
            } else {
                text += "{"
                rest = rest.dropFirst()
            }
        }
        return text + rest
    }

    /// Whether a name is made of the letters that Spock takes into the names of slots as they are; others become `_` there,
    /// and two names one (contract/spock.md 1.6).
    public static func isPlain(_ name: String) -> Bool {
        name.utf8.allSatisfy { ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5F }
    }

    /// The service that names a node in libpq's service file.
    public static func service(of node: String) -> String { node }
}
