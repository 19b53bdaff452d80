public import HACore
public import LibPQ

/// Moves the copies on a running standby, and takes those away that nobody needs. Never on a primary: each statement
/// asks by itself.
public enum SlotAdvancer {
    /// Moves each in its own database, where PostgreSQL wants it done.
    /// - Parameters:
    ///   - info: any database of the standby, as superuser.
    ///   - deadline: for each slot: it reads the WAL from the slot's `restart` on.
    /// - Returns: how it went, by slot; an unusable one fails here and nowhere else before a promotion.
    public static func advance(
        _ advances: [SlotCopies.Advance], _ info: ConnectionInfo, deadline: Duration
    ) async -> [String: SlotCopies.Attempt] {
        var attempts: [String: SlotCopies.Attempt] = [:]
        for (database, group) in Dictionary(grouping: advances, by: \.database) {
            let target = info.with("dbname", database)
            for advance in group {
                // A connection of its own: a slot that waits for a transaction's end must not take the others along.
                do throws(PostgresError) {
                    let moved = try await PostgresConnection.use(target, deadline: .seconds(3)) {
                        connection throws(PostgresError) in try await move(advance, connection, deadline)
                    }
                    attempts[advance.name] = moved ? .done : .failed("it is in use, or this is no standby any more")
                } catch {
                    attempts[advance.name] = error.makesSlotUnusable ? .unusable("\(error)") : .failed("\(error)")
                }
            }
        }
        return attempts
    }

    private static func move(
        _ advance: SlotCopies.Advance, _ connection: PostgresConnection, _ deadline: Duration
    ) async throws(PostgresError) -> Bool {
        // Also to where it is: what it needs is read again.
        let result = try await connection.query(
            """
            SELECT pg_replication_slot_advance(slot_name, greatest($2::pg_lsn, confirmed_flush_lsn))
            FROM pg_replication_slots
            WHERE slot_name = $1 AND slot_type = 'logical' AND NOT active AND pg_is_in_recovery()
            """, [advance.name, advance.to.description], deadline: deadline)
        return !result.rows.isEmpty
    }

    /// Copies of slots that the leader does not have any more.
    /// - Returns: the names of those that are gone.
    public static func dropLeftovers(
        _ names: Set<String>, on connection: PostgresConnection, deadline: Duration
    ) async throws(PostgresError) -> [String] {
        try await drop(names, "plugin = ANY ($2)", ReplicationSlot.protectedPlugins, connection, deadline)
    }

    /// From 17 on: slots that this server has from its time as a primary keep PostgreSQL from making copies under their
    /// names (contract/spock.md 3.3; ran on 17 and 18).
    /// - Parameter names: `failover` slots that the leader has.
    public static func dropFormer(
        _ names: Set<String>, on connection: PostgresConnection, deadline: Duration
    ) async throws(PostgresError) -> [String] {
        guard connection.serverVersion >= 170000 else { return [] }
        return try await drop(names, "failover AND NOT synced AND $2::text[] IS NOT NULL", [], connection, deadline)
    }

    private static func drop(
        _ names: Set<String>, _ condition: String, _ plugins: Set<String>, _ connection: PostgresConnection,
        _ deadline: Duration
    ) async throws(PostgresError) -> [String] {
        guard !names.isEmpty else { return [] }
        let result = try await connection.query(
            """
            SELECT slot_name, pg_drop_replication_slot(slot_name) FROM pg_replication_slots
            WHERE slot_name = ANY ($1::text[]) AND slot_type = 'logical' AND NOT active AND NOT temporary
              AND pg_is_in_recovery() AND \(condition)
            """, [SlotSurvey.array(names), SlotSurvey.array(plugins)], deadline: deadline)
        return result.rows.compactMap { $0["slot_name"] }.sorted()
    }
}

extension PostgresError {
    /// A file that decoding needs is gone.
    fileprivate var makesSlotUnusable: Bool { sqlState == "58P01" }
}
