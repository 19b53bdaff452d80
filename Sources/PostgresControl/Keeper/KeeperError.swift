/// What went wrong between the agent and its keeper, and whether the request was carried out.
public struct KeeperError: Error, Hashable, Sendable, CustomStringConvertible {
    /// An open set: a keeper of another version may name reasons that this agent does not know.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public var description: String { rawValue }

        // Said by the client.
        /// The connection is gone: the keeper ended, another agent attached, or `close()` was called.
        public static let closed = Code(rawValue: "closed")
        /// No answer within the deadline.
        public static let timedOut = Code(rawValue: "timed-out")
        public static let cancelled = Code(rawValue: "cancelled")
        /// The message does not fit into a datagram, or contains a zero byte.
        public static let unsendable = Code(rawValue: "unsendable")
        /// The keeper does not take its messages.
        public static let queueFull = Code(rawValue: "queue-full")
        /// The keeper could not be started or reached.
        public static let unreachable = Code(rawValue: "unreachable")
        /// The keeper is of an older version and does not know what was asked for.
        public static let outdated = Code(rawValue: "outdated")
        /// The answer was not understood.
        public static let garbled = Code(rawValue: "garbled")
        /// The runtime folder cannot be used (owner, mode, length of its path).
        public static let runtimeFolder = Code(rawValue: "runtime-folder")

        // Said by the keeper.
        /// The deadline is in the past.
        public static let past = Code(rawValue: "past")
        /// It fenced under this or a later state of `epoch`.
        public static let latched = Code(rawValue: "latched")
        public static let notArmed = Code(rawValue: "not-armed")
        /// Less than 100 ms of the lease is left.
        public static let tooLate = Code(rawValue: "too-late")
        /// PostgreSQL is, or may be, writable.
        public static let writable = Code(rawValue: "writable")
        /// Something of a previous PostgreSQL is left.
        public static let notEmpty = Code(rawValue: "not-empty")
        public static let notRunning = Code(rawValue: "not-running")
        public static let running = Code(rawValue: "running")
        /// A tool that writes the data directory is running, or another one.
        public static let toolRunning = Code(rawValue: "tool-running")
        /// `standby.signal` is missing.
        public static let noStandbySignal = Code(rawValue: "no-standby-signal")
        public static let notStandby = Code(rawValue: "not-standby")
        /// A child could not be forked or executed.
        public static let spawn = Code(rawValue: "spawn")
        /// A promotion did not come to its end: the postmaster ended, or a fence came first.
        public static let promoteFailed = Code(rawValue: "promote-failed")
        /// The service file does not keep the apply workers from every peer: nothing was promoted.
        public static let gate = Code(rawValue: "gate")
        /// The agent that was attached before, or its tool, does not die.
        public static let predecessorAlive = Code(rawValue: "predecessor-alive")
        /// The message or its arguments were not understood.
        public static let badRequest = Code(rawValue: "bad-request")
    }

    public enum Outcome: Hashable, Sendable {
        /// Nothing was done.
        case didNotHappen
        /// It may have been done: ask `status`.
        case unknown
    }

    public let code: Code
    public let outcome: Outcome
    /// For people; carries no secret.
    public let message: String

    public init(_ code: Code, outcome: Outcome, _ message: String) {
        self.code = code
        self.outcome = outcome
        self.message = message
    }

    public var description: String { "keeper: \(code): \(message)" }
}
