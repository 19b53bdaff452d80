public import LibPQ
public import SystemPackage

/// How to reach the server that a standby follows.
public struct Upstream: Hashable, Sendable {
    public var host: String
    public var port: Int
    public var user: String
    /// Where the password stands; nil when none is needed.
    public var passfile: FilePath?
    public var database: String
    /// `sslmode`, `sslcert`, `gssencmode`, `krbsrvname` and the like; `sslpassword` too, which PostgreSQL has to keep in
    /// its configuration.
    public var options: [String: String]

    public init(
        host: String, port: Int, user: String, passfile: FilePath? = nil, database: String = "postgres",
        options: [String: String] = [:]
    ) {
        self.host = host
        self.port = port
        self.user = user
        self.passfile = passfile
        self.database = database
        self.options = options
    }

    /// The contract's order (3.5).
    private static let order = [
        "dbname", "user", "passfile", "host", "port", "sslmode", "sslcompression", "sslcert", "sslkey", "sslpassword",
        "sslrootcert", "sslcrl", "sslcrldir", "application_name", "krbsrvname", "gssencmode", "channel_binding",
        "target_session_attrs", "sslnegotiation",
    ]

    /// The connection as PostgreSQL's configuration or a tool takes it; it holds no password.
    public func connection(applicationName: String? = nil, targetSessionAttributes: String? = nil) -> ConnectionInfo {
        var values = ["sslmode": "prefer", "gssencmode": "prefer", "channel_binding": "prefer"]
        values.merge(options) { $1 }
        values.merge(["dbname": database, "user": user, "host": host, "port": String(port)]) { $1 }
        values["passfile"] = passfile?.string
        values["application_name"] = applicationName
        values["target_session_attrs"] = targetSessionAttributes
        return ConnectionInfo(Self.order.compactMap { name in values[name].map { (name, $0) } })
    }

    /// `primary_conninfo`, with the passphrase of the TLS key if there is one.
    public func primaryConninfo(applicationName: String) -> String {
        connection(applicationName: applicationName).conninfo(includingPassword: true)
    }
}

/// What stands under `# recovery.conf` in postgresql.conf.
public struct RecoverySettings: Hashable, Sendable {
    /// Parameters that belong to recovery and not among the others.
    public static let names: Set<String> = [
        "archive_cleanup_command", "promote_trigger_file", "recovery_end_command", "recovery_min_apply_delay",
        "recovery_target", "recovery_target_action", "recovery_target_inclusive", "recovery_target_lsn",
        "recovery_target_name", "recovery_target_time", "recovery_target_timeline", "recovery_target_xid",
        "restore_command", "primary_conninfo", "primary_slot_name",
    ]

    /// Sorted by name when rendered.
    public let values: [String: String]

    /// A standby's settings.
    /// - Parameters:
    ///   - upstream: nil for nobody (`nostream`, or fenced off): `primary_conninfo` is empty then.
    ///   - memberName: the application_name, by which synchronous replication knows the member.
    ///   - slot: nil without slots.
    ///   - configured: `postgresql.recovery_conf`; its targets and its own upstream do not count for a follower.
    ///   - parameters: recovery settings among `postgresql.parameters` (`ServerParameters.recovery`), which win.
    public init(
        following upstream: Upstream?, memberName: String, slot: String?, configured: [String: String] = [:],
        parameters: [String: String] = [:]
    ) {
        var values: [String: String] = [:]
        for (name, value) in configured.merging(parameters, uniquingKeysWith: { $1 }) {
            let name = name.lowercased()
            if Self.names.contains(name), !Self.ownedByMember(name) { values[name] = value }
        }
        for target in ["", "_lsn", "_name", "_time", "_xid"] { values["recovery_target\(target)"] = "" }
        values["recovery_target_timeline"] = "latest"
        values["primary_conninfo"] = upstream?.primaryConninfo(applicationName: memberName) ?? ""
        values["primary_slot_name"] = slot ?? ""
        self.values = values
    }

    /// Settings as they are: of a custom bootstrap (point in time recovery), or of a primary.
    public init(_ values: [String: String]) { self.values = values }

    private static func ownedByMember(_ name: String) -> Bool {
        name.hasPrefix("recovery_target") || name.hasPrefix("primary_") || name == "promote_trigger_file"
    }
}
