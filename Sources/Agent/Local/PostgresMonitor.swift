import HACore
import LibPQ
import PostgresControl
import Waiting

/// Asks the local server what it is, over a connection that it keeps open. One question at a time; who comes meanwhile
/// gets the same answer.
///
/// Who asks leaves at a deadline of his own; the question stays, and the connection with it: on a server whose
/// connections are all taken there would not be another. Only a connection that is silent for long is given up.
actor PostgresMonitor {
    /// The server's own limit for one question: what waits for a lock ends by it and the connection lives on.
    private static let statementTimeout = Duration.seconds(2)
    /// A connection that does not even say that is given up.
    private static let silence = Duration.seconds(5)
    private static let connectDeadline = Duration.seconds(2)
    /// What a look may wait for a server that has become slow to answer.
    private static let overduePatience = Duration.milliseconds(30)

    private let info: @Sendable () -> ConnectionInfo
    private var connection: (postmaster: Int32, connection: PostgresConnection)?
    private var latest: (postmaster: Int32, status: ServerStatus)?
    private var isAsking = false
    /// The last question was not answered in time.
    private var isOverdue = false
    /// Why the last question has no answer (yet); nil when it was answered.
    private(set) var trouble: String?
    private var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    private var lastWaiter: UInt64 = 0

    init(info: @escaping @Sendable () -> ConnectionInfo) { self.info = info }

    /// What the server said, at most `age` old, or asked for now.
    ///
    /// - Parameters:
    ///   - postmaster: the pid of the present one: an answer of an earlier server is none.
    ///   - deadline: for a new question. When it passes, nil, and `trouble` says why.
    func status(postmaster: Int32, maxAge age: Duration, deadline: Duration) async -> ServerStatus? {
        let oldest = Instant.now - age
        if let latest, latest.postmaster == postmaster, latest.status.sql.at >= oldest { return latest.status }
        let known = latest?.status.sql.at
        if !isAsking {
            isAsking = true
            Task(executorPreference: LoopThread.shared) { await self.ask(postmaster) }
        }
        await wait(atMost: isOverdue ? min(deadline, Self.overduePatience) : deadline)
        guard let latest, latest.postmaster == postmaster, latest.status.sql.at != known else {
            if isAsking {
                isOverdue = true
                trouble = trouble ?? "no answer"
            }
            return nil
        }
        return latest.status
    }

    /// The last answer of this very server, however old: a server that cannot be asked now is not thereby gone.
    func lastStatus(postmaster: Int32) -> ServerStatus? {
        guard let latest, latest.postmaster == postmaster else { return nil }
        return latest.status
    }

    private func ask(_ postmaster: Int32) async {
        let began = Instant.now
        do {
            let status = try await StatusProbe.read(try await connected(to: postmaster), deadline: Self.silence)
            latest = (postmaster, status)
            trouble = nil
            isOverdue = false
        } catch {
            trouble = error.description
            isOverdue = Instant.now - began > .milliseconds(300)
            if await connection?.connection.isUsable != true { connection = nil }
        }
        isAsking = false
        let waiting = waiters
        waiters = [:]
        for waiter in waiting.values { waiter.resume() }
    }

    private func connected(to postmaster: Int32) async throws(PostgresError) -> PostgresConnection {
        if let connection, connection.postmaster == postmaster { return connection.connection }
        await connection?.connection.close()
        connection = nil
        let made = try await PostgresConnection.connect(
            info(), statementTimeout: Self.statementTimeout, deadline: Self.connectDeadline)
        connection = (postmaster, made)
        return made
    }

    /// Waits for the end of the present question.
    private func wait(atMost patience: Duration) async {
        lastWaiter += 1
        let id = lastWaiter
        let timer = Deadlines.after(patience) { Task { await self.release(id) } }
        await withCheckedContinuation { waiters[id] = $0 }
        Deadlines.cancel(timer)
    }

    private func release(_ id: UInt64) { waiters.removeValue(forKey: id)?.resume() }

    /// Runs a short statement on the connection that is kept: there may be no other to be had.
    func query(_ sql: String, postmaster: Int32, deadline: Duration) async throws(PostgresError) -> QueryResult {
        try await connected(to: postmaster).query(sql, deadline: deadline)
    }

    /// Runs statements of the agent's own (slots, checkpoint, users) on a connection of their own.
    func execute(_ sql: String, deadline: Duration) async throws -> QueryResult {
        try await PostgresConnection.use(info(), deadline: min(deadline, .seconds(3))) {
            connection throws(PostgresError) in try await connection.query(sql, deadline: deadline)
        }
    }
}
