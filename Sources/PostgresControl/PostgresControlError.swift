/// What went wrong with a data directory, a file or a program, and whether it may have happened.
public struct PostgresControlError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Open: unknown kinds compare unequal to the listed ones.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }

        /// PostgreSQL's programs are not where they were looked for.
        public static let notInstalled = Code(rawValue: "not installed")
        /// A system call on a file failed.
        public static let file = Code(rawValue: "file")
        /// A program could not be run, or ended with a failure.
        public static let tool = Code(rawValue: "tool")
        /// The deadline passed.
        public static let timedOut = Code(rawValue: "timed out")
        /// A program's output, or a server's answer, was not understood.
        public static let unexpected = Code(rawValue: "unexpected")
        /// The data directory is not in the state that this step needs.
        public static let wrongState = Code(rawValue: "wrong state")
    }

    public enum Outcome: Hashable, Sendable {
        case didNotHappen
        case unknown
    }

    public let code: Code
    /// For people; holds no secret.
    public let message: String
    public let outcome: Outcome

    public init(_ code: Code, _ message: String, outcome: Outcome) {
        self.code = code
        self.message = message
        self.outcome = outcome
    }

    public var description: String {
        "\(code.rawValue): \(message)\(outcome == .unknown ? "; outcome unknown" : "")"
    }
}
