public import HACore

/// What a Spock mesh asks of a member's parameters (contract/spock.md 1.7, design/zones.md 1 and 4). Pure.
///
/// Most are defaults under the user's layers. What replication between zones cannot do without wins over them, with a
/// warning; numbers that are too small stay, with a warning.
public struct MeshParameters: Hashable, Sendable {
    public var databases: Int
    /// Other nodes of the mesh, each with a subscription and a slot in every database.
    public var peers: Int
    /// Of this cluster, this one included.
    public var members: Int
    public var slotMode: MeshSettings.SlotMode
    public var holdSlots: Bool
    /// Defaults for parameters named `spock.*`, by name.
    public var spock: [String: String]
    public var role: StartRole
    /// The physical slots that must have a change before a peer gets it; they count on a primary only. nil: the user's.
    public var synchronizedStandbySlots: [String]?
    /// Clients may not write yet (design/zones.md 1).
    public var clientGateIsClosed: Bool

    public init(
        _ settings: MeshSettings, peers: Int, members: Int, role: StartRole,
        synchronizedStandbySlots: [String]? = nil, clientGateIsClosed: Bool
    ) {
        databases = settings.databases.count
        self.peers = peers
        self.members = members
        slotMode = settings.slotMode
        holdSlots = settings.holdSlots
        spock = settings.ddl
        self.role = role
        self.synchronizedStandbySlots = synchronizedStandbySlots
        self.clientGateIsClosed = clientGateIsClosed
    }

    /// PostgreSQL itself keeps the slots on the standbys, as it can from 17 on.
    public func usesNativeSlots(majorVersion: Int) -> Bool { majorVersion >= 17 && slotMode != .copy }

    // MARK: What is needed

    /// Subscriptions here; as many slots are for peers.
    private var links: Int { databases * max(peers, 1) }

    /// The least of each number that the mesh needs, by name.
    ///
    /// Workers: PostgreSQL's own launcher, Spock's supervisor and its worker for slots; in each database a manager and one
    /// that copies a table; one for each subscription. Slots: one for each link, its hold slot, one for a table that is
    /// being copied in each database, one for each standby. Senders: the same without hold slots, and two for a clone.
    /// Origins, which count by the number of slots up to 17: one for each subscription and each copy.
    public var needs: [String: Int] {
        let standbys = max(members - 1, 0)
        return [
            "max_worker_processes": 3 + 2 * databases + links,
            "max_replication_slots": links * (holdSlots ? 2 : 1) + databases + standbys,
            "max_wal_senders": links + databases + standbys + 2,
            "max_active_replication_origins": links + databases,
        ]
    }

    /// What all tools for Spock begin with (contract/spock.md 4.2, 4.3); the last is PostgreSQL's own.
    private static let usual = [
        "max_worker_processes": 12, "max_replication_slots": 16, "max_wal_senders": 16,
        "max_active_replication_origins": 10,
    ]

    // MARK: What holds

    /// Under the user's layers.
    func defaults(_ majorVersion: Int, _ known: KnownParameters?) -> [String: String] {
        var values = spock.merging(demands(majorVersion).mapValues(\.value)) { $1 }
        for (name, need) in needs where name != "max_active_replication_origins" || known?.contains(name) == true {
            values[name] = String(max(need, Self.usual[name] ?? need))
        }
        return values
    }

    struct Demand {
        let value: String
        /// Ends the sentence "..., since ".
        let reason: String
    }

    /// What wins over the user's.
    private func demands(_ majorVersion: Int) -> [String: Demand] {
        var demands = [
            "wal_level": Demand(value: "logical", reason: "replication between zones cannot work without it"),
            "track_commit_timestamp": Demand(value: "on", reason: "Spock does not start without it"),
            "hot_standby_feedback": Demand(
                value: "on", reason: "the primary would remove rows that the standbys' slots for peers need"),
        ]
        if usesNativeSlots(majorVersion: majorVersion) {
            demands["sync_replication_slots"] = Demand(
                value: "on", reason: "a promoted standby would have no slots for its peers")
        } else {
            let reason = "Spock's own worker would drop or move the slots that are copied here"
            // A slot's name has no '-': it matches nothing. Empty is no list to Spock.
            demands["spock.synchronize_slot_names"] = Demand(value: "name:-none-", reason: reason)
            demands["spock.drop_extra_slots"] = Demand(value: "off", reason: reason)
        }
        return demands
    }

    /// Over the user's layers.
    func settle(
        _ values: inout [String: String], _ majorVersion: Int, _ known: KnownParameters?, _ warnings: inout [String]
    ) {
        if slotMode == .native, majorVersion < 17 {
            warnings.append("PostgreSQL \(majorVersion) keeps no slots on standbys, 17 is the first: they are copied")
        }
        for (name, demand) in demands(majorVersion).sorted(by: { $0.key < $1.key }) {
            if let given = values[name], !Self.isSame(given, demand.value) {
                warnings.append(
                    "\(name) = '\(given)' does not fit a mesh: '\(demand.value)' is used, since \(demand.reason)")
            }
            values[name] = demand.value
        }
        for (name, need) in needs.sorted(by: { $0.key < $1.key }) {
            guard let given = values[name], let number = ParameterText.integer(given), number < need else { continue }
            warnings.append(
                "\(name) = '\(given)' is less than the \(need) that \(databases) databases and \(peers) peers need")
        }
        values["shared_preload_libraries"] = LibraryList(values["shared_preload_libraries"] ?? "").with("spock")
        if known?.contains("output_plugin_libraries") == true {
            let plugins = values["output_plugin_libraries"] ?? known?.initial("output_plugin_libraries") ?? ""
            values["output_plugin_libraries"] = LibraryList(plugins).with("spock_output")
        }
        for (name, value) in own(majorVersion) { values[name] = value }
    }

    /// What only the agent sets, as it goes: it changes in the middle of a failover.
    func own(_ majorVersion: Int) -> [String: String] {
        var values: [String: String] = [:]
        if clientGateIsClosed { values["default_transaction_read_only"] = "on" }
        if let slots = synchronizedStandbySlots {
            // On a standby it would name slots that are not there, or its own: a promoted one would send nothing.
            let list = role == .primary ? slots.joined(separator: ", ") : ""
            if majorVersion >= 17 { values["synchronized_standby_slots"] = list }
            // Spock's way to do the same; twice would only be slower.
            values["spock.pg_standby_slot_names"] = usesNativeSlots(majorVersion: majorVersion) ? "" : list
        }
        return values
    }

    private static func isSame(_ one: String, _ other: String) -> Bool {
        if let one = ParameterText.bool(one), let other = ParameterText.bool(other) { return one == other }
        return one.lowercased() == other
    }
}
