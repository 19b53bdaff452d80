internal import HACore
package import LibPQ

/// Compares the rows of replicated tables on two servers, by key and hash. Both sides only read; rows whose change is on
/// its way from one to the other are looked at again before they count.
package struct MeshDiff: Sendable {
    /// How many times a difference must be seen.
    private static let passes = 3
    /// Buckets whose rows are fetched at a time.
    private static let chunk = 16
    /// As long as the user has patience.
    private static let deadline = Duration.seconds(86_400)

    let here: PostgresConnection
    let there: PostgresConnection
    /// Rows to name for one table.
    let limit: Int
    /// Between two looks at the same rows.
    let pause: Duration

    /// - Parameters: connections to the same database of both clusters, of which each is used for nothing else.
    package init(here: PostgresConnection, there: PostgresConnection, limit: Int, pause: Duration = .seconds(1)) {
        self.here = here
        self.there = there
        self.limit = limit
        self.pause = pause
    }

    /// Values must print alike on both sides.
    package static func prepare(_ connection: PostgresConnection) async throws(PostgresError) {
        try await connection.simple(
            """
            SET search_path TO pg_catalog; SET datestyle TO iso; SET intervalstyle TO postgres; SET timezone TO 'UTC';
            SET extra_float_digits TO 1; SET bytea_output TO hex; SET default_transaction_read_only TO on
            """, deadline: .seconds(10))
    }

    /// The tables that this node sends, or the one that is named.
    /// - Parameter table: `schema.table`, or the name of one in `public`.
    /// - Throws: `ControlError` when it is not here.
    package func tables(_ table: String?) async throws -> [(here: TableShape, there: TableShape?)] {
        let wanted = table.map { $0.contains(".") ? $0 : "public.\($0)" }
        async let left = Self.shapes(here, wanted)
        async let right = Self.shapes(there, wanted)
        let (own, other) = try await (left, right)
        if own.isEmpty, let wanted { throw ControlError("there is no table \(wanted) in this database") }
        return own.map { shape in (shape, other.first { $0.qualified == shape.qualified }) }
    }

    /// - Throws: `PostgresError` of either side.
    package func compare(_ shape: TableShape, _ other: TableShape?) async throws -> TableDiff {
        var diff = TableDiff(table: shape.qualified)
        guard let other else {
            (diff.obstacle, diff.isSameTogether) = (shape.obstacle(nil), false)
            diff.hereCount = try await Self.count(here, shape)
            return diff
        }
        diff.obstacle = shape.obstacle(other)
        guard diff.obstacle == nil || shape.columns == other.columns else {
            async let own = Self.count(here, shape)
            async let others = Self.count(there, other)
            (diff.hereCount, diff.thereCount) = try await (own, others)
            diff.isSameTogether = false
            return diff
        }
        async let own = Self.buckets(here, shape)
        async let others = Self.buckets(there, shape)
        let (left, right) = try await (own, others)
        diff.hereCount = left.values.reduce(0) { $0 + $1.count }
        diff.thereCount = right.values.reduce(0) { $0 + $1.count }
        let differing = TableDiff.differing(left, right)
        guard diff.obstacle == nil else {
            diff.isSameTogether = differing.isEmpty
            return diff
        }
        try await lookUp(differing, shape, &diff)
        return diff
    }

    private func lookUp(_ buckets: [Int64], _ shape: TableShape, _ diff: inout TableDiff) async throws {
        var rest = buckets[...]
        while !rest.isEmpty {
            guard diff.rows.count < limit else {
                diff.isCut = true
                break
            }
            let some = Array(rest.prefix(Self.chunk))
            rest = rest.dropFirst(Self.chunk)
            var found = try await rows(some, shape)
            for _ in 1..<Self.passes where !found.isEmpty {
                try await Task.sleep(for: pause)
                found = TableDiff.lasting(found, try await rows(some, shape))
            }
            diff.rows += found.map { TableDiff.Row(key: $0.key, state: $0.value) }
        }
        diff.rows.sort { $0.key < $1.key }
        if diff.rows.count > limit {
            diff.rows.removeLast(diff.rows.count - limit)
            diff.isCut = true
        }
    }

    private func rows(_ buckets: [Int64], _ shape: TableShape) async throws -> [String: TableDiff.State] {
        async let own = Self.rows(here, buckets, shape)
        async let others = Self.rows(there, buckets, shape)
        return TableDiff.differing(try await own, try await others)
    }

    // MARK: SQL

    private static func shapes(
        _ connection: PostgresConnection, _ table: String?
    ) async throws(PostgresError) -> [TableShape] {
        let result = try await connection.query(
            """
            SELECT n.nspname, c.relname,
              array_to_string(ARRAY(SELECT a.attname::text FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1), chr(10)) AS columns,
              array_to_string(ARRAY(SELECT a.attname::text FROM pg_index i
                CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END
                ORDER BY k.place), chr(10)) AS key
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE \(table == nil ? sent : "n.nspname || '.' || c.relname = $1") AND c.relkind IN ('r', 'p')
            ORDER BY 1, 2
            """, table.map { [$0] } ?? [], deadline: .seconds(30))
        var shapes: [TableShape] = []
        for row in result.rows {
            func lines(_ column: String) -> [String] { (row[column] ?? "").split(separator: "\n").map(String.init) }
            shapes.append(
                TableShape(
                    schema: try row.text("nspname"), name: try row.text("relname"), columns: lines("columns"),
                    key: lines("key")))
        }
        return shapes
    }

    /// By any of this node's sets. A partitioned table is compared by its partitions.
    private static let sent = """
        c.relkind = 'r' AND EXISTS (
          SELECT FROM spock.local_node l JOIN spock.replication_set s ON s.set_nodeid = l.node_id
            JOIN spock.replication_set_table t ON t.set_id = s.set_id WHERE t.set_reloid = c.oid)
        """

    private static func relation(_ shape: TableShape) -> String {
        "\(SQLText.identifier(shape.schema)).\(SQLText.identifier(shape.name))"
    }

    private static func row(_ columns: [String]) -> String {
        "ROW(\(columns.map { "t." + SQLText.identifier($0) }.joined(separator: ", ")))::text"
    }

    /// Twelve bits of the hash of the key: of the whole row where there is no key.
    private static func bucket(_ shape: TableShape) -> String {
        "('x' || substr(md5(\(row(shape.key.isEmpty ? shape.columns : shape.key))), 1, 3))::bit(12)::int8"
    }

    private static func count(_ connection: PostgresConnection, _ shape: TableShape) async throws(PostgresError)
        -> Int64
    {
        try await connection.query("SELECT count(*) AS rows FROM \(relation(shape)) t", deadline: deadline)
            .first().int64("rows") ?? 0
    }

    /// Sums do not depend on the order, and count a row as often as it is there.
    private static func buckets(
        _ connection: PostgresConnection, _ shape: TableShape
    ) async throws(PostgresError) -> [Int64: TableDiff.Bucket] {
        let result = try await connection.query(
            """
            SELECT r.bucket, count(*) AS rows, sum(('x' || substr(r.digest, 1, 15))::bit(60)::int8::numeric)
              || ' ' || sum(('x' || substr(r.digest, 17, 15))::bit(60)::int8::numeric) AS digest
            FROM (SELECT \(bucket(shape)) AS bucket, md5(\(row(shape.columns))) AS digest FROM \(relation(shape)) t) r
            GROUP BY 1
            """, deadline: deadline)
        var buckets: [Int64: TableDiff.Bucket] = [:]
        for row in result.rows {
            guard let bucket = try row.int64("bucket") else { continue }
            buckets[bucket] = TableDiff.Bucket(
                count: try row.int64("rows") ?? 0, digest: try row.text("digest"))
        }
        return buckets
    }

    private static func rows(
        _ connection: PostgresConnection, _ buckets: [Int64], _ shape: TableShape
    ) async throws(PostgresError) -> [String: String] {
        let list = "{\(buckets.map(String.init).joined(separator: ","))}"
        let result = try await connection.query(
            """
            SELECT \(row(shape.key)) AS key, md5(\(row(shape.columns))) AS digest FROM \(relation(shape)) t
            WHERE \(bucket(shape)) = ANY ($1::int8[])
            """, [list], deadline: deadline)
        var rows: [String: String] = [:]
        for row in result.rows { rows[try row.text("key")] = try row.text("digest") }
        return rows
    }
}
