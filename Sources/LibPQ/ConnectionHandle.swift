import CLibPQ

/// The C connection: synchronous calls that wait no longer than they are told.
// @unchecked: made and used on one queue; `deinit` runs after the last use, wherever the last reference goes.
final class ConnectionHandle: @unchecked Sendable {
    private let raw: OpaquePointer
    private let secrets: [Secret]

    private init(_ raw: OpaquePointer, _ secrets: [Secret]) {
        self.raw = raw
        self.secrets = secrets
    }

    deinit { PQfinish(raw) }

    var isUsable: Bool { PQstatus(raw) == CONNECTION_OK }
    var serverVersion: Int { Int(PQserverVersion(raw)) }
    var backendPID: Int32 { PQbackendPID(raw) }

    // MARK: Connecting

    static func open(_ info: ConnectionInfo, by deadline: Moment) -> Result<ConnectionHandle, PostgresError> {
        let parameters = info.revealed
        let started = CStringArray(parameters.map(\.keyword)).withPointers { keywords in
            CStringArray(parameters.map(\.value)).withPointers { values in PQconnectStartParams(keywords, values, 0) }
        }
        guard let raw = started else {
            return .failure(PostgresError(.client, "out of memory", outcome: .didNotHappen))
        }
        let handle = ConnectionHandle(raw, info.secrets)
        PQsetNoticeProcessor(raw, { _, _ in }, nil)  // libpq's own would write to stderr
        PQsetErrorVerbosity(raw, PQERRORS_VERBOSE)  // the only way to learn a refused connection's SQLSTATE
        if let error = handle.finishConnecting(by: deadline) { return .failure(error) }
        PQsetErrorVerbosity(raw, PQERRORS_DEFAULT)
        guard PQsetnonblocking(raw, 1) == 0 else { return .failure(handle.connectError()) }
        return .success(handle)
    }

    private func finishConnecting(by deadline: Moment) -> PostgresError? {
        var next = PGRES_POLLING_WRITING
        while next != PGRES_POLLING_OK {
            if PQstatus(raw) == CONNECTION_BAD || next == PGRES_POLLING_FAILED { return connectError() }
            let direction: Direction = next == PGRES_POLLING_READING ? .readable : .writable
            guard waitUntil(direction, PQsocket(raw), by: deadline) else {
                return PostgresError(.timedOut, "no connection within the deadline", outcome: .didNotHappen)
            }
            next = PQconnectPoll(raw)
        }
        return nil
    }

    private func connectError() -> PostgresError {
        let (state, message) = Self.splitVerbose(clean(PQerrorMessage(raw)))
        return PostgresError(.connectFailed, message, sqlState: state, outcome: .didNotHappen)
    }

    /// Takes the SQLSTATE out of a verbose message (`... FATAL:  57P03: the database ...`) and the LOCATION off its end.
    static func splitVerbose(_ text: String) -> (state: String?, message: String) {
        let message = text.split(separator: "\n").filter { !$0.hasPrefix("LOCATION:") }.joined(separator: "\n")
        let parts = message.split(separator: ": ", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated().dropFirst() where index < parts.count - 1 {
            let candidate = part.drop(while: { $0 == " " })
            guard candidate.utf8.count == 5,
                candidate.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) }),
                candidate.utf8.contains(where: { (48...57).contains($0) })
            else { continue }
            // The blanks between severity and message stay: libpq writes two.
            let blanks = part.prefix { $0 == " " }
            let rest =
                parts[..<index].joined(separator: ": ") + ": " + blanks
                + parts[(index + 1)...].joined(separator: ": ")
            return (String(candidate), rest)
        }
        return (nil, message)
    }

    // MARK: Statements

    /// One statement by the extended protocol.
    func query(_ sql: String, _ parameters: [String?], by deadline: Moment) throws(PostgresError) -> QueryResult {
        let sent = CStringArray(parameters).withPointers { values in
            PQsendQueryParams(raw, sql, Int32(parameters.count), nil, values, nil, nil, 0)
        }
        return try collect(sent: sent, by: deadline)
    }

    /// Text by the simple protocol; the last result counts.
    func simple(_ sql: String, by deadline: Moment) throws(PostgresError) -> QueryResult {
        try collect(sent: PQsendQuery(raw, sql), by: deadline)
    }

    private func collect(sent: Int32, by deadline: Moment) throws(PostgresError) -> QueryResult {
        // A refusal here means that nothing went out: the connection was dead already, or the text cannot be sent.
        guard sent == 1 else { throw brokenOrRefused(outcome: .didNotHappen) }
        try flush(by: deadline)
        var last: QueryResult?
        var failure: PostgresError?
        while true {
            while PQisBusy(raw) == 1 {
                try wait(.readable, by: deadline)
                guard PQconsumeInput(raw) == 1 else { throw failure ?? brokenOrRefused(outcome: .unknown) }
            }
            guard let result = PQgetResult(raw) else { break }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                last = Self.read(result)
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                throw PostgresError(.unexpectedReply, "the statement started a COPY", outcome: .unknown)
            default:
                if failure == nil { failure = statementError(result) }
            }
        }
        if let failure { throw failure }
        guard let last else { throw brokenOrRefused(outcome: .unknown) }
        return last
    }

    private func flush(by deadline: Moment) throws(PostgresError) {
        while true {
            switch PQflush(raw) {
            case 0: return
            case 1:
                // The server may be writing to us (an error, say) before it reads on: both directions count.
                try wait(.either, by: deadline)
                guard PQconsumeInput(raw) == 1 else { throw brokenOrRefused(outcome: .unknown) }
            default: throw brokenOrRefused(outcome: .unknown)
            }
        }
    }

    private func wait(_ direction: Direction, by deadline: Moment) throws(PostgresError) {
        guard waitUntil(direction, PQsocket(raw), by: deadline) else {
            throw PostgresError(.timedOut, "no answer within the deadline", outcome: .unknown)
        }
    }

    /// Asks the server to end the running statement, on a thread of its own, since libpq's call may block for long.
    func cancel() {
        guard let cancel = PQgetCancel(raw) else { return }
        CancelQueue.send(cancel)
    }

    func encryptPassword(_ password: Secret, user: String) throws(PostgresError) -> String {
        guard let encrypted = PQencryptPasswordConn(raw, password.reveal(), user, "scram-sha-256") else {
            throw PostgresError(.client, clean(PQerrorMessage(raw), and: password), outcome: .didNotHappen)
        }
        defer { PQfreemem(encrypted) }
        return String(cString: encrypted)
    }

    // MARK: Reading

    private static func read(_ result: OpaquePointer) -> QueryResult {
        let columns = (0..<PQnfields(result)).map { String(cString: PQfname(result, $0)) }
        let rows = (0..<PQntuples(result)).map { row in
            (0..<Int32(columns.count)).map { column -> String? in
                if PQgetisnull(result, row, column) == 1 { return nil }
                let bytes = UnsafeRawBufferPointer(
                    start: PQgetvalue(result, row, column), count: Int(PQgetlength(result, row, column)))
                return String(decoding: bytes, as: UTF8.self)
            }
        }
        return QueryResult(
            columns: columns, types: columns.indices.map { PQftype(result, Int32($0)) }, rows: rows,
            commandTag: String(cString: PQcmdStatus(result)))
    }

    private func statementError(_ result: OpaquePointer) -> PostgresError {
        let state = Self.field(result, "C")
        let severity = Self.field(result, "V") ?? Self.field(result, "S")
        let message = clean(Self.field(result, "M")) ?? clean(PQresultErrorMessage(result))
        // No SQLSTATE: libpq made it up because the connection broke. FATAL: the session ended, perhaps in the middle of
        // a commit. 40003 and class 08 say themselves that nobody knows.
        let ended = state == nil || (severity != "ERROR" && severity != nil) || !isUsable
        let unknown = ended || state == "40003" || state?.hasPrefix("08") == true
        return PostgresError(
            ended ? .connectionLost : .server, message, sqlState: state, severity: severity,
            outcome: unknown ? .unknown : .didNotHappen)
    }

    private func brokenOrRefused(outcome: PostgresError.Outcome) -> PostgresError {
        PostgresError(isUsable ? .client : .connectionLost, clean(PQerrorMessage(raw)), outcome: outcome)
    }

    private static func field(_ result: OpaquePointer, _ code: Unicode.Scalar) -> String? {
        PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
    }

    private func clean(_ message: String?) -> String? {
        message.map { text in secrets.reduce(text) { $1.redacted(from: $0) } }
    }

    private func clean(_ message: UnsafePointer<CChar>?, and password: Secret? = nil) -> String {
        var text = message.map { String(cString: $0) } ?? ""
        while text.last?.isWhitespace == true { text.removeLast() }
        return (secrets + (password.map { [$0] } ?? [])).reduce(text) { $1.redacted(from: $0) }
    }
}
