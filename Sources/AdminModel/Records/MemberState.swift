/// The `state` of a member (contract/patroni.md 1.3.1), in the order of the metric `patroni_postgres_state`.
public enum MemberState: String, Hashable, Sendable, CaseIterable {
    case initializing = "initializing new cluster"
    case initdbFailed = "initdb failed"
    case customBootstrap = "running custom bootstrap script"
    case customBootstrapFailed = "custom bootstrap failed"
    case creatingReplica = "creating replica"
    case running = "running"
    case starting = "starting"
    case startingAfterBootstrap = "starting after custom bootstrap"
    case startFailed = "start failed"
    case restarting = "restarting"
    case restartFailed = "restart failed"
    case stopping = "stopping"
    case stopped = "stopped"
    case stopFailed = "stop failed"
    case crashed = "crashed"
    /// What readers take a missing or unfamiliar state for; REST answers it when the query failed.
    case unknown = "unknown"

    /// The value of the metric; -1 for `unknown`.
    public var metricValue: Int { self == .unknown ? -1 : Self.allCases.firstIndex(of: self) ?? -1 }

    /// The name of the metric's label.
    public var metricLabel: String {
        switch self {
        case .initializing: "initdb"
        case .initdbFailed: "initdb_failed"
        case .customBootstrap: "custom_bootstrap"
        case .customBootstrapFailed: "custom_bootstrap_failed"
        case .creatingReplica: "creating_replica"
        case .running: "running"
        case .starting: "starting"
        case .startingAfterBootstrap: "bootstrap_starting"
        case .startFailed: "start_failed"
        case .restarting: "restarting"
        case .restartFailed: "restart_failed"
        case .stopping: "stopping"
        case .stopped: "stopped"
        case .stopFailed: "stop_failed"
        case .crashed: "crashed"
        case .unknown: "unknown"
        }
    }

    public init(json: JSONValue?) { self = json?.asString.flatMap(Self.init(rawValue:)) ?? .unknown }
}

/// The `role` of a member (contract/patroni.md 1.3.2): what its agent believes, not what the server says.
public enum MemberRole: String, Hashable, Sendable, CaseIterable {
    case primary
    case standbyLeader = "standby_leader"
    case replica
    /// A former primary that is stopped or being stopped.
    case demoted
    /// The data directory is empty or unusable.
    case uninitialized
    /// Told to promote, not yet in production.
    case promoted
    case unknown

    /// Also reads `master`, as agents older than version 4 wrote it; never writes it.
    public init(json: JSONValue?) {
        let text = json?.asString
        self = text == "master" ? .primary : text.flatMap(Self.init(rawValue:)) ?? .unknown
    }
}
