public import HACore
public import LibPQ

/// All that one query says about a running server: for the decision, the member record and the REST status.
public struct ServerStatus: Hashable, Sendable {
    /// One row of pg_stat_replication.
    public struct Replication: Hashable, Sendable {
        public var userName: String
        public var applicationName: String
        /// nil over a Unix socket.
        public var clientAddress: String?
        public var state: String
        public var syncState: String
        public var syncPriority: Int64
        public var writtenLSN: LSN?
        public var flushedLSN: LSN?
        public var replayedLSN: LSN?
    }

    /// The walreceiver, as pg_stat_wal_receiver shows it.
    public struct Receiver: Hashable, Sendable {
        /// Such as `streaming` or `waiting`.
        public var status: String
        public var senderHost: String?
        public var senderPort: Int64?
        public var receivedTimeline: Timeline?
        public var writtenLSN: LSN?
        /// The sender's end of WAL as it last told.
        public var latestEndLSN: LSN?
        public var slotName: String?
    }

    public var sql: SQLStatus
    public var systemIdentifier: SystemIdentifier
    /// `server_version_num`.
    public var serverVersion: Int
    /// `2026-11-21 02:50:49.684824+00:00`, in the session's time zone (contract/patroni.md 0.1).
    public var postmasterStartTime: String
    /// Seconds since 1970.
    public var postmasterStartEpoch: Double
    public var receiver: Receiver?
    /// `pg_last_wal_receive_lsn`.
    public var lastReceivedLSN: LSN?
    /// In the form of `postmasterStartTime`; nil on a primary and when nothing was replayed.
    public var replayTimestamp: String?
    public var replayTimestampEpoch: Double?
    public var replayPaused: Bool
    public var replication: [Replication]
    /// The values in effect of those of `StatusProbe.settings` that hold no secret.
    public var settings: [String: String]
    /// `primary_conninfo` in effect; it may hold a password that somebody else wrote.
    public var primaryConninfo: Secret

    /// What REST calls `received_location`: the first that is known of written, received and replayed.
    public var receivedLocation: LSN {
        for lsn in [receiver?.writtenLSN, lastReceivedLSN] { if let lsn, lsn != .zero { return lsn } }
        return sql.replayed
    }

    /// `streaming`, `in archive recovery` or nil (contract/patroni.md 1.3).
    public var replicationState: String? {
        guard sql.inRecovery else { return nil }
        if sql.streaming { return "streaming" }
        return settings["restore_command"].map { !$0.isEmpty } == true ? "in archive recovery" : nil
    }
}
