public import AdminModel

/// When a restart is wanted at all (contract/patroni.md 2.7).
public struct RestartConditions: Hashable, Sendable {
    public var role: MemberRole?
    /// Only of a server older than this, as `server_version_num`.
    public var olderThan: Int?
    /// Only when a setting waits for it.
    public var onlyPending = false

    public init() {}

    /// Why not; nil when they hold.
    public func obstacle(role now: MemberRole, serverVersion: Int?, isPending: Bool) -> String? {
        if let role, role != now { return "host role mismatch" }
        if let olderThan, olderThan <= serverVersion ?? 0 { return "postgres version mismatch" }
        return onlyPending && !isPending ? "pending restart flag is not set" : nil
    }
}
