import LibPQ
import Support

/// Whose standbys stream, asked at the primary each 5 ms by a connection that is kept.
struct StreamWatch {
    private let connection: PostgresConnection

    init(_ primary: ConnectionInfo) async throws {
        connection = try await PostgresConnection.connect(primary, deadline: .seconds(5))
    }

    func close() async { await connection.close() }

    /// By standby, the process that streams to it: a standby that came back has another.
    func senders() async throws -> [String: String] {
        let result = try await connection.query(
            "SELECT application_name AS name, pid FROM pg_stat_replication WHERE state = 'streaming'",
            deadline: .seconds(5))
        let pairs = try result.rows.map { row in
            guard let name = row["name"], let pid = row["pid"] else { throw SupportError("a row without its columns") }
            return (name, pid)
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// - Returns: when a standby streams by another process than before.
    func streamsAgain(_ name: String, unlike old: String?, within deadline: Duration) async throws
        -> ContinuousClock.Instant
    {
        try await eventually("\(name) streams again", within: deadline) {
            guard let pid = try await senders()[name], pid != old else { return nil }
            return .now
        }
    }
}
