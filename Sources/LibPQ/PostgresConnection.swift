import Waiting

/// One connection to a PostgreSQL server. Statements run one after the other on a thread of the connection's own; each
/// has a deadline, and a connection that missed one is closed.
public actor PostgresConnection {
    private nonisolated let executor: ThreadExecutor
    private var handle: ConnectionHandle?

    /// `server_version_num`, such as 150020.
    public nonisolated let serverVersion: Int
    /// The server process's id.
    public nonisolated let backendPID: Int32

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private init(_ handle: ConnectionHandle, on executor: ThreadExecutor) {
        self.executor = executor
        self.handle = handle
        serverVersion = handle.serverVersion
        backendPID = handle.backendPID
    }

    /// Connects with an empty search path but `pg_catalog`, in UTF-8.
    /// - Parameters:
    ///   - asUser: for statements of a user's own: with the search path and the name that the server and libpq's
    ///     variables give it.
    ///   - statementTimeout: the server's own limit for each statement (whole ms); nil leaves it as configured.
    ///   - deadline: for everything, name resolution and authentication included.
    /// - Throws: `.connectFailed` (with the server's SQLSTATE if it answered) or `.timedOut`.
    public static func connect(
        _ info: ConnectionInfo, asUser: Bool = false, statementTimeout: Duration? = nil, deadline: Duration
    ) async throws(PostgresError) -> PostgresConnection {
        let executor = ThreadExecutor(name: "postgres")
        let full = asUser ? info.with("client_encoding", "UTF8") : completed(info, statementTimeout)
        let due = Moment.after(deadline)
        let opened = OneShot<Result<ConnectionHandle, PostgresError>>()
        executor.run { opened.settle(ConnectionHandle.open(full, by: due)) }
        // Name resolution and GSS block inside libpq whatever we ask for. Then the waiter leaves, and the handle is freed
        // when that call returns.
        let result = await opened.value(within: .nanoseconds(due.nanosecondsLeft) + .milliseconds(20)) {
            .failure(PostgresError(.timedOut, "no connection within the deadline", outcome: .didNotHappen))
        }
        return PostgresConnection(try result.get(), on: executor)
    }

    /// Connects for one job and closes afterwards, whatever came of it.
    /// - Parameter deadline: for connecting.
    /// - Throws: as `connect`, and what `body` throws.
    public static func use<Value: Sendable>(
        _ info: ConnectionInfo, deadline: Duration,
        _ body: (PostgresConnection) async throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        let connection = try await connect(info, deadline: deadline)
        let value: Value
        do throws(PostgresError) {
            value = try await body(connection)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        return value
    }

    /// Runs one statement with parameters as text.
    /// - Parameter deadline: counted from this call. When it passes, the server is asked to cancel, the connection is
    ///   closed, and the outcome is unknown; passed before the statement was sent, it did not happen.
    /// - Throws: `.server` with the SQLSTATE, `.timedOut`, `.connectionLost`, `.closed`.
    @discardableResult
    public nonisolated func query(
        _ sql: String, _ parameters: [String?] = [], deadline: Duration
    ) async throws(PostgresError) -> QueryResult {
        try await run(by: .after(deadline)) { handle, due throws(PostgresError) in
            try handle.query(sql, parameters, by: due)
        }
    }

    /// Runs text by the simple protocol: replication commands, or several statements, of which the last result counts.
    /// - Throws: as `query`.
    @discardableResult
    public nonisolated func simple(_ sql: String, deadline: Duration) async throws(PostgresError) -> QueryResult {
        try await run(by: .after(deadline)) { handle, due throws(PostgresError) in try handle.simple(sql, by: due) }
    }

    /// The SCRAM-SHA-256 secret of a password, made on this side: the cleartext reaches neither the wire nor a log.
    public func encryptPassword(_ password: Secret, user: String) throws(PostgresError) -> String {
        guard let handle else { throw Self.closed }
        return try handle.encryptPassword(password, user: user)
    }

    /// False after a loss, a missed deadline or `close()`. A peer that vanished is noticed by the next statement only.
    public var isUsable: Bool { handle?.isUsable ?? false }

    /// Ends the session; later statements throw `.closed`.
    public func close() { handle = nil }

    private static let closed = PostgresError(.closed, "the connection is closed", outcome: .didNotHappen)

    private func run(
        by due: Moment,
        _ body: @Sendable (ConnectionHandle, Moment) throws(PostgresError) -> QueryResult
    ) throws(PostgresError) -> QueryResult {
        guard let handle else { throw Self.closed }
        guard !due.hasPassed else {
            throw PostgresError(.timedOut, "the deadline passed before it was sent", outcome: .didNotHappen)
        }
        do {
            return try body(handle, due)
        } catch {
            if error.code == .timedOut { handle.cancel() }
            // After an unexpected COPY or a loss the protocol's state is not ours to repair.
            if error.isConnectionLoss || error.code == .unexpectedReply { self.handle = nil }
            throw error
        }
    }

    private static func completed(_ info: ConnectionInfo, _ statementTimeout: Duration?) -> ConnectionInfo {
        var full = info
        var options = "-c search_path=pg_catalog"
        if let statementTimeout {
            let (seconds, attoseconds) = statementTimeout.components
            options += " -c statement_timeout=\(max(1, seconds * 1000 + attoseconds / 1_000_000_000_000_000))"
        }
        if let given = info["options"], !given.isEmpty { options += " " + given }
        full["options"] = options
        full["client_encoding"] = "UTF8"
        if info["application_name"] == nil { full["application_name"] = "Matriarch" }
        return full
    }
}
