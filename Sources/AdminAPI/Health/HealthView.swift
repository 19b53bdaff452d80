import AdminModel
import Agent
import HACore
import PostgresControl

/// All that the health checks and the status document are made from, as one value of one moment.
struct HealthView: Sendable {
    /// Nil until the loop has looked once.
    var status: AgentStatus?
    /// The answer of the present postmaster; nil when it did not answer in time or does not run.
    var server: ServerStatus?
    /// The lock is ours and proved by acknowledged writes.
    var holdsLock: Bool
    /// The mesh lets clients write; true without one (design/zones.md 1).
    var letsClientsWrite: Bool
    var now: Instant
    /// When this API began to serve: stands in for the loop's first look.
    var startedAt: Instant

    init(
        status: AgentStatus?, server: ServerStatus?, holdsLock: Bool, letsClientsWrite: Bool = true, now: Instant,
        startedAt: Instant
    ) {
        self.status = status
        self.server = server.flatMap { Self.isOfPresentServer($0, status?.local) ? $0 : nil }
        self.holdsLock = holdsLock
        self.letsClientsWrite = letsClientsWrite
        self.now = now
        self.startedAt = startedAt
    }

    /// The last answer of a server that ended, or of the one before a restart, says nothing about the present.
    private static func isOfPresentServer(_ server: ServerStatus, _ local: LocalPostgres?) -> Bool {
        guard let local, local.isRunning else { return false }
        return local.startedAt.map { server.sql.at >= $0 } ?? true
    }

    /// The tree as read within `ttl`; health checks rely on nothing older (contract/patroni.md 2.4).
    var cluster: TreeSnapshot? {
        guard let status, status.treeIsFresh(at: now) else { return nil }
        return status.tree
    }

    var isPaused: Bool { status?.dynamic.values.pause ?? false }

    /// What the loop saw, and `unknown` when the server that it saw running does not answer.
    var state: MemberState {
        guard let status else { return .unknown }
        return status.state == .running && server == nil ? .unknown : status.state
    }

    /// The server's own words when it answers, else the agent's belief.
    var role: MemberRole {
        if let server { return server.sql.inRecovery ? .replica : .primary }
        return status?.role ?? .unknown
    }

    /// PostgreSQL is out of recovery, takes connections, and lets clients write.
    ///
    /// A busy primary that misses the short deadline of this one question stays what it said last: only the end of its
    /// postmaster makes it anything else, and nobody else could serve in its place.
    var servesWrites: Bool {
        // On its way down it refuses new connections while it still answers on ours.
        if status?.state == .stopping || !letsClientsWrite { return false }
        if let server { return !server.sql.inRecovery && !awaitsStandby(server.sql) }
        guard let local = status?.local, local.isRunning else { return false }
        return local.sql?.inRecovery == false
    }

    /// How long a new leader of strict mode may say that it serves no writes yet: without a standby they wait for longer.
    private static let standbyPatience = Duration.seconds(1)

    /// In strict mode the standby that commits wait for takes some milliseconds to follow a new leader. Who is sent here
    /// before that would hang, and is better off where it asks again.
    private func awaitsStandby(_ sql: SQLStatus) -> Bool {
        guard let status, status.dynamic.values.synchronousMode, status.dynamic.values.synchronousModeStrict,
            sql.synchronousNames?.isEmpty == false,
            !sql.senders.contains(where: { $0.isStreaming && $0.part >= .quorum })
        else { return false }
        // Promoted just now, perhaps since the loop has looked.
        return status.local?.sql?.inRecovery == true
            || status.promotedAt.map { now - $0 < Self.standbyPatience } ?? false
    }

    /// How far the leader is, in bytes, from what it published and from what it tells the walreceiver; 0 when unknown.
    var leaderPosition: UInt64 {
        max(cluster?.status?.optime?.rawValue ?? 0, server?.receiver?.latestEndLSN?.rawValue ?? 0)
    }

    /// One of the standbys that `sync` names, while synchronous replication is on.
    var isSyncStandby: Bool {
        guard let status, let cluster, status.dynamic.values.synchronousMode, role == .replica else { return false }
        return cluster.sync.isStandby(status.name)
    }
}
