/// What went wrong with a connection or a statement, and whether the statement may have taken effect.
public struct PostgresError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure. Open: unknown kinds compare unequal to the listed ones.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }

        /// No connection could be made: refused, rejected by the server, or bad parameters.
        public static let connectFailed = Code(rawValue: "connect failed")
        /// The deadline passed; the connection is closed.
        public static let timedOut = Code(rawValue: "timed out")
        /// The connection broke, or the server ended it.
        public static let connectionLost = Code(rawValue: "connection lost")
        /// The connection was closed here before the statement was sent.
        public static let closed = Code(rawValue: "closed")
        /// The server refused the statement; `sqlState` says why.
        public static let server = Code(rawValue: "server error")
        /// The reply is not of the kind this call expects (a COPY, a missing column, text that is no number).
        public static let unexpectedReply = Code(rawValue: "unexpected reply")
        /// libpq could not do it on this side (out of memory, a SCRAM secret that could not be built).
        public static let client = Code(rawValue: "client failure")
    }

    /// Did the statement happen?
    public enum Outcome: Hashable, Sendable {
        case didNotHappen
        case unknown
    }

    public let code: Code
    /// Five characters, for `.server`, and where a server's refusal came with a `.connectFailed` or `.connectionLost`.
    public let sqlState: String?
    /// ERROR, FATAL or PANIC, untranslated.
    public let severity: String?
    /// Never holds a password of the connection.
    public let message: String
    public let outcome: Outcome

    public init(
        _ code: Code, _ message: String, sqlState: String? = nil, severity: String? = nil, outcome: Outcome
    ) {
        self.code = code
        self.message = message
        self.sqlState = sqlState
        self.severity = severity
        self.outcome = outcome
    }

    /// The connection cannot be used any more.
    public var isConnectionLoss: Bool {
        code == .connectFailed || code == .timedOut || code == .connectionLost || code == .closed
    }

    public var description: String {
        let state = sqlState.map { " (\($0))" } ?? ""
        let unknown = outcome == .unknown ? "; outcome unknown" : ""
        return "\(severity.map { "\($0): " } ?? "")\(code.rawValue)\(state): \(message)\(unknown)"
    }
}
