public import AdminModel
public import Glibc
public import HACore
public import LibPQ
public import LocalConfiguration

/// The configuration of one agent: its file with `PATRONI_*` laid over it (contract/patroni.md 3.1 and 3.2). What holds
/// for the whole cluster is `DynamicConfig`.
public struct AgentConfig: Sendable {
    /// The cluster's name; also PostgreSQL's `cluster_name`.
    public var scope: String
    /// Without slashes at its ends.
    public var namespace: String
    public var name: MemberID
    public var restAPI: RestAPIConfig
    public var control: PeerAccess
    public var zooKeeper: ZooKeeperConfig
    public var postgresql: LocalPostgresConfig
    public var bootstrap: BootstrapConfig
    /// As configured, in order; `Tags.effective` is what gets published.
    public var tags: JSONObject
    public var log: LogConfig
    public var watchdog: WatchdogMode
    /// What the file says of the mesh, to be laid over what the cluster's document says.
    public var spock: JSONObject?
    public var matriarch: MatriarchConfig
    /// The whole document, with the keys that nobody knows. Holds secrets.
    public var document: JSONObject

    public var localMesh: LocalMesh { LocalMesh(scope: scope, section: spock) }

    /// The path of the cluster's znodes, `/<namespace>/<scope>`.
    public var basePath: String { ZooKeeperConfig.basePath(namespace: namespace, scope: scope) }
}

/// Only names: the document holds passwords, which an interpolation into a log line would show.
extension AgentConfig: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "AgentConfig(scope: \(scope), name: \(name))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["scope": scope, "name": name.rawValue]) }
}

public struct RestAPIConfig: Hashable, Sendable {
    public var listen: HostPort
    /// What peers are told.
    public var connectAddress: HostPort
    /// Asked for by the endpoints that change something; nil: open to all.
    public var username: String?
    public var password: Secret?
    /// Addresses, networks and host names that may use those endpoints; empty: all.
    public var allowlist: [String] = []
    public var allowlistIncludeMembers = false
    public var httpExtraHeaders: [String: String] = [:]
    /// Laid over those of HTTP while TLS is on.
    public var httpsExtraHeaders: [String: String] = [:]
    /// TLS is on when there is one.
    public var identity: TLSIdentity?
    /// Whom clients' certificates must come from.
    public var cafile: String?
    /// Of TLS 1.2, in OpenSSL's notation; nil: the library's choice.
    public var ciphers: String?
    public var verifyClient = ClientVerification.none
    public var serverTokens = ServerTokens.original

    /// The URL under which peers ask this member.
    public var url: String { "\(identity == nil ? "http" : "https")://\(connectAddress)/patroni" }
}

/// A certificate with its key.
public struct TLSIdentity: Hashable, Sendable {
    public var certfile: String
    /// Nil: the key is in `certfile`, too.
    public var keyfile: String?
    public var keyfilePassword: Secret?
}

/// `restapi.verify_client`: whether the handshake asks for a certificate, and refuses a client without one.
public enum ClientVerification: String, Hashable, Sendable, CaseIterable {
    case none, optional, required
}

/// `restapi.server_tokens`: what the header `Server` tells.
public enum ServerTokens: String, Hashable, Sendable, CaseIterable {
    case original, minimal, productonly
}

/// `ctl`, as far as the daemon uses it: how it shows itself to peers over https. It never checks their host names
/// (contract/patroni.md 3.2).
public struct PeerAccess: Hashable, Sendable {
    public var identity: TLSIdentity?
    /// Whom peers' certificates must come from, asked for only with an identity of our own; nil: `restapi.cafile`, then
    /// the system's.
    public var cacert: String?
}

public struct LocalPostgresConfig: Sendable {
    /// A user of PostgreSQL and how the agent connects as it.
    public struct Account: Hashable, Sendable {
        /// Nil: the user of the process.
        public var username: String?
        public var password: Secret?
        /// sslmode, sslcert and so on, by their names in conninfo and in their order there, without secrets.
        public var options: [PostgresParameter] = []
        public var sslPassword: Secret?

        public init() {}
    }

    public var listen: HostPort
    public var connectAddress: HostPort?
    public var proxyAddress: HostPort?
    public var dataDir: String
    /// Where postgresql.conf, pg_hba.conf and pg_ident.conf are.
    public var configDir: String
    /// The password file that the agent writes.
    public var pgpass: String
    public var superuser: Account
    public var replication: Account
    /// Nil: the superuser.
    public var rewind: Account?
    /// The same keys, read. Alone they are not what holds: see `EffectivePostgresConfig`.
    public var settings: PostgresSettings
    /// What the file says of the keys that it shares with the cluster's document, to be laid over that.
    public var section: JSONObject
}

/// Without the settings, which may hold a connection string of the user's.
extension LocalPostgresConfig: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "LocalPostgresConfig(listen: \(listen), dataDir: \(dataDir))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["listen": listen, "dataDir": dataDir]) }
}

public struct BootstrapConfig: Sendable {
    /// A command of the user's that creates the cluster.
    public struct Method: Hashable, Sendable {
        public var name: String
        public var command: String
        public var noParams = false
        public var keepExistingRecoveryConf = false
        public var recoveryConf: [PostgresParameter] = []
        /// Appended as `--key=value`, in order.
        public var extra: [CommandOption] = []
    }

    /// Becomes the znode `config` of a new cluster; nil: none given.
    public var dcs: JSONObject?
    /// Nil: initdb.
    public var method: Method?
    public var initdbOptions: [CommandOption] = []
    /// Appended to pg_hba.conf of a new cluster.
    public var pgHBA: [String] = []
    /// Run once after the bootstrap, with a connection string as its argument.
    public var postBootstrap: String?
}

extension BootstrapConfig: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "BootstrapConfig(method: \(method?.name ?? "initdb"))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["method": method?.name ?? "initdb"]) }
}

public struct LogConfig: Hashable, Sendable {
    public enum Level: String, Hashable, Sendable {
        case debug, info, warning, error, critical
    }

    public enum Kind: String, Hashable, Sendable {
        case plain, json
    }

    public var kind = Kind.plain
    public var level = Level.info
    public var tracebackLevel = Level.error
    /// Per logger, by name; a name stands for those below it, too.
    public var loggers: [String: Level] = [:]
    /// Python's %-style, or the fields of a JSON document.
    public var format = LogFormat.standard
    /// Added to each JSON document, as they are.
    public var staticFields = JSONObject()
    /// strftime; nil: `YYYY-MM-DD HH:MM:SS,mmm`.
    public var dateFormat: String?
    /// Lines that may wait to be written.
    public var maxQueueSize = 1000
    /// Nil: stderr.
    public var dir: String?
    /// The permissions of a log file; nil: what the umask leaves.
    public var mode: mode_t?
    public var fileNumber = 4
    /// Bytes.
    public var fileSize = 25_000_000
    public var deduplicateHeartbeats = false
}

public enum WatchdogMode: String, Hashable, Sendable {
    case off, automatic
}

public struct MatriarchConfig: Hashable, Sendable {
    /// Nil: `$RUNTIME_DIRECTORY` or one of the defaults.
    public var runtimeDir: String?
    /// ZooKeeper's tickTime in milliseconds; nil: to be found out.
    public var tickTime: Int?
}
