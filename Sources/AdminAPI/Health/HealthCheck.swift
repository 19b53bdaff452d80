import AdminModel
import Agent
import HACore
import PostgresControl

/// The health checks of load balancers: a status code for a path (contract/patroni.md 2.4).
///
/// Nothing here waits or asks: the view holds all there is to know. ZooKeeper is never read for it.
struct HealthCheck: Sendable {
    /// Path without its query.
    var path: String
    var query: QueryParameters

    /// 200 or 503.
    func code(_ view: HealthView) -> Int { isHealthy(view) ? 200 : 503 }

    /// The order matters: words are looked for anywhere in the path, and the first that is found decides.
    private func isHealthy(_ view: HealthView) -> Bool {
        // Standby clusters are not supported, so that no member leads one.
        if contains("standby_leader", "standby-leader") { return false }
        if contains("leader") { return leads(view) }
        if path == "/" || contains("master", "primary", "read-write") { return isPrimary(view) }
        return answersWithoutTags(view) && view.hasTags(query)
    }

    private func answersWithoutTags(_ view: HealthView) -> Bool {
        if contains("replica") { return isReplica(view) }
        if contains("read-only"), !contains("sync", "quorum") { return isPrimary(view) || isReplica(view) }
        if contains("health") { return view.state == .running }
        guard view.cluster != nil else { return false }
        switch path {
        // Quorum mode is not supported: no member is a quorum standby.
        case "/sync", "/synchronous": return view.isSyncStandby && isReplica(view)
        case "/async", "/asynchronous": return !view.isSyncStandby && isReplica(view)
        case "/read-only-quorum": return isPrimary(view)
        case "/read-only-sync", "/read-only-synchronous":
            return isPrimary(view) || (view.isSyncStandby && isReplica(view))
        default: return false
        }
    }

    private func contains(_ words: String...) -> Bool { words.contains { path.contains($0) } }

    /// The lock alone; in pause without a view of the cluster what runs as primary counts as leader.
    private func leads(_ view: HealthView) -> Bool {
        view.runsUnledInPause ? view.role == .primary : view.holdsLock
    }

    /// Stricter than the contract: who is sent here wants to write, so PostgreSQL has to be ready for it (rulings).
    private func isPrimary(_ view: HealthView) -> Bool {
        guard view.servesWrites, view.status?.isBootstrapping == false else { return false }
        return view.runsUnledInPause || view.holdsLock
    }

    private func isReplica(_ view: HealthView) -> Bool {
        guard let status = view.status, !status.tags.noloadbalance, view.role == .replica, view.state == .running,
            !isLagging(view)
        else { return false }
        guard let wanted = query["replication_state"] else { return true }
        return view.server?.replicationState == wanted
    }

    /// More than `lag` behind the leader in what was replayed; without a readable `lag` there is no limit.
    private func isLagging(_ view: HealthView) -> Bool {
        guard let limit = query["lag"].flatMap({ SettingText.integer($0, in: .bytes) }), view.leaderPosition > 0
        else { return false }
        return view.lag(behind: view.server?.sql.replayed ?? .zero) > limit
    }
}

extension HealthView {
    /// Pause without a fresh view of the cluster: no lock can be known, and the servers were left as they are.
    fileprivate var runsUnledInPause: Bool { cluster == nil && isPaused }

    /// Bytes that the leader is ahead of `position`; negative when it is behind.
    func lag(behind position: LSN) -> Int64 {
        Int64(clamping: leaderPosition) - Int64(clamping: position.rawValue)
    }

    /// `tag_<name>=<value>`: each must be configured with this value; `true` and `1.4` are compared as text.
    fileprivate func hasTags(_ query: QueryParameters) -> Bool {
        query.pairs.allSatisfy { name, wanted in
            guard name.hasPrefix("tag_") else { return true }
            guard let value = status?.configuredTags[String(name.dropFirst(4))], !value.isNull else { return false }
            return (value.asString ?? value.pythonText.lowercased()) == wanted
        }
    }
}
