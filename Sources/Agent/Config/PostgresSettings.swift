internal import AdminModel
internal import LocalConfiguration

/// One setting of postgresql.conf, its value as the text that is written between the quotes.
public struct PostgresParameter: Hashable, Sendable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// One option of a command: `--name` or `--name=value`.
public struct CommandOption: Hashable, Sendable {
    public var name: String
    public var value: String?

    public init(name: String, value: String? = nil) {
        self.name = name
        self.value = value
    }

    public var argument: String { "--" + name + (value.map { "=" + $0 } ?? "") }
}

/// A way to create a replica that is a command of the user's (contract/patroni.md 3.2, `<method>`).
public struct ReplicaMethod: Hashable, Sendable {
    public var name: String
    /// Split as a shell does; the method's name when not given.
    public var command: String
    /// May be used while there is no leader.
    public var noLeader = false
    /// Nothing is appended to the command.
    public var noParams = false
    /// The data directory is left as it is before the command.
    public var keepData = false
    /// Appended as `--key=value`, in order.
    public var extra: [CommandOption] = []

    public init(name: String, command: String) {
        self.name = name
        self.command = command
    }
}

/// The settings of the section `postgresql` that may stand in the local file and in the cluster's document alike
/// (contract/patroni.md 3.2, scope D/L). Defaults are Patroni's.
public struct PostgresSettings: Hashable, Sendable {
    /// `<name>.conf` is the main file.
    public var configBaseName = "postgresql"
    /// Included in place of `<name>.base.conf`.
    public var customConf: String?
    /// Where the binaries are; nil: on the PATH.
    public var binDir: String?
    /// Other names of binaries, by their usual ones.
    public var binNames: [String: String] = [:]
    /// The database for maintenance.
    public var database = "postgres"
    public var krbsrvname: String?
    public var useUnixSocket = false
    public var useUnixSocketRepl = false
    /// In the order of the document.
    public var parameters: [PostgresParameter] = []
    /// Nil: pg_hba.conf is left alone.
    public var pgHBA: [String]?
    public var pgIdent: [String]?
    public var recoveryConf: [PostgresParameter] = []
    /// In the order in which they are tried; `basebackup` is the built-in one.
    public var createReplicaMethods = ["basebackup"]
    /// The methods of `createReplicaMethods` other than `basebackup`.
    public var replicaMethods: [ReplicaMethod] = []
    public var basebackupOptions: [CommandOption] = []
    public var rewindOptions: [CommandOption] = []
    /// Commands by `on_start`, `on_stop`, `on_restart`, `on_reload`, `on_role_change`.
    public var callbacks: [String: String] = [:]
    public var prePromote: String?
    public var beforeStop: String?
    /// Seconds that a start may take when nothing else limits it.
    public var pgCtlTimeout = 60
    public var usePgRewind = false
    public var removeDataDirectoryOnRewindFailure = false
    public var removeDataDirectoryOnDivergedTimelines = false

    public init() {}

    /// The keys that belong to one server and are never taken from the cluster's document.
    static let localKeys: Set<String> = [
        "listen", "connect_address", "proxy_address", "data_dir", "config_dir", "pgpass", "authentication", "name",
        "replication", "superuser", "pg_rewind",
    ]

    /// The keys that an agent is put together with: other values of them wait for its restart.
    static let fixedKeys: Set<String> = ["bin_dir", "bin_name", "config_base_name", "custom_conf"]

    /// The fixed keys that have other values in `new`.
    func waiting(_ new: PostgresSettings) -> [ConfigPath] {
        let same = [
            "bin_dir": binDir == new.binDir, "bin_name": binNames == new.binNames,
            "config_base_name": configBaseName == new.configBaseName, "custom_conf": customConf == new.customConf,
        ]
        return same.filter { !$0.value }.keys.sorted().map { ["postgresql", $0] }
    }

    static let callbackNames = ["on_start", "on_stop", "on_restart", "on_reload", "on_role_change"]
}
