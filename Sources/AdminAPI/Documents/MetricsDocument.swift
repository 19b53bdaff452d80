import AdminModel
import Agent
import HACore
import PostgresControl

/// The text of `/metrics`: what Patroni has, in its order (contract/patroni.md 2.5.2), then our own.
///
/// Of the contract's an unknown value is 0; of our own it is left out.
struct MetricsDocument: Sendable {
    let view: HealthView
    /// That of the view: without one there is no scope and no name to put on a sample.
    let status: AgentStatus
    let vitals: Vitals
    /// Nil: no mesh.
    var mesh: MeshStatus?

    var text: String {
        var metrics = MetricsText(labels: [("scope", status.scope), ("name", status.name.rawValue)])
        addRole(to: &metrics)
        addStandby(to: &metrics)
        addCluster(to: &metrics)
        addOwn(to: &metrics)
        return metrics.text
    }

    private var standby: ServerStatus? { view.server.flatMap { $0.sql.inRecovery ? $0 : nil } }

    private func addRole(to metrics: inout MetricsText) {
        let server = view.server
        let primary = server.flatMap { $0.sql.inRecovery ? nil : $0 }
        metrics.gauge(
            "patroni_version", Self.twoDigits(MatriarchVersion.patroni),
            "Version of Patroni whose contract is kept, two digits for each part.")
        metrics.gauge("patroni_postgres_running", view.state == .running, "1 if PostgreSQL runs and answers, else 0.")
        metrics.gauge(
            "patroni_postmaster_start_time", Self.seconds(server?.postmasterStartEpoch),
            "Seconds from 1970 to the start of PostgreSQL, 0 if unknown.")
        metrics.gauge("patroni_primary", view.role == .primary, "1 if this member is a primary, else 0.")
        metrics.counter(
            "patroni_xlog_location", primary?.sql.position.rawValue ?? 0,
            "WAL position of a primary in bytes, 0 for others.")
        metrics.gauge(
            "patroni_standby_leader", view.role == .standbyLeader, "1 if this member leads a standby cluster, else 0.")
        metrics.gauge("patroni_replica", view.role == .replica, "1 if this member is a replica, else 0.")
        metrics.gauge("patroni_sync_standby", view.isSyncStandby, "1 if this member is a synchronous standby, else 0.")
        // Quorum mode is not supported.
        metrics.gauge("patroni_quorum_standby", false, "1 if this member is a standby of a quorum, else 0.")
    }

    private func addStandby(to metrics: inout MetricsText) {
        metrics.counter(
            "patroni_xlog_received_location", standby?.receivedLocation.rawValue ?? 0,
            "WAL position that a standby has received in bytes, 0 for others.")
        metrics.counter(
            "patroni_xlog_replayed_location", standby?.sql.replayed.rawValue ?? 0,
            "WAL position that a standby has replayed in bytes, 0 for others.")
        metrics.gauge(
            "patroni_xlog_replayed_timestamp", Self.seconds(standby?.replayTimestampEpoch),
            "Seconds from 1970 to the last transaction that a standby has replayed, 0 if unknown.")
        metrics.gauge("patroni_xlog_paused", standby?.replayPaused == true, "1 if replay is paused, else 0.")
        guard let server = view.server else { return }
        metrics.gauge(
            "patroni_postgres_streaming", server.replicationState == "streaming", "1 if a standby streams, else 0.")
        metrics.gauge(
            "patroni_postgres_in_archive_recovery", server.replicationState == "in archive recovery",
            "1 if a standby reads WAL from the archive, else 0.")
    }

    private func addCluster(to metrics: inout MetricsText) {
        metrics.gauge(
            "patroni_postgres_server_version", view.server?.serverVersion ?? 0,
            "Version of PostgreSQL as its server_version_num, 0 if unknown.")
        metrics.gauge(
            "patroni_cluster_unlocked", view.cluster?.view.leader == nil, "1 if no leader is known, else 0.")
        // Failsafe mode is not supported.
        metrics.gauge("patroni_failsafe_mode_is_active", false, "1 if failsafe mode is active, else 0.")
        metrics.gauge("patroni_failsafe_mode_enabled", false, "1 if failsafe mode is enabled, else 0.")
        metrics.gauge("patroni_failsafe_member", false, "1 if this member is in the failsafe list, else 0.")
        metrics.gauge(
            "patroni_postgres_timeline", view.server?.sql.timeline.rawValue ?? 0,
            "Timeline of PostgreSQL, 0 if unknown.")
        metrics.gauge(
            "patroni_dcs_last_seen", status.dcsLastSeen, "Seconds from 1970 to the last read of ZooKeeper, 0 if never.")
        metrics.gauge(
            "patroni_pending_restart", !status.pendingRestart.isEmpty, "1 if PostgreSQL needs a restart, else 0.")
        metrics.gauge("patroni_is_paused", view.isPaused, "1 if the cluster is paused, else 0.")
        let states = MemberState.allCases.filter { $0 != .unknown }.map { "\($0.metricValue)=\($0.metricLabel)" }
        metrics.gauge(
            "patroni_postgres_state", view.state.metricValue, "State of PostgreSQL as a number, -1 if unknown.",
            comment: "Values: " + states.joined(separator: ", "))
        metrics.gauge(
            "patroni_failover_priority", status.tags.failoverPriority,
            "Priority of this member in a failover, 0 if it never leads.")
    }

    private func addOwn(to metrics: inout MetricsText) {
        metrics.add(
            .gauge, "matriarch_build_info", "1, with the version of the agent.",
            [([("version", MatriarchVersion.own)], "1")])
        if let end = vitals.provenUntil {
            metrics.gauge(
                "matriarch_lease_left_seconds", Self.seconds(max(.zero, end - view.now)),
                "Time for which acknowledged writes prove the ZooKeeper session.")
            metrics.histogram(
                "matriarch_lease_renewal_delay_seconds", bounds: RenewalDelays.bounds.map(Self.seconds),
                counts: vitals.renewalDelays.counts, sum: Self.seconds(vitals.renewalDelays.sum),
                "How long after their time the renewals of the lease were sent.")
        }
        if let timeout = status.sessionTimeout {
            metrics.gauge(
                "matriarch_session_timeout_seconds", Self.seconds(.milliseconds(timeout)),
                "Length of the ZooKeeper session as granted.")
        }
        metrics.gauge(
            "matriarch_last_look_age_seconds", Self.seconds(view.now - status.lookedAt),
            "Time since the loop looked last.")
        metrics.gauge("matriarch_keeper_up", vitals.keeperAnswers, "1 if the keeper answers, else 0.")
        metrics.gauge(
            "matriarch_lost_slots", status.lostSlots.count,
            "Slots of Spock or pglogical that are kept although the WAL that they need is gone.")
        metrics.gauge(
            "matriarch_config_rejected", status.dynamic.rejected.count,
            "Keys of the configuration that this member does not follow.")
        if let local = status.local {
            metrics.gauge(
                "matriarch_postgresql_taken_over", local.takenOver,
                "1 if PostgreSQL ran already when its keeper began to watch it, else 0.")
        }
        addCounts(to: &metrics)
        if let mesh { MeshMetrics(status: mesh, letsClientsWrite: view.letsClientsWrite).add(to: &metrics) }
    }

    private func addCounts(to metrics: inout MetricsText) {
        let counts = vitals.counts
        let decisions = counts.decisions.map { (rule: $0.key.rawValue, count: $0.value) }.sorted { $0.rule < $1.rule }
        metrics.add(
            .counter, "matriarch_decisions_total", "Looks of the loop, by the rule that decided.",
            decisions.map { ([("rule", $0.rule)], String($0.count)) })
        metrics.counter("matriarch_fences_total", counts.fences, "Times that the keeper stopped PostgreSQL at once.")
        metrics.counter(
            "matriarch_step_downs_total", counts.stepDowns,
            "Times that the agent stopped PostgreSQL before its lease ended.")
        metrics.counter("matriarch_promotions_total", counts.promotions, "Standbys that became primary.")
        if let last = counts.lastPromotion {
            let phases = [("locked", last.locked), ("ordered", last.ordered), ("writable", last.writable)]
            metrics.add(
                .gauge, "matriarch_last_promotion_seconds",
                "Time of this member's last promotion, from the look on that found the leader lock free.",
                phases.map { ([("phase", $0.0)], Self.seconds($0.1)) })
        }
    }

    /// 4.1.5 becomes 040105.
    private static func twoDigits(_ version: String) -> String {
        version.split(separator: ".").map { $0.count < 2 ? "0" + $0 : String($0) }.joined()
    }

    private static func seconds(_ epoch: Double?) -> String { epoch?.description ?? "0" }

    private static func seconds(_ duration: Duration) -> String { (Double(duration.milliseconds) / 1000).description }
}
