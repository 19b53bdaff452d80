public import HACore
public import LibPQ

/// The logical slots of a mesh on a running server, and what there is to judge copies by.
public struct SlotSurvey: Hashable, Sendable {
    public var slots: [MeshSlot]
    public var inRecovery: Bool
    public var systemIdentifier: SystemIdentifier
    /// Of a standby.
    public var replayed: LSN
    public var oldestWAL: LSN
    public var segmentSize: UInt64
    /// Names of the slots' databases.
    public var databases: [UInt32: String]
    /// Streamed from at this moment, or decoded by somebody.
    public var active: Set<String>
    /// `failover` slots that PostgreSQL keeps in step here by itself, and that could be used after a promotion.
    public var synchronized: Set<String>
    /// `failover` slots of the server's own, also of one that was a primary before.
    public var own: Set<String>

    /// - Parameter plugins: nil for those of every plugin.
    /// - Parameter deadline: for each of two questions.
    public static func read(
        _ connection: PostgresConnection, plugins: Set<String>? = ReplicationSlot.protectedPlugins, deadline: Duration
    ) async throws(PostgresError) -> SlotSurvey {
        let server = try await connection.query(serverQuestion, deadline: deadline).first()
        guard let identifier = SystemIdentifier(try server.text("system_identifier")) else {
            throw PostgresError(.unexpectedReply, "system_identifier cannot be read", outcome: .didNotHappen)
        }
        let files = (server["files"] ?? "").split(separator: " ").map(String.init)
        let size = UInt64(server["segment_size"] ?? "") ?? 16 << 20
        let snapshots = files.compactMap { PositionNames.snapshot($0) }
        var survey = SlotSurvey(
            slots: [], inRecovery: try server.bool("in_recovery") ?? false, systemIdentifier: identifier,
            replayed: try StatusProbe.lsn(server, "replayed") ?? .zero,
            oldestWAL: PositionNames.oldest(files, segmentSize: size) ?? .zero, segmentSize: size, databases: [:],
            active: [], synchronized: [], own: [])
        let rows = try await connection.query(slotQuestion, [plugins.map(SlotSurvey.array)], deadline: deadline).rows
        for row in rows { try survey.add(row, snapshots) }
        return survey
    }

    private mutating func add(_ row: QueryResult.Row, _ snapshots: [LSN]) throws(PostgresError) {
        let name = try row.text("slot_name")
        let isLost = try row.bool("is_lost") ?? false
        if let number = row["datoid"].flatMap({ UInt32($0) }) { databases[number] = row["database"] }
        if try row.bool("active") == true { active.insert(name) }
        if try row.bool("is_failover") == true {
            if try row.bool("is_synced") == true {
                if !isLost { synchronized.insert(name) }
            } else {
                own.insert(name)
            }
        }
        let (restart, confirmed) = (try StatusProbe.lsn(row, "restart_lsn"), try StatusProbe.lsn(row, "confirmed"))
        // One that is being made has confirmed nothing yet.
        guard isLost || (restart != nil && confirmed != nil) else { return }
        slots.append(
            MeshSlot(
                name, database: row["database"] ?? "", plugin: row["plugin"] ?? "", restart: restart ?? .zero,
                confirmed: confirmed ?? .zero, isLost: isLost
            ).finding(snapshots))
    }

    static func array(_ names: some Sequence<String>) -> String {
        let quoted = names.sorted().map { name in
            "\"" + name.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
        }
        return "{\(quoted.joined(separator: ","))}"
    }

    private static let serverQuestion = """
        SELECT pg_is_in_recovery() AS in_recovery, pg_last_wal_replay_lsn() AS replayed,
          (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
          pg_size_bytes(current_setting('wal_segment_size')) AS segment_size,
          (SELECT string_agg(name, ' ') FROM (
            SELECT pg_ls_dir('pg_logical/snapshots', true, false) AS name UNION ALL
            SELECT pg_ls_dir('pg_wal', true, false)) AS files
           WHERE name ~ '^([0-9A-F]{24}|[0-9A-F]+-[0-9A-F]+[.]snap)$') AS files
        """

    /// Newer versions have more columns: asked for by name where the row has them.
    private static let slotQuestion = """
        SELECT slot_name, datoid, database, plugin, active, restart_lsn, confirmed_flush_lsn AS confirmed,
          coalesce(wal_status = 'lost', false) OR coalesce((r ->> 'conflicting')::boolean, false)
            OR r ->> 'invalidation_reason' IS NOT NULL AS is_lost,
          coalesce((r ->> 'failover')::boolean, false) AS is_failover,
          coalesce((r ->> 'synced')::boolean, false) AS is_synced
        FROM pg_replication_slots AS s, to_jsonb(s) AS r
        WHERE slot_type = 'logical' AND NOT temporary AND ($1::text[] IS NULL OR plugin = ANY ($1::text[]))
        ORDER BY slot_name
        """
}
