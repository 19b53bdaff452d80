import CPlatform
import HACore
public import LibPQ

/// Reads a server's status in one round trip. For PostgreSQL 15 and newer, as superuser.
public enum StatusProbe {
    /// Settings that come along.
    public static let settings = [
        "primary_slot_name", "restore_command", "synchronous_standby_names", "synchronous_commit",
        "hot_standby_feedback", "cluster_name", "wal_level", "archive_mode", "max_standby_streaming_delay",
    ]

    /// - Parameter deadline: the connection is closed when it passes.
    /// - Throws: what the connection throws; `.unexpectedReply` for values that cannot be read.
    public static func read(
        _ connection: PostgresConnection, deadline: Duration
    ) async throws(PostgresError) -> ServerStatus {
        // Before the question: nothing in the answer is older than this.
        let asked = Instant(nanoseconds: matriarch_boottime_ns())
        let result = try await connection.query(query, deadline: deadline)
        return try status(from: result, at: asked, serverVersion: connection.serverVersion)
    }

    /// One row, or one for each walsender, each with the whole status.
    ///
    /// By the functions below pg_stat_replication and pg_stat_wal_receiver: the views lock pg_authid, which an
    /// application may have locked against everybody; names of roles come from the backend's cache then.
    private static let query = """
        SELECT s.*, to_char(s.started, '\(timeFormat)') AS started_text, extract(epoch FROM s.started) AS started_epoch,
          to_char(s.replay_time, '\(timeFormat)') AS replay_text, extract(epoch FROM s.replay_time) AS replay_epoch,
          r.*
        FROM (
          SELECT c.in_recovery, pg_postmaster_start_time() AS started,
            (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
            CASE WHEN c.in_recovery THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS wal_timeline,
            CASE WHEN c.in_recovery THEN NULL ELSE pg_current_wal_flush_lsn() END AS flushed,
            CASE WHEN c.in_recovery AND w.received_tli IS NULL THEN (
              SELECT greatest(k.timeline_id, m.min_recovery_end_timeline)
              FROM pg_control_checkpoint() k, pg_control_recovery() m) END AS control_timeline,
            CASE WHEN c.in_recovery AND w.received_tli IS NULL THEN (\(replayedTimeline)) END AS replayed_timeline,
            CASE WHEN c.in_recovery THEN pg_last_wal_receive_lsn() END AS received,
            CASE WHEN c.in_recovery THEN pg_last_wal_replay_lsn() END AS replayed,
            CASE WHEN c.in_recovery THEN pg_last_xact_replay_timestamp() END AS replay_time,
            CASE WHEN c.in_recovery THEN pg_is_wal_replay_paused() ELSE false END AS paused,
            CASE WHEN c.in_recovery THEN (\(replayWait)) END AS replay_wait,
            w.status AS receiver_status, w.sender_host, w.sender_port, w.received_tli, w.written_lsn, w.latest_end_lsn,
            w.slot_name, current_setting('primary_conninfo', true) AS primary_conninfo,
            \(settings.map { "current_setting('\($0)', true) AS setting_\($0)" }.joined(separator: ", "))
          FROM (SELECT pg_is_in_recovery() AS in_recovery) c
            LEFT JOIN pg_stat_get_wal_receiver() w ON c.in_recovery AND w.pid IS NOT NULL
        ) s LEFT JOIN (
          SELECT x.pid AS sender_pid, pg_get_userbyid(a.usesysid) AS usename, a.application_name, a.client_addr, x.state,
            x.sync_state, x.sync_priority, x.write_lsn, x.flush_lsn, x.replay_lsn AS peer_replay_lsn
          FROM pg_stat_get_wal_senders() x JOIN pg_stat_get_activity(NULL) a ON a.pid = x.pid
        ) r ON true
        """

    /// A query, a lock or a pinned buffer in the way of the startup process.
    static let replayWait = """
        SELECT a.wait_event FROM pg_stat_get_activity(NULL) a WHERE a.backend_type = 'startup'
          AND (a.wait_event LIKE 'RecoveryConflict%' OR a.wait_event_type IN ('Lock', 'BufferPin'))
        """

    /// Of the newest segment file that holds what was replayed last: the control file lags behind by a restartpoint.
    private static let replayedTimeline = """
        SELECT max(substr(f.name, 1, 8)) FROM pg_ls_waldir() f,
          (SELECT div(greatest(pg_last_wal_replay_lsn() - '0/1', 0), z.bytes) AS segment,
            div(4294967296::numeric, z.bytes) AS per_id
           FROM (SELECT pg_size_bytes(current_setting('wal_segment_size'))::numeric AS bytes) z) s
        WHERE substr(f.name, 9) = lpad(upper(to_hex(div(s.segment, s.per_id)::bigint)), 8, '0')
          || lpad(upper(to_hex(mod(s.segment, s.per_id)::bigint)), 8, '0')
        """

    private static let timeFormat = "YYYY-MM-DD HH24:MI:SS.USTZH:TZM"

    static func status(
        from result: QueryResult, at asked: Instant, serverVersion: Int
    ) throws(PostgresError) -> ServerStatus {
        let row = try result.first()
        let inRecovery = try row.bool("in_recovery") ?? false
        let receiver = try receiver(row)
        let received = try lsn(row, "received")
        let replication = try replication(result)
        var sql = SQLStatus(
            at: asked, inRecovery: inRecovery, timeline: try timeline(row, receiver),
            written: try lsn(row, "flushed"), received: max(receiver?.writtenLSN ?? .zero, received ?? .zero),
            replayed: try lsn(row, "replayed") ?? .zero, streaming: receiver?.status == "streaming",
            upstream: receiver.flatMap { receiver in
                guard let host = receiver.senderHost, let port = receiver.senderPort else { return nil }
                return "\(host):\(port)"
            }, replayWait: row["replay_wait"])
        guard let identifier = SystemIdentifier(try row.text("system_identifier")) else {
            throw unreadable("system_identifier")
        }
        var settingValues: [String: String] = [:]
        for name in settings { settingValues[name] = row["setting_\(name)"] }
        sql.senders = replication.map(SQLStatus.Sender.init)
        sql.synchronousNames = settingValues["synchronous_standby_names"]
        return ServerStatus(
            sql: sql, systemIdentifier: identifier, serverVersion: serverVersion,
            postmasterStartTime: withoutZeroFraction(try row.text("started_text")),
            postmasterStartEpoch: row["started_epoch"].flatMap(Double.init) ?? 0, receiver: receiver,
            lastReceivedLSN: received, replayTimestamp: row["replay_text"].map(withoutZeroFraction),
            replayTimestampEpoch: row["replay_epoch"].flatMap(Double.init),
            replayPaused: try row.bool("paused") ?? false,
            replication: replication, settings: settingValues,
            primaryConninfo: Secret(row["primary_conninfo"] ?? ""))
    }

    private static func timeline(
        _ row: QueryResult.Row, _ receiver: ServerStatus.Receiver?
    ) throws(PostgresError) -> Timeline {
        if let hex = row["wal_timeline"], let number = UInt32(hex, radix: 16) { return Timeline(number) }
        if let timeline = receiver?.receivedTimeline { return timeline }
        if let hex = row["replayed_timeline"], let number = UInt32(hex, radix: 16) { return Timeline(number) }
        if let number = row["control_timeline"].flatMap({ UInt32($0) }) { return Timeline(number) }
        throw unreadable("timeline")
    }

    private static func receiver(_ row: QueryResult.Row) throws(PostgresError) -> ServerStatus.Receiver? {
        guard let status = row["receiver_status"] else { return nil }
        return ServerStatus.Receiver(
            status: status, senderHost: row["sender_host"], senderPort: try row.int64("sender_port"),
            receivedTimeline: row["received_tli"].flatMap { UInt32($0) }.map { Timeline($0) },
            writtenLSN: try lsn(row, "written_lsn"), latestEndLSN: try lsn(row, "latest_end_lsn"),
            slotName: row["slot_name"])
    }

    private static func replication(_ result: QueryResult) throws(PostgresError) -> [ServerStatus.Replication] {
        var rows: [ServerStatus.Replication] = []
        for row in result.rows where row["sender_pid"] != nil {
            rows.append(
                ServerStatus.Replication(
                    userName: row["usename"] ?? "", applicationName: row["application_name"] ?? "",
                    clientAddress: row["client_addr"], state: row["state"] ?? "", syncState: row["sync_state"] ?? "",
                    syncPriority: try row.int64("sync_priority") ?? 0, writtenLSN: try lsn(row, "write_lsn"),
                    flushedLSN: try lsn(row, "flush_lsn"), replayedLSN: try lsn(row, "peer_replay_lsn")))
        }
        return rows
    }

    static func lsn(_ row: QueryResult.Row, _ column: String) throws(PostgresError) -> LSN? {
        guard let text = row[column] else { return nil }
        guard let lsn = LSN(text) else { throw unreadable(column) }
        return lsn
    }

    private static func unreadable(_ column: String) -> PostgresError {
        PostgresError(.unexpectedReply, "\(column) cannot be read", outcome: .unknown)
    }

    /// The contract leaves a zero fraction out.
    static func withoutZeroFraction(_ text: String) -> String {
        guard let range = text.firstRange(of: ".000000") else { return text }
        return String(text[..<range.lowerBound] + text[range.upperBound...])
    }
}

extension SQLStatus.Sender {
    init(_ row: ServerStatus.Replication) {
        let part: Part =
            switch row.syncState {
            case "sync": .sync
            case "quorum": .quorum
            case "potential": .potential
            default: .async
            }
        self.init(
            name: row.applicationName, isStreaming: row.state == "streaming", part: part,
            flushed: row.flushedLSN ?? .zero)
    }
}
