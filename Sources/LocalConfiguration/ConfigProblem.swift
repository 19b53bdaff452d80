public import AdminModel

/// One thing that is wrong in a configuration: where, what stands there, what is allowed.
public struct ConfigProblem: Hashable, Sendable, CustomStringConvertible {
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        /// The file or the text of it cannot be read.
        public static let unreadable = Code(rawValue: "unreadable")
        public static let missing = Code(rawValue: "missing")
        public static let wrongValue = Code(rawValue: "wrong value")
        /// A feature of Patroni that this agent does not have yet.
        public static let unsupported = Code(rawValue: "unsupported")
    }

    public let code: Code
    /// The file with its line, the environment variable, or the znode.
    public let source: String
    /// Empty for a problem of the whole file.
    public let path: ConfigPath
    /// What stands there, shortened, and `***` where a secret may stand; empty when nothing does.
    public let value: String
    private let isText: Bool
    /// What is allowed there, as a phrase: `must be ...`.
    public let message: String

    public init(_ code: Code, source: String, path: ConfigPath = [], value: JSONValue? = nil, message: String) {
        self.code = code
        self.source = source
        self.path = path
        self.value = value.map { Self.shown($0, at: path) } ?? ""
        self.isText = value?.asString != nil && self.value != "***"
        self.message = message
    }

    private init(_ problem: ConfigProblem, _ path: ConfigPath, _ source: String) {
        (code, value, isText, message) = (problem.code, problem.value, problem.isText, problem.message)
        (self.path, self.source) = (path, source)
    }

    func moved(to path: ConfigPath, source: String) -> ConfigProblem { ConfigProblem(self, path, source) }

    /// `patroni.yml:12: postgresql.listen: 'x' must be host:port ...`
    public var description: String {
        [source, path.description, reason].filter { !$0.isEmpty }.joined(separator: ": ")
    }

    /// The value and what is allowed, without the place.
    public var reason: String {
        [isText ? "'\(value)'" : value, message].filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// The line of `--validate-config`, which other tools read (contract/patroni.md 6).
    public var validatorLine: String {
        if path.components.isEmpty { return description }
        if code == .missing { return "\(path)  is not defined." }
        return "\(path) \(value.isEmpty ? "" : value + " ")didn't pass validation: \(message)"
    }

    private static func shown(_ value: JSONValue, at path: ConfigPath) -> String {
        if path.isSecret { return "***" }
        switch value {
        case .object: return "a map"
        case .array: return "a list"
        default:
            var text = value.pythonText
            if text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
                text = value.pythonRepresentation
            }
            return text.count > 80 ? text.prefix(77) + "..." : text
        }
    }
}

/// All problems of a configuration at once; nothing was started.
public struct ConfigError: Error, Hashable, Sendable, CustomStringConvertible {
    public let problems: [ConfigProblem]

    public init(_ problems: [ConfigProblem]) { self.problems = problems }

    /// A line for each problem.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// Something about a configuration that the log names once; it does not keep the agent from starting.
public struct ConfigNotice: Hashable, Sendable, CustomStringConvertible {
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        /// A key that nobody knows; it is kept.
        public static let unknownKey = Code(rawValue: "unknown key")
        /// A key of Patroni that has no effect here.
        public static let withoutEffect = Code(rawValue: "without effect")
        /// Accepted, but probably not what was meant.
        public static let doubtful = Code(rawValue: "doubtful")
        /// A number that was moved into its bounds.
        public static let adjusted = Code(rawValue: "adjusted")
    }

    public let code: Code
    public let path: ConfigPath
    public let message: String

    public init(_ code: Code, _ path: ConfigPath, _ message: String) {
        self.code = code
        self.path = path
        self.message = message
    }

    public var description: String { "\(path): \(message)" }
}
