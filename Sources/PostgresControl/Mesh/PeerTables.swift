import HACore
import LibPQ

/// The tables that a peer sends by some of its sets: asked of the peer itself, since nothing here tells (contract/spock.md
/// 1.2: the catalog is local).
struct PeerTables {
    struct Table: Hashable {
        var schema: String
        var name: String
        /// What is sent of it.
        var columns: [String]

        var qualified: String { "\(schema).\(name)" }
    }

    var tables: [Table]

    static func read(
        _ peer: PostgresConnection, sets: [String], deadline: Duration
    ) async throws(PostgresError) -> PeerTables {
        let result = try await peer.query(query, [SQLText.array(sets)], deadline: deadline)
        var tables: [Table] = []
        for row in result.rows {
            tables.append(
                Table(
                    schema: try row.text("nspname"), name: try row.text("relname"),
                    columns: (row["columns"] ?? "").split(separator: "\n").map(String.init)))
        }
        return PeerTables(tables: tables)
    }

    private static let query = """
        SELECT DISTINCT n.nspname, c.relname, array_to_string(coalesce(t.set_att_list, ARRAY(
            SELECT a.attname::text FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            ORDER BY a.attnum)), chr(10)) AS columns
        FROM spock.local_node l JOIN spock.replication_set s ON s.set_nodeid = l.node_id
          JOIN spock.replication_set_table t ON t.set_id = s.set_id
          JOIN pg_class c ON c.oid = t.set_reloid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE s.set_name::text = ANY ($1::text[]) AND c.relkind = 'r'
        ORDER BY 1, 2
        """

    /// Which of them are not here, or lack columns that the peer would send.
    func misfits(_ here: PostgresConnection, deadline: Duration) async throws(PostgresError) -> [String] {
        let result = try await here.query(
            """
            SELECT o.schema || '.' || o.name AS name FROM unnest($1::text[], $2::text[], $3::text[]) o(schema, name, columns)
            WHERE NOT EXISTS (
              SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = o.schema AND c.relname = o.name AND c.relkind IN ('r', 'p')
                AND string_to_array(o.columns, chr(10)) <@ ARRAY(
                  SELECT a.attname::text FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''))
            ORDER BY 1
            """,
            [
                SQLText.array(tables.map(\.schema)), SQLText.array(tables.map(\.name)),
                SQLText.array(tables.map { $0.columns.joined(separator: "\n") }),
            ], deadline: deadline)
        return result.rows.compactMap { $0["name"] }
    }

    /// Those of one table: itself, or what of its partitions the peer sends.
    func members(of table: String, _ here: PostgresConnection, deadline: Duration) async throws(PostgresError)
        -> PeerTables
    {
        let result = try await here.query(
            """
            SELECT q.schema || '.' || q.name AS name FROM unnest($1::text[], $2::text[]) q(schema, name)
            WHERE q.schema || '.' || q.name = $3 OR EXISTS (
              SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                CROSS JOIN LATERAL pg_partition_tree(c.oid) p JOIN pg_class m ON m.oid = p.relid
                JOIN pg_namespace x ON x.oid = m.relnamespace
              WHERE n.nspname || '.' || c.relname = $3 AND x.nspname = q.schema AND m.relname = q.name)
            """, [SQLText.array(tables.map(\.schema)), SQLText.array(tables.map(\.name)), table], deadline: deadline)
        let names = Set(result.rows.compactMap { $0["name"] })
        return PeerTables(tables: tables.filter { names.contains($0.qualified) })
    }
}
