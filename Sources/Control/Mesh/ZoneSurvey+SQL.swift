package import LibPQ

extension ZoneSurvey {
    /// Reads one cluster's database; only reads.
    package static func read(
        _ connection: PostgresConnection, node: String, database: String
    ) async throws(PostgresError) -> ZoneSurvey {
        var survey = ZoneSurvey(node: node, database: database)
        let about = try await connection.query(about, deadline: deadline).first()
        survey.encoding = try about.text("encoding")
        survey.collation = try about.text("collation")
        for row in try await connection.query(tables, deadline: deadline).rows {
            let name = try row.text("name")
            let hasKey = try row.bool("has_key") ?? false
            var table = survey.tables[name] ?? Table(columns: [:], hasKey: hasKey)
            if let column = row["attname"] { table.columns[column] = try row.text("type") }
            survey.tables[name] = table
        }
        for row in try await connection.query(sequences, deadline: deadline).rows {
            guard let next = try row.int64("next"), let increment = try row.int64("seqincrement"),
                let lowest = try row.int64("seqmin"), let highest = try row.int64("seqmax"), lowest <= highest
            else { continue }
            survey.sequences[try row.text("name")] = Sequence(
                next: next, increment: increment, range: lowest...highest)
        }
        for row in try await connection.query(parameters, deadline: deadline).rows {
            survey.parameters[try row.text("name")] = try row.int64("setting").map { Int($0) }
        }
        return survey
    }

    private static var deadline: Duration { .seconds(60) }

    private static let users = """
        n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'spock', 'pglogical')
          AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid
            AND x.deptype = 'e')
        """

    private static let about = """
        SELECT pg_encoding_to_char(d.encoding) AS encoding, d.datcollate || ', ' || d.datctype AS collation
        FROM pg_database d WHERE d.datname = current_database()
        """

    private static let tables = """
        SELECT n.nspname || '.' || c.relname AS name, a.attname,
          format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END AS type,
          EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid
            AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END) AS has_key
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND \(users)
        """

    /// Those that belong to a column. One that was never asked begins with its start.
    private static let sequences = """
        SELECT n.nspname || '.' || c.relname AS name, s.seqincrement, s.seqmin, s.seqmax,
          coalesce(pg_sequence_last_value(c.oid) + s.seqincrement, s.seqstart) AS next
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE \(users) AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
          AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))
        """

    private static let parameters = """
        SELECT name, setting FROM pg_settings WHERE name IN ('max_worker_processes', 'max_replication_slots',
          'max_wal_senders', 'max_active_replication_origins')
        """
}
