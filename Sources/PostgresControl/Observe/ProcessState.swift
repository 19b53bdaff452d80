import SystemPackage

/// What the scheduler says of a process.
public enum ProcessState: Sendable {
    /// By a signal (SIGSTOP, or the terminal's).
    case stopped
    /// In the kernel, mostly for a disk: not even SIGKILL ends it before it returns.
    case uninterruptible
    case other

    /// Nil when there is no such process.
    public init?(of pid: Int32) {
        // "PID (NAME) STATE ...": the name may contain anything.
        guard let text = (try? AtomicFile.read(FilePath("/proc/\(pid)/stat"))) ?? nil,
            let name = text.lastIndex(of: ")"), let letter = text[name...].dropFirst(2).first
        else { return nil }
        switch letter {
        case "T": self = .stopped
        case "D": self = .uninterruptible
        default: self = .other
        }
    }
}
