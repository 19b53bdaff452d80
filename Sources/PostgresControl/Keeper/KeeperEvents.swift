/// What the keeper reports by itself.
public enum KeeperEvent: Hashable, Sendable {
    /// The postmaster ended; its wait status as `waitpid` gave it. Backends may be left: wait for `empty`.
    case postmasterExited(waitStatus: Int32)
    /// No process of PostgreSQL is left; until then nothing may be said to be stopped.
    case empty
    /// The keeper stopped PostgreSQL; `lateBy` is by how much the deadline was missed, zero unless `why` is `deadline`.
    case fenced(lateBy: Duration, why: FenceCause)
    /// The postmaster lives and its control file says "in production".
    case promoted
    case promoteFailed(String)
    case toolEnded(pid: Int32, status: Int32)
    /// The last event: the keeper ended, or another agent attached to it.
    case closed
}

/// Why the keeper stopped PostgreSQL. An open set.
public struct FenceCause: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public var description: String { rawValue }

    /// The lease's deadline passed.
    public static let deadline = FenceCause(rawValue: "deadline")
    /// The agent asked for it.
    public static let requested = FenceCause(rawValue: "requested")
    /// A standby became writable while nothing was armed (lock.md 4.A6).
    public static let unarmedPrimary = FenceCause(rawValue: "unarmed-primary")
}

/// Whether the keeper enforces the deadline.
public enum KeeperMode: String, Hashable, Sendable {
    case normal
    /// The cluster is paused: nothing is fenced, promotion still needs arming.
    case paused
    /// PostgreSQL was given back: nothing is fenced until it is taken over again; ends with that PostgreSQL.
    case detached
}

/// How PostgreSQL is asked to end.
public enum KeeperStopMode: String, Hashable, Sendable {
    case smart, fast, immediate
}

/// A `waitpid` status, taken apart.
public struct WaitStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Set when the process ended by itself.
    public var exitCode: Int32? { rawValue & 0x7f == 0 ? (rawValue >> 8) & 0xff : nil }
    /// Set when a signal ended it.
    public var signal: Int32? { rawValue & 0x7f == 0 ? nil : rawValue & 0x7f }
    public var description: String {
        if let exitCode { return "exit code \(exitCode)" }
        return "signal \(rawValue & 0x7f)"
    }
}
