import HACore
public import LibPQ

/// Reads replication slots and carries out a `SlotPlan`. Protected ones are never dropped: the statement says so itself.
public enum SlotKeeper {
    public struct Failure: Hashable, Sendable {
        public let step: SlotStep
        public let error: PostgresError
    }

    public static func list(
        _ connection: PostgresConnection, deadline: Duration
    ) async throws(PostgresError) -> [ReplicationSlot] {
        let result = try await connection.query(
            """
            SELECT slot_name, plugin, database, active, temporary, restart_lsn, xmin IS NOT NULL AS holds_xmin,
                wal_status, coalesce((to_jsonb(s) ->> 'failover')::boolean, false) AS is_failover
            FROM pg_replication_slots s ORDER BY slot_name
            """, deadline: deadline)
        var slots: [ReplicationSlot] = []
        for row in result.rows {
            slots.append(
                ReplicationSlot(
                    name: try row.text("slot_name"),
                    kind: row["plugin"].map { .logical(plugin: $0, database: row["database"] ?? "") } ?? .physical,
                    active: try row.bool("active") ?? false,
                    temporary: try row.bool("temporary") ?? false,
                    restartLSN: try StatusProbe.lsn(row, "restart_lsn"),
                    holdsXmin: try row.bool("holds_xmin") ?? false, walStatus: row["wal_status"],
                    isFailover: try row.bool("is_failover") ?? false))
        }
        return slots
    }

    /// Each step by itself: one that fails (a slot that became active meanwhile) does not keep the others from running.
    /// - Parameter deadline: for each step.
    /// - Returns: the steps that failed.
    /// - Throws: only when the connection is lost.
    public static func carryOut(
        _ steps: [SlotStep], on connection: PostgresConnection, deadline: Duration
    ) async throws(PostgresError) -> [Failure] {
        var failures: [Failure] = []
        for step in steps {
            do throws(PostgresError) {
                try await carryOut(step, connection, deadline)
            } catch {
                if error.isConnectionLoss { throw error }
                failures.append(Failure(step: step, error: error))
            }
        }
        return failures
    }

    private static func carryOut(
        _ step: SlotStep, _ connection: PostgresConnection, _ deadline: Duration
    ) async throws(PostgresError) {
        switch step {
        case .create(let name):
            try await connection.query(
                """
                SELECT pg_create_physical_replication_slot($1, true)
                WHERE NOT EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_name = $1)
                """, [name], deadline: deadline)
        case .drop(let name):
            try await connection.query(
                """
                SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
                WHERE slot_name = $1 AND NOT active AND coalesce(plugin, '') <> ALL ($2::text[])
                """, [name, "{\(ReplicationSlot.protectedPlugins.sorted().joined(separator: ","))}"],
                deadline: deadline)
        case .advance(let name, let position):
            try await connection.query(
                """
                SELECT pg_replication_slot_advance(slot_name, $2::pg_lsn) FROM pg_replication_slots
                WHERE slot_name = $1 AND slot_type = 'physical' AND NOT active AND restart_lsn < $2::pg_lsn
                """, [name, position.description], deadline: deadline)
        }
    }
}
