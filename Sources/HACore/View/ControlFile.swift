/// What `pg_control` says about a data directory (pg_controldata's "Database cluster state" and its positions).
public struct ControlFile: Hashable, Sendable {
    /// `DBState` of PostgreSQL.
    public enum State: String, Hashable, Sendable, CaseIterable {
        case startingUp = "starting up"
        case shutDown = "shut down"
        case shutDownInRecovery = "shut down in recovery"
        case shuttingDown = "shutting down"
        case inCrashRecovery = "in crash recovery"
        case inArchiveRecovery = "in archive recovery"
        case inProduction = "in production"
    }

    public var systemIdentifier: SystemIdentifier
    public var state: State
    /// Timeline of the latest checkpoint. Behind the truth from a promotion until the checkpoint after it.
    public var timeline: Timeline
    /// Location of the latest checkpoint record.
    public var checkpoint: LSN
    /// Where redo would start.
    public var redo: LSN
    /// Zero unless the server was a standby.
    public var minRecoveryPoint: LSN
    public var minRecoveryTimeline: Timeline
    /// `wal_log_hints` or data checksums: what pg_rewind needs.
    public var allowsRewind: Bool

    public init(
        systemIdentifier: SystemIdentifier, state: State, timeline: Timeline, checkpoint: LSN, redo: LSN,
        minRecoveryPoint: LSN = .zero, minRecoveryTimeline: Timeline = Timeline(0), allowsRewind: Bool = true
    ) {
        self.systemIdentifier = systemIdentifier
        self.state = state
        self.timeline = timeline
        self.checkpoint = checkpoint
        self.redo = redo
        self.minRecoveryPoint = minRecoveryPoint
        self.minRecoveryTimeline = minRecoveryTimeline
        self.allowsRewind = allowsRewind
    }

    /// Where the latest checkpoint's record ends: 120 bytes (24 of header, 2, and 88 of CheckPoint, aligned), and a page's
    /// header when it goes over the end of one. Who has received up to here has all of a server that was shut down.
    public var checkpointEnd: LSN {
        let crosses = checkpoint.rawValue % 8192 + 114 > 8192
        return LSN(checkpoint.rawValue + (crosses ? 144 : 120))
    }

    /// True when the last process on this directory was a standby, or none after a standby's clean stop.
    public var wasStandby: Bool { state == .shutDownInRecovery || state == .inArchiveRecovery }
}
