public import HACore
public import LibPQ

/// What a primary's SQL says for `MeshView.Server`.
public struct MeshServerStatus: Hashable, Sendable {
    public var systemIdentifier: SystemIdentifier
    public var timeline: Timeline
    /// Where the next record goes.
    public var position: LSN
    /// `server_version_num`.
    public var version: Int
    /// `default_transaction_read_only` as new sessions get it.
    public var clientsAreShut: Bool
    /// Positions flushed by standbys that stream, by `application_name`; whoever streams WAL by another program is there,
    /// too. Peers' workers are not.
    public var standbys: [MemberID: LSN]

    /// - Parameters:
    ///   - history: of `TimelineFiles.history`.
    ///   - readsServices: whether the postmaster was started with the agent's service file.
    public func server(history: TimelineHistory?, readsServices: Bool) -> MeshView.Server {
        MeshView.Server(
            systemIdentifier: systemIdentifier, timeline: timeline, forkedAt: history?.forks.last?.switchLSN,
            position: position, version: version, clientsAreShut: clientsAreShut, readsServices: readsServices,
            standbys: standbys, history: history)
    }

    /// One round trip, as superuser; any database will do.
    /// - Parameter connection: one that was opened without a setting of its own for `default_transaction_read_only`. For
    ///   one with (`forMeshWork`) the configuration files are asked, and a reload that has not happened counts.
    /// - Throws: what the connection throws; `.server` with 55000 on a standby; `.unexpectedReply`.
    public static func read(
        _ connection: PostgresConnection, deadline: Duration
    ) async throws(PostgresError) -> MeshServerStatus {
        let result = try await connection.query(query, deadline: deadline)
        let row = try result.first()
        guard let identifier = SystemIdentifier(try row.text("system_identifier")),
            let timeline = UInt32(try row.text("timeline"), radix: 16), let position = LSN(try row.text("position"))
        else { throw PostgresError(.unexpectedReply, "the server's position cannot be read", outcome: .didNotHappen) }
        var standbys: [MemberID: LSN] = [:]
        for row in result.rows {
            guard let name = row["application_name"], let flushed = try StatusProbe.lsn(row, "flush_lsn") else {
                continue
            }
            // Of one that has come back, the old connection may still be there.
            standbys[MemberID(name)] = min(standbys[MemberID(name)] ?? flushed, flushed)
        }
        return MeshServerStatus(
            systemIdentifier: identifier, timeline: Timeline(timeline), position: position,
            version: connection.serverVersion, clientsAreShut: try row.bool("is_shut") ?? false, standbys: standbys)
    }

    /// One row, or one for each standby. A walsender of logical replication belongs to a database. By functions instead of
    /// the view, as `StatusProbe`.
    private static let query = """
        SELECT p.*, r.* FROM (
          SELECT (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
            pg_current_wal_insert_lsn() AS position,
            substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS timeline,
            (\(isShut)) AS is_shut
        ) p LEFT JOIN (
          SELECT a.application_name, x.flush_lsn
          FROM pg_stat_get_wal_senders() x JOIN pg_stat_get_activity(NULL) a ON a.pid = x.pid
          WHERE x.state = 'streaming' AND a.datid IS NULL
        ) r ON true
        """

    /// What a session has from its client, role or database says nothing of others'.
    private static let isShut = """
        SELECT CASE WHEN s.source IN ('client', 'session', 'user', 'database', 'database user')
          THEN coalesce((SELECT f.setting FROM pg_file_settings f WHERE f.name = s.name AND f.applied), s.boot_val)
          ELSE s.setting END::boolean
        FROM pg_settings s WHERE s.name = 'default_transaction_read_only'
        """
}
