public import HACore

/// One answer of the keeper about itself and its PostgreSQL.
public struct KeeperStatus: Hashable, Sendable {
    public var keeperPID: Int32
    /// nil when no postmaster lives.
    public var postmasterPID: Int32?
    /// Role of the living postmaster, else of the last one; nil when none was started.
    public var startedAs: StartRole?
    public var startedAt: Instant?
    /// From the fork of the child that creates the promote file, until this postmaster's end; no longer after a child
    /// that ended before it came to the file (too late, gate).
    public var promoteRequested: Bool
    /// A standby that has been seen to have left recovery.
    public var inProduction: Bool
    /// PostgreSQL is writable, or nothing proves that it is not.
    public var mayBeWritable: Bool
    /// nil = not armed.
    public var armedUntil: Instant?
    /// mzxid of `epoch` under which it is armed.
    public var armedZxid: Int64?
    /// mzxid of `epoch` under which it last fenced; commands that carry this or an older one are refused.
    public var latch: Int64?
    public var mode: KeeperMode
    /// Wait status of the last postmaster.
    public var lastExit: Int32?
    public var exitedAt: Instant?
    /// The last postmaster ended after a `stop` that an agent asked for.
    public var stopRequested: Bool
    /// The last postmaster was ended by a fence.
    public var fenced: Bool
    /// No postmaster, no process that one left behind, and no child that may still create a promote file.
    public var isEmpty: Bool
    /// Processes left behind by an earlier postmaster.
    public var remaining: Int
    /// The startup process of a standby, once found.
    public var startupPID: Int32?
    /// The tool that runs.
    public var toolPID: Int32?
    /// PostgreSQL was not started by this keeper: it is watched and fenced, but outlives a killed keeper.
    public var takenOver: Bool
    /// The last postmaster was started with a gate, without which it is not promoted. nil: the keeper is of an older
    /// version and knows none.
    public var isGated: Bool?
}

extension KeeperStatus {
    /// Reads the `key=value` fields of a `status` reply; nil when one that is always there is missing.
    init?(fields: some Sequence<Substring>) {
        var values: [Substring: Substring] = [:]
        for field in fields {
            guard let equals = field.firstIndex(of: "=") else { continue }
            values[field[..<equals]] = field[field.index(after: equals)...]
        }
        func number(_ key: Substring) -> Int64? { values[key].flatMap { Int64($0) } }
        func flag(_ key: Substring) -> Bool { values[key] == "1" }
        /// The keeper writes zero for "none".
        func pid(_ key: Substring) -> Int32? { number(key).flatMap { $0 == 0 ? nil : Int32(truncatingIfNeeded: $0) } }
        func instant(_ key: Substring) -> Instant? {
            number(key).flatMap { $0 == 0 ? nil : Instant(nanoseconds: $0) }
        }
        guard let keeper = pid("keeper"), let mode = values["mode"].flatMap({ KeeperMode(rawValue: String($0)) }),
            values["empty"] != nil, values["armed"] != nil
        else { return nil }
        self.keeperPID = keeper
        self.postmasterPID = pid("postmaster")
        self.startedAs = values["started-as"].flatMap { StartRole(rawValue: String($0)) }
        self.startedAt = instant("started-at")
        self.promoteRequested = flag("promote-requested")
        self.inProduction = flag("production")
        self.mayBeWritable = flag("writable")
        self.armedUntil = instant("armed")
        self.armedZxid = armedUntil == nil ? nil : number("armed-zxid")
        self.latch = number("latch")
        self.mode = mode
        self.lastExit = number("last-exit").map { Int32(truncatingIfNeeded: $0) }
        self.exitedAt = instant("exited-at")
        self.stopRequested = flag("stop-requested")
        self.fenced = flag("fenced")
        self.isEmpty = flag("empty")
        self.remaining = number("remaining").map { Int($0) } ?? 0
        self.startupPID = pid("startup")
        self.toolPID = pid("tool")
        self.takenOver = flag("taken-over")
        self.isGated = values["gated"].map { $0 == "1" }
    }
}
