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
        guard let fields = ProcessState.fields(of: pid), fields.count > 19, let startedAt = UInt64(fields[19]) else {
            return nil
        }
        self.init(pid: pid, startedAt: startedAt)
    }
}
