import HACore
import LibPQ
import Logging
import PostgresControl

/// Asks the local server what it is, over a connection that it keeps open. One query at a time; who comes meanwhile
/// gets the same answer.
actor PostgresMonitor {
    private let info: @Sendable () -> ConnectionInfo
    private let logger: Logger
    private var connection: PostgresConnection?
    private var latest: (postmaster: Int32, status: ServerStatus)?
    private var inFlight: Task<ServerStatus?, Never>?
    private var complained = false

    init(info: @escaping @Sendable () -> ConnectionInfo, logger: Logger) {
        self.info = info
        self.logger = logger
    }

    /// What the server said, at most `age` old.
    ///
    /// - Parameters:
    ///   - postmaster: the pid of the present one: an answer of an earlier server is none.
    ///   - deadline: for a new question. When it passes, nil.
    func status(postmaster: Int32, maxAge age: Duration, deadline: Duration) async -> ServerStatus? {
        if let latest, latest.postmaster == postmaster, Instant.now - latest.status.sql.at <= age {
            return latest.status
        }
        if let inFlight { return await inFlight.value }
        let task = Task { await self.ask(postmaster, deadline) }
        inFlight = task
        let status = await task.value
        inFlight = nil
        return status
    }

    /// The last answer of this very server, however old: a server that cannot be asked now is not thereby gone.
    func lastStatus(postmaster: Int32) -> ServerStatus? {
        guard let latest, latest.postmaster == postmaster else { return nil }
        return latest.status
    }

    private func ask(_ postmaster: Int32, _ deadline: Duration) async -> ServerStatus? {
        if latest?.postmaster != postmaster { await disconnect() }
        let until = Instant.now + deadline
        do {
            if connection == nil {
                connection = try await PostgresConnection.connect(
                    info(), statementTimeout: .seconds(2), deadline: deadline)
            }
            guard let connection else { return nil }
            let status = try await StatusProbe.read(connection, deadline: max(until - Instant.now, .milliseconds(1)))
            latest = (postmaster, status)
            complained = false
            return status
        } catch {
            await disconnect()
            if !complained, latest?.postmaster == postmaster {
                complained = true
                logger.warning("cannot ask the local PostgreSQL: \(error)")
            }
            return nil
        }
    }

    private func disconnect() async {
        await connection?.close()
        connection = nil
    }

    /// Runs statements of the agent's own (slots, checkpoint, users) on a connection of their own.
    func execute(_ sql: String, deadline: Duration) async throws -> QueryResult {
        let connection = try await PostgresConnection.connect(info(), deadline: min(deadline, .seconds(3)))
        do {
            let result = try await connection.query(sql, deadline: deadline)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }
}
