import Glibc

/// The environment that PostgreSQL and its programs get: the agent's, without what is not theirs.
public struct ChildEnvironment: Hashable, Sendable {
    public let variables: [String: String]

    /// Takes out the agent's own variables and secrets (`PATRONI_*`, `MATRIARCH_*`), systemd's and Kubernetes' (as
    /// contract 3.1 says), and whatever would change how libpq connects.
    public init(cleaning inherited: [String: String]) {
        var kept = inherited.filter { !Self.isRemoved($0.key) }
        if let arenas = kept.removeValue(forKey: "PG_MALLOC_ARENA_MAX") { kept["MALLOC_ARENA_MAX"] = arenas }
        variables = kept
    }

    private init(_ variables: [String: String]) { self.variables = variables }

    /// From this process's own environment.
    public static var inherited: ChildEnvironment {
        var variables: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let pair = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { variables[String(pair[0])] = String(pair[1]) }
            next += 1
        }
        return ChildEnvironment(cleaning: variables)
    }

    /// With more variables; these are not filtered.
    public func adding(_ more: [String: String]) -> ChildEnvironment {
        ChildEnvironment(variables.merging(more) { $1 })
    }

    private static func isRemoved(_ name: String) -> Bool {
        removedPrefixes.contains { name.hasPrefix($0) } || removed.contains(name)
    }

    private static let removedPrefixes = ["PATRONI_", "PATRONICTL_", "MATRIARCH_", "KUBERNETES_"]
    private static let removed: Set<String> = [
        "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
        "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGREQUIREAUTH",
        "PGCHANNELBINDING", "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGAPPNAME", "PGSSLMODE", "PGREQUIRESSL",
        "PGSSLNEGOTIATION", "PGSSLCOMPRESSION", "PGSSLCERT", "PGSSLKEY", "PGSSLCERTMODE", "PGSSLROOTCERT", "PGSSLCRL",
        "PGSSLCRLDIR", "PGSSLSNI", "PGREQUIREPEER", "PGSSLMINPROTOCOLVERSION", "PGSSLMAXPROTOCOLVERSION",
        "PGGSSENCMODE", "PGKRBSRVNAME", "PGGSSLIB", "PGGSSDELEGATION", "PGCONNECT_TIMEOUT", "PGCLIENTENCODING",
        "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGSYSCONFDIR", "PGDATA",
    ]
}
