import AdminModel
import Agent
import HACore
import PostgresControl

/// The status JSON of `/patroni` and of every health check (contract/patroni.md 2.3), keys in the contract's order.
struct StatusDocument: Sendable {
    let view: HealthView
    /// Of the agent's log.
    var log = (waiting: 0, lost: 0)

    var json: JSONValue {
        var object = JSONObject()
        addServer(to: &object)
        if view.isPaused { object["pause"] = true }
        if view.cluster?.view.leader == nil { object["cluster_unlocked"] = true }
        object["dcs_last_seen"] = .int(Int64(view.status?.dcsLastSeen ?? 0))
        if let tags = view.status?.tags.map, !tags.isEmpty { object["tags"] = .object(tags) }
        let identifier = view.server?.systemIdentifier ?? view.status?.systemIdentifier
        object["database_system_identifier"] = identifier.map { .string($0.rawValue) }
        if let changes = view.status?.pendingRestart, !changes.isEmpty {
            object["pending_restart"] = true
            object["pending_restart_reason"] = changes.json
        }
        object["patroni"] = patroni
        if var restart = view.status?.scheduledRestart {
            restart["postmaster_start_time"] = nil
            object["scheduled_restart"] = .object(restart)
        }
        // Up to two lines wait at any time.
        if log.waiting > 2 { object["logger_queue_size"] = .int(Int64(log.waiting)) }
        if log.lost > 0 { object["logger_records_lost"] = .int(Int64(log.lost)) }
        object["matriarch"] = matriarch
        return .object(object)
    }

    /// What the server said. Without its answer no position is shown: an old one could decide an election.
    private func addServer(to object: inout JSONObject) {
        object["state"] = .string(view.state.rawValue)
        object["postmaster_start_time"] = (view.server?.postmasterStartTime).map(JSONValue.string)
        object["role"] = .string(view.role.rawValue)
        guard let server = view.server else { return }
        object["server_version"] = .int(Int64(server.serverVersion))
        object["xlog"] = Self.positions(server)
        if view.isSyncStandby { object["sync_standby"] = true }
        object["timeline"] = .int(Int64(server.sql.timeline.rawValue))
        object["replication_state"] = server.replicationState.map(JSONValue.string)
        if !server.replication.isEmpty { object["replication"] = .array(server.replication.map(Self.sender)) }
    }

    private static func positions(_ server: ServerStatus) -> JSONValue {
        guard server.sql.inRecovery else { return ["location": server.sql.position.json] }
        return [
            "received_location": server.receivedLocation.json,
            "replayed_location": server.sql.replayed.json,
            "replayed_timestamp": server.replayTimestamp.map(JSONValue.string) ?? .null,
            "paused": .bool(server.replayPaused),
        ]
    }

    private static func sender(_ row: ServerStatus.Replication) -> JSONValue {
        [
            "usename": .string(row.userName),
            "application_name": .string(row.applicationName),
            "client_addr": row.clientAddress.map(JSONValue.string) ?? .null,
            "state": .string(row.state),
            "sync_state": .string(row.syncState),
            "sync_priority": .int(row.syncPriority),
        ]
    }

    private var patroni: JSONValue {
        var object: JSONObject = ["version": .string(MatriarchVersion.patroni)]
        object["scope"] = (view.status?.scope).map(JSONValue.string)
        object["name"] = (view.status?.name).map { .string($0.rawValue) }
        return .object(object)
    }

    /// What only this agent has; other members do not read it.
    private var matriarch: JSONValue {
        var object: JSONObject = ["version": .string(MatriarchVersion.own)]
        guard let status = view.status else { return .object(object) }
        object["session_timeout_ms"] = status.sessionTimeout.map(JSONValue.int)
        object["term"] = (status.term?.rawValue).map(JSONValue.int)
        object["rule"] = .string(status.rule.rawValue)
        object["reason"] = .string(status.reason)
        if status.local?.takenOver == true { object["postgresql_taken_over"] = true }
        object["postgresql_obstacle"] = (status.local?.obstacle).map(JSONValue.string)
        object["replay_waits"] = (view.server?.sql.replayWait ?? status.local?.sql?.replayWait).map(JSONValue.string)
        object["diverged"] = status.local?.givenUp?.json
        if status.role != .primary { object["slots"] = status.usableSlots.map { .int(Int64($0)) } }
        if !status.lostSlots.isEmpty { object["lost_slots"] = .array(status.lostSlots.map(JSONValue.string)) }
        let rejected = status.dynamic.rejectedJSON
        if !rejected.isEmpty { object["config_rejected"] = .object(rejected) }
        return .object(object)
    }
}
