import AdminModel
import HACore
import PostgresControl

/// Renders the member's record from what the loop saw.
struct MemberRecordBuilder: Sendable {
    let settings: ClusterSettings

    func record(
        _ description: LocalDescription, _ local: LocalPostgres, server: ServerStatus?, leadership: Leadership?,
        epochVersion: Int64?, sessionTimeout: Int64?, optsOut: Bool = false,
        pendingRestart: [MemberRecord.PendingChange] = [], scheduledRestart: JSONObject? = nil, usableSlots: Int? = nil
    ) -> MemberRecord {
        let config = settings.local
        let postgres = config.postgresql
        var record = MemberRecord()
        record.connURL = "postgres://\(postgres.connectAddress ?? postgres.listen)/\(settings.postgres.database)"
        record.apiURL = config.restAPI.url
        record.proxyURL = postgres.proxyAddress.map { "postgres://\($0)/\(settings.postgres.database)" }
        record.state = description.state
        record.role = description.role
        record.version = MatriarchVersion.patroni
        record.tags = settings.tags
        if optsOut {
            // The leader is to do without it before it goes down (contract/patroni.md 1.3.3).
            record.tags.map["nosync"] = true
            record.tags.map["sync_priority"] = 0
        }
        record.pause = settings.dynamic.values.pause
        if leadership != nil, local.isRunning, local.sql?.inRecovery == false, let control = local.control,
            let timeline = local.sql?.timeline, control.timeline < timeline
        {
            record.checkpointAfterPromote = false
        }
        if description.state == .running || description.state == .starting, let sql = local.sql {
            record.walPosition = sql.position
            record.timeline = sql.timeline
            if sql.inRecovery {
                if sql.replayed > .zero { record.replayLSN = sql.replayed }
                if sql.received > .zero { record.receiveLSN = sql.received }
                record.replicationState = server?.replicationState
            }
        }
        record.pendingRestartReason = pendingRestart
        record.pendingRestart = !pendingRestart.isEmpty
        record.scheduledRestart = scheduledRestart
        record.matriarch = MatriarchPart(
            version: MatriarchVersion.own, keeper: local.keeperPaused ? .paused : local.isKept ? .attached : .found,
            epoch: epochVersion,
            sessionTimeout: sessionTimeout,
            replayWaits: local.sql?.replayWait, diverged: local.givenUp,
            configRejected: settings.dynamic.rejectedJSON,
            slots: local.sql?.inRecovery == true ? usableSlots : nil)
        return record
    }
}
