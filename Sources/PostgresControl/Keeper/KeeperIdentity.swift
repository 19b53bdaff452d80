import SystemPackage

/// One keeper, and no other process that may get its pid later.
public struct KeeperIdentity: Hashable, Sendable {
    public let pid: Int32
    /// Clock ticks since boot, as /proc/PID/stat has them.
    public let startedAt: UInt64

    public init(pid: Int32, startedAt: UInt64) {
        self.pid = pid
        self.startedAt = startedAt
    }

    /// The process that runs under this pid now; nil when there is none.
    init?(running pid: Int32) {
        // The name in parentheses may hold anything, so the fields are counted from its end.
        guard let text = (try? AtomicFile.read(FilePath("/proc/\(pid)/stat"))) ?? nil, let end = text.lastIndex(of: ")")
        else {
            return nil
        }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let startedAt = UInt64(fields[19]) else { return nil }
        self.init(pid: pid, startedAt: startedAt)
    }
}
