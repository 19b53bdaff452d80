/// Why a request has no result, and whether it may have happened.
public struct ZooKeeperError: Error, Equatable, Sendable {
    /// The reason. An open set: the C library's numbers (never positive) and ours (positive).
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }

        // Answers of the server: the request was not carried out.
        public static let noNode = Code(rawValue: -101)
        public static let noAuth = Code(rawValue: -102)
        public static let badVersion = Code(rawValue: -103)
        public static let noChildrenForEphemerals = Code(rawValue: -108)
        public static let nodeExists = Code(rawValue: -110)
        public static let notEmpty = Code(rawValue: -111)
        public static let invalidACL = Code(rawValue: -114)
        /// The session is now served by another server; this connection must not be used any more.
        public static let sessionMoved = Code(rawValue: -118)
        public static let notReadOnly = Code(rawValue: -119)
        public static let throttled = Code(rawValue: -127)
        public static let unimplemented = Code(rawValue: -6)
        public static let badArguments = Code(rawValue: -8)
        /// As a result inside a `multi`: this operation did nothing because another one failed. As the error of a
        /// request: the library lost the thread of the connection.
        public static let rolledBack = Code(rawValue: -2)

        // The connection or the session ended, or our patience.
        public static let connectionLoss = Code(rawValue: -4)
        public static let marshalling = Code(rawValue: -5)
        /// The server has been silent for two thirds of the session timeout.
        public static let operationTimeout = Code(rawValue: -7)
        /// The handle can do nothing any more (after expiry or a refused authentication): close it.
        public static let invalidState = Code(rawValue: -9)
        public static let sessionExpired = Code(rawValue: -112)
        public static let authFailed = Code(rawValue: -115)
        /// The session was being closed by ourselves.
        public static let closing = Code(rawValue: -116)

        // Ours.
        /// The caller's deadline passed.
        public static let deadline = Code(rawValue: 1)
        /// The caller's task was cancelled.
        public static let cancelled = Code(rawValue: 2)
        /// None of the hosts' names could be resolved.
        public static let unknownHost = Code(rawValue: 3)
        /// The C library could not make a handle: out of memory, threads or descriptors.
        public static let noHandle = Code(rawValue: 4)
        public static let invalidPath = Code(rawValue: 5)
        public static let invalidHosts = Code(rawValue: 6)
    }

    /// Did it happen?
    public enum Outcome: Hashable, Sendable {
        /// It did not and will not.
        case didNotHappen
        /// It may have happened, or may still happen: read back before deciding.
        case unknown
    }

    public let code: Code
    public let path: ZNodePath?
    /// In a `multi`: the index of the operation that failed; nil when the whole of it was refused or its fate is unknown.
    public let failedOperation: Int?
    public let outcome: Outcome
    private let detail: String?

    public init(
        _ code: Code, path: ZNodePath? = nil, failedOperation: Int? = nil, outcome: Outcome = .didNotHappen,
        detail: String? = nil
    ) {
        self.code = code
        self.path = path
        self.failedOperation = failedOperation
        self.outcome = outcome
        self.detail = detail
    }
}

extension ZooKeeperError.Code {
    /// True for what only a server says after it looked at the request and refused it.
    var isRefusal: Bool {
        switch self {
        case .sessionExpired, .closing, .authFailed: false
        case .unimplemented, .badArguments: true
        default: rawValue <= -100
        }
    }

    /// True for answers that can only have been written by a server that read the request on this connection.
    var isAnswer: Bool {
        switch self {
        case .noNode, .noAuth, .badVersion, .noChildrenForEphemerals, .nodeExists, .notEmpty, .invalidACL: true
        default: rawValue == 0
        }
    }
}

extension ZooKeeperError.Code: CustomStringConvertible {
    private static let names: [Self: String] = [
        .noNode: "no such znode", .noAuth: "not permitted", .badVersion: "another version",
        .noChildrenForEphemerals: "an ephemeral znode has no children", .nodeExists: "the znode exists",
        .notEmpty: "the znode has children", .invalidACL: "invalid access control list",
        .sessionMoved: "the session moved to another server", .notReadOnly: "the server is read-only",
        .throttled: "throttled", .unimplemented: "unknown to the server", .badArguments: "invalid arguments",
        .rolledBack: "rolled back", .connectionLoss: "connection lost", .marshalling: "reply not understood",
        .operationTimeout: "the server is silent", .invalidState: "the session has ended",
        .sessionExpired: "session expired", .authFailed: "authentication refused", .closing: "closing",
        .deadline: "deadline passed", .cancelled: "cancelled", .unknownHost: "no host could be resolved",
        .noHandle: "no client handle", .invalidPath: "not a znode path", .invalidHosts: "not a list of hosts",
    ]

    public var description: String { Self.names[self] ?? "ZooKeeper error \(rawValue)" }
}

extension ZooKeeperError: CustomStringConvertible {
    public var description: String {
        var text = "ZooKeeper: \(code)"
        if let path { text += ": \(path)" }
        if let detail { text += ": \(detail)" }
        if let failedOperation { text += " (operation \(failedOperation))" }
        if outcome == .unknown { text += " (it may have happened)" }
        return text
    }
}
