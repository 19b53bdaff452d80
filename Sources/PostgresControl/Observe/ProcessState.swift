import SystemPackage

/// What the scheduler says of a process.
public enum ProcessState: Sendable {
    /// By a signal (SIGSTOP, or the terminal's).
    case stopped
    /// In the kernel, mostly for a disk: not even SIGKILL ends it before it returns.
    case uninterruptible
    /// Has a processor, or waits for one.
    case runnable
    case other

    /// Nil when there is no such process.
    public init?(of pid: Int32) {
        guard let letter = Self.fields(of: pid)?.first else { return nil }
        switch letter {
        case "T": self = .stopped
        case "D": self = .uninterruptible
        case "R": self = .runnable
        default: self = .other
        }
    }

    /// Of /proc/PID/stat, those behind the name, the state first; nil when there is no such process.
    static func fields(of pid: Int32) -> [Substring]? {
        // "PID (NAME) STATE ...": the name may contain anything.
        guard let text = (try? AtomicFile.read(FilePath("/proc/\(pid)/stat"))) ?? nil, let end = text.lastIndex(of: ")")
        else { return nil }
        return text[text.index(after: end)...].split(separator: " ")
    }
}
