public import LibPQ

/// What Spock has written down of changes that met others, in one database. Old rows are removed by the operator.
public struct MeshConflicts: Hashable, Sendable {
    /// More rows than these are not counted.
    public static let limit: Int64 = 10_000

    /// `spock.resolutions`: with `spock.save_resolutions` off there are none. Nil: this Spock has no such table.
    public var resolutions: Int64?
    /// `spock.exception_log`: changes that could not be applied.
    public var exceptions: Int64?

    public init(resolutions: Int64? = nil, exceptions: Int64? = nil) {
        self.resolutions = resolutions
        self.exceptions = exceptions
    }

    public static func read(_ connection: PostgresConnection, deadline: Duration) async throws(PostgresError) -> Self {
        let end = ContinuousClock.now + deadline
        func count(_ table: String) async throws(PostgresError) -> Int64? {
            let known = try await connection.query(
                "SELECT to_regclass($1) IS NOT NULL AS known", [table], deadline: end - .now
            ).first().bool("known")
            guard known == true else { return nil }
            return try await connection.query(
                "SELECT count(*) AS rows FROM (SELECT FROM \(table) LIMIT \(limit + 1)) r", deadline: end - .now
            ).first().int64("rows")
        }
        return Self(
            resolutions: try await count("spock.resolutions"), exceptions: try await count("spock.exception_log"))
    }
}
