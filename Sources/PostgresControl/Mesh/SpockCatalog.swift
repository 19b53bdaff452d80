public import HACore
public import LibPQ

/// Reads what Spock's catalogs and PostgreSQL's own say of one database of a node. Only reads, on the primary, as
/// superuser; Spock 4.0 to 6.0 (contract/spock.md 1).
///
/// The workers are read before the origins, by statements of their own: progress that is told beside a worker's absence is
/// its last, as long as none can connect anew.
public enum SpockCatalog {
    /// - Parameters:
    ///   - connection: to the database in question; see `ConnectionInfo.forMeshWork`.
    ///   - sets: whose schemas and tables are looked up.
    ///   - deadline: for all of it.
    /// - Returns: connection strings are without passwords. Without the extension, no more than the encoding is there.
    /// - Throws: what the connection throws; `.server` also when something was dropped between two statements.
    public static func read(
        _ connection: PostgresConnection, for sets: [MeshSettings.ReplicationSet], deadline: Duration
    ) async throws(PostgresError) -> MeshDatabase {
        let end = ContinuousClock.now + deadline
        let about = try await connection.query(about, deadline: end - .now).first()
        var database = MeshDatabase(encoding: try about.text("encoding"))
        guard let version = about["version"] else { return database }
        database.spockVersion = version
        let nodes = try await connection.query(nodes(SpockVersion(version)), deadline: end - .now)
        try database.takeNodes(nodes)
        let schemas = SQLText.array(Set(sets.flatMap(\.schemas)).sorted())
        let tables = SQLText.array(Set(sets.flatMap(\.tables)).sorted())
        try database.takeTables(try await connection.query(Self.tables, [schemas, tables], deadline: end - .now))
        try database.takeProgress(try await connection.query(progress, deadline: end - .now))
        return database
    }

    private static let about = """
        SELECT pg_encoding_to_char(d.encoding) AS encoding,
          (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'spock') AS version
        FROM pg_database d WHERE d.datname = current_database()
        """

    /// One row for each node, or for each subscription to it; one without a node while there is none.
    ///
    /// `sub_show_status` is asked for each subscription by itself: for NULL it refuses in a database that is no node.
    private static func nodes(_ version: SpockVersion) -> String {
        """
        SELECT v.lowest, v.highest, n.node_name, l.node_id IS NOT NULL AS is_local, i.if_dsn, s.*
        FROM (SELECT spock.spock_min_proto_version() AS lowest, spock.spock_max_proto_version() AS highest) v
          LEFT JOIN spock.node n ON true
          LEFT JOIN spock.local_node l ON l.node_id = n.node_id
          LEFT JOIN spock.node_interface i ON i.if_nodeid = n.node_id AND i.if_name = n.node_name
          LEFT JOIN (
            SELECT s.sub_origin, s.sub_name, f.if_dsn AS sub_dsn, s.sub_enabled, s.sub_slot_name,
              array_to_string(s.sub_replication_sets, chr(10)) AS sub_sets, t.status AS sub_status,
              array_to_string(ARRAY(
                SELECT y.sync_nspname || '.' || y.sync_relname FROM spock.local_sync_status y
                WHERE y.sync_subid = s.sub_id AND y.sync_relname IS NOT NULL AND y.sync_status NOT IN ('y', 'r')
              ), chr(10)) AS copying,
              (\(version.tellsWorkers ? workerOfSpock : workerByName)) AS has_worker
            FROM spock.local_node o JOIN spock.subscription s ON s.sub_target = o.node_id
              JOIN spock.node_interface f ON f.if_id = s.sub_origin_if
              CROSS JOIN LATERAL spock.sub_show_status(s.sub_name) t
          ) s ON s.sub_origin = n.node_id
        ORDER BY n.node_name, s.sub_name
        """
    }

    /// The function shows the database's oid as a signed number.
    private static let workerOfSpock = """
        SELECT count(*) > 0 FROM spock.get_apply_worker_status() w JOIN pg_database d
          ON d.oid::bigint = w.worker_dboid::bigint & 4294967295
        WHERE d.datname = current_database() AND w.worker_subid = s.sub_id::bigint
        """

    /// Before 5.0 the name of its process is all that shows a worker.
    private static let workerByName = """
        SELECT count(*) > 0 FROM pg_stat_get_activity(NULL) a JOIN pg_database d ON d.oid = a.datid
        WHERE d.datname = current_database() AND a.backend_type = format('spock apply %s:%s', d.oid, s.sub_id)
        """

    /// The sets with their tables, then the tables that may become members (`$1` schemas, `$2` tables by name).
    ///
    /// A partitioned table counts as a member when all its partitions are: Spock replicates the rows of each partition by
    /// that one's own membership. Unlogged and temporary tables cannot be members.
    private static let tables = """
        SELECT s.set_name, s.replicate_insert, s.replicate_update, s.replicate_delete, s.replicate_truncate,
          m.nspname, m.relname, NULL::boolean AS has_key
        FROM spock.local_node l JOIN spock.replication_set s ON s.set_nodeid = l.node_id
          LEFT JOIN LATERAL (
            SELECT n.nspname, c.relname FROM spock.replication_set_table t
              JOIN pg_class c ON c.oid = t.set_reloid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE t.set_id = s.set_id AND NOT EXISTS (\(SpockTables.missingPartitions))
          ) m ON true
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, n.nspname, c.relname, \(SpockTables.hasKey("c"))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
          AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'spock')
          AND (n.nspname = ANY ($1::text[]) OR n.nspname || '.' || c.relname = ANY ($2::text[]))
        ORDER BY 1, 6, 7
        """

    /// Origins are the server's, not the database's: those of its subscriptions count.
    private static let progress = """
        SELECT true AS is_origin, o.external_id AS name, o.remote_lsn AS position, NULL::pg_lsn AS restart,
          NULL::int AS pid, NULL::boolean AS is_lost, NULL::boolean AS is_failover, NULL::bigint AS lag
        FROM pg_replication_origin_status o
        WHERE o.external_id IN (SELECT s.sub_slot_name::text FROM spock.subscription s)
        UNION ALL
        SELECT false, s.slot_name, s.confirmed_flush_lsn, s.restart_lsn, s.active_pid, \(SpockSlots.isLost),
          (to_jsonb(s) ->> 'failover')::boolean,
          (SELECT (1000 * extract(epoch FROM w.replay_lag))::bigint FROM pg_stat_get_wal_senders() w
           WHERE w.pid = s.active_pid)
        FROM pg_replication_slots s
        WHERE s.slot_type = 'logical' AND s.database = current_database() AND NOT s.temporary
        """
}

extension MeshDatabase {
    fileprivate mutating func takeNodes(_ result: QueryResult) throws(PostgresError) {
        for row in result.rows {
            if let lowest = try row.int64("lowest"), let highest = try row.int64("highest"), lowest <= highest {
                protocols = Int(lowest)...Int(highest)
            }
            guard let node = row["node_name"] else { continue }
            if try row.bool("is_local") ?? false { localNode = node }
            if let dsn = row["if_dsn"] { nodes[node] = DSNText.withoutSecrets(dsn) }
            guard let name = row["sub_name"] else { continue }
            var subscription = Subscription(
                name: name, provider: node, dsn: DSNText.withoutSecrets(try row.text("sub_dsn")),
                isEnabled: try row.bool("sub_enabled") ?? false, slot: try row.text("sub_slot_name"),
                sets: Self.lines(row["sub_sets"]), status: try row.text("sub_status"),
                hasWorker: try row.bool("has_worker") ?? false)
            subscription.copying = Set(Self.lines(row["copying"]))
            subscriptions.append(subscription)
        }
    }

    private static func lines(_ text: String?) -> [String] {
        (text ?? "").split(separator: "\n").map(String.init)
    }

    fileprivate mutating func takeTables(_ result: QueryResult) throws(PostgresError) {
        for row in result.rows {
            guard let set = row["set_name"] else {
                tables.append(
                    Table(
                        schema: try row.text("nspname"), name: try row.text("relname"),
                        hasKey: try row.bool("has_key") ?? false))
                continue
            }
            if sets[set] == nil { sets[set] = try Self.flags(row) }
            if let schema = row["nspname"], let name = row["relname"] {
                sets[set]?.tables.insert("\(schema).\(name)")
            }
        }
    }

    private static func flags(_ row: QueryResult.Row) throws(PostgresError) -> ReplicationSet {
        func flag(_ column: String) throws(PostgresError) -> Bool { try row.bool(column) ?? false }
        return ReplicationSet(
            insert: try flag("replicate_insert"), update: try flag("replicate_update"),
            delete: try flag("replicate_delete"), truncate: try flag("replicate_truncate"))
    }

    fileprivate mutating func takeProgress(_ result: QueryResult) throws(PostgresError) {
        for row in result.rows {
            // A slot that is being made has no position yet.
            guard let position = try StatusProbe.lsn(row, "position") else { continue }
            let name = try row.text("name")
            if try row.bool("is_origin") ?? false {
                origins[name] = position
                continue
            }
            let restart = try StatusProbe.lsn(row, "restart")
            // A lost slot keeps nothing back.
            var slot = Slot(
                confirmed: position, restart: restart ?? position,
                activePID: try row.int64("pid").map { Int32(clamping: $0) },
                isLost: try row.bool("is_lost") ?? false)
            slot.isOnStandbys = try row.bool("is_failover")
            slot.lag = try row.int64("lag").map { .milliseconds($0) }
            slots[name] = slot
        }
    }
}
