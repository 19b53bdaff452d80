import AdminModel
import HACore
import Testing

@testable import AdminAPI
@testable import Agent
@testable import PostgresControl

@Suite struct MetricsTests {
    private func text(_ scene: Scene) -> String {
        MetricsDocument(view: scene.view, status: scene.status, vitals: scene.vitals).text
    }

    /// The samples whose metric or whose labels contain `word`, without the labels that all of them have.
    private func samples(_ scene: Scene, _ word: String) -> [String] {
        text(scene).split(separator: "\n").filter { !$0.hasPrefix("#") && $0.contains(word) }
            .map { String($0).replacing(/scope="[^"]*",name="[^"]*"/, with: "").replacing("{}", with: "") }
    }

    @Test func primary() {
        var scene = Scene.primary()
        scene.vitals.counts.decisions = ["leader.steady": 12, "leader.promote": 2]
        scene.vitals.counts.promotions = 1
        scene.vitals.counts.lastPromotion = PromotionTimes(
            locked: .milliseconds(14), ordered: .milliseconds(28), writable: .milliseconds(62))
        for delay in [1, 3, 2000] { scene.vitals.renewalDelays.note(.milliseconds(delay)) }
        #expect(text(scene) == Self.primaryText)
    }

    @Test func replica() {
        var scene = Scene.replica(config: ["synchronous_mode": true, "pause": true])
        scene.status.tree?.sync = SyncRecord(leader: Scene.primaryName, standbys: [Scene.replicaName])
        scene.status.tags = Tags(["nofailover": true])
        scene.status.local?.takenOver = true
        scene.server?.replayTimestampEpoch = 1_795_229_460
        scene.server?.replayPaused = true
        #expect(
            samples(scene, "patroni_") == [
                "patroni_version 040105", "patroni_postgres_running 1",
                "patroni_postmaster_start_time 1795229449.684824", "patroni_primary 0", "patroni_xlog_location 0",
                "patroni_standby_leader 0", "patroni_replica 1", "patroni_sync_standby 1", "patroni_quorum_standby 0",
                "patroni_xlog_received_location 67109000", "patroni_xlog_replayed_location 67108000",
                "patroni_xlog_replayed_timestamp 1795229460.0", "patroni_xlog_paused 1",
                "patroni_postgres_streaming 1", "patroni_postgres_in_archive_recovery 0",
                "patroni_postgres_server_version 150020", "patroni_cluster_unlocked 0",
                "patroni_failsafe_mode_is_active 0", "patroni_failsafe_mode_enabled 0", "patroni_failsafe_member 0",
                "patroni_postgres_timeline 1", "patroni_dcs_last_seen 1795229517", "patroni_pending_restart 0",
                "patroni_is_paused 1", "patroni_postgres_state 5", "patroni_failover_priority 0",
            ])
        #expect(samples(scene, "taken_over") == ["matriarch_postgresql_taken_over 1"])
    }

    @Test func aStandbyThatReadsTheArchive() {
        var scene = Scene.replica()
        scene.server?.sql.streaming = false
        scene.server?.settings = ["restore_command": "cp /archive/%f %p"]
        #expect(samples(scene, "streaming") == ["patroni_postgres_streaming 0"])
        #expect(samples(scene, "archive") == ["patroni_postgres_in_archive_recovery 1"])
    }

    /// No leader, no answer of the server, no session, no keeper: zeros where the contract has them, else nothing.
    @Test func whatIsNotKnown() {
        var scene = Scene.replica()
        scene.server = nil
        scene.status.tree?.view.leader = nil
        scene.status.sessionTimeout = nil
        scene.vitals = Vitals()
        #expect(
            samples(scene, "patroni_postgres") == [
                "patroni_postgres_running 0", "patroni_postgres_server_version 0", "patroni_postgres_timeline 0",
                "patroni_postgres_state -1",
            ])
        #expect(samples(scene, "patroni_xlog").allSatisfy { $0.hasSuffix(" 0") })
        #expect(samples(scene, "patroni_postmaster") == ["patroni_postmaster_start_time 0"])
        #expect(samples(scene, "unlocked") == ["patroni_cluster_unlocked 1"])
        #expect(samples(scene, "patroni_replica") == ["patroni_replica 1"])
        #expect(
            samples(scene, "matriarch_") == [
                #"matriarch_build_info{,version="\#(MatriarchVersion.own)"} 1"#, "matriarch_last_look_age_seconds 1.0",
                "matriarch_keeper_up 0", "matriarch_lost_slots 0", "matriarch_config_rejected 0",
                "matriarch_postgresql_taken_over 0", "matriarch_fences_total 0", "matriarch_step_downs_total 0",
                "matriarch_promotions_total 0",
            ])
    }

    @Test func aLeaseThatIsOverHasNothingLeft() {
        var scene = Scene.primary()
        scene.now = Scene.now + .seconds(26)
        #expect(samples(scene, "lease_left") == ["matriarch_lease_left_seconds 0.0"])
        #expect(samples(scene, "look_age") == ["matriarch_last_look_age_seconds 27.0"])
    }

    @Test func labelsAreEscaped() {
        var metrics = MetricsText(labels: [("scope", #"a"b\c"#)])
        metrics.add(.gauge, "m", "Help.", [([("own", "x\ny\r\nz=")], "1")])
        #expect(metrics.text == "# HELP m Help.\n# TYPE m gauge\nm{scope=\"a\\\"b\\\\c\",own=\"x\\ny\r\\nz=\"} 1\n")
    }

    private static let labels = #"{scope="gold",name="node-0"}"#

    private static let primaryText = """
        # HELP patroni_version Version of Patroni whose contract is kept, two digits for each part.
        # TYPE patroni_version gauge
        patroni_version\(labels) 040105
        # HELP patroni_postgres_running 1 if PostgreSQL runs and answers, else 0.
        # TYPE patroni_postgres_running gauge
        patroni_postgres_running\(labels) 1
        # HELP patroni_postmaster_start_time Seconds from 1970 to the start of PostgreSQL, 0 if unknown.
        # TYPE patroni_postmaster_start_time gauge
        patroni_postmaster_start_time\(labels) 1795229449.684824
        # HELP patroni_primary 1 if this member is a primary, else 0.
        # TYPE patroni_primary gauge
        patroni_primary\(labels) 1
        # HELP patroni_xlog_location WAL position of a primary in bytes, 0 for others.
        # TYPE patroni_xlog_location counter
        patroni_xlog_location\(labels) 67109064
        # HELP patroni_standby_leader 1 if this member leads a standby cluster, else 0.
        # TYPE patroni_standby_leader gauge
        patroni_standby_leader\(labels) 0
        # HELP patroni_replica 1 if this member is a replica, else 0.
        # TYPE patroni_replica gauge
        patroni_replica\(labels) 0
        # HELP patroni_sync_standby 1 if this member is a synchronous standby, else 0.
        # TYPE patroni_sync_standby gauge
        patroni_sync_standby\(labels) 0
        # HELP patroni_quorum_standby 1 if this member is a standby of a quorum, else 0.
        # TYPE patroni_quorum_standby gauge
        patroni_quorum_standby\(labels) 0
        # HELP patroni_xlog_received_location WAL position that a standby has received in bytes, 0 for others.
        # TYPE patroni_xlog_received_location counter
        patroni_xlog_received_location\(labels) 0
        # HELP patroni_xlog_replayed_location WAL position that a standby has replayed in bytes, 0 for others.
        # TYPE patroni_xlog_replayed_location counter
        patroni_xlog_replayed_location\(labels) 0
        # HELP patroni_xlog_replayed_timestamp Seconds from 1970 to the last transaction that a standby has replayed, \
        0 if unknown.
        # TYPE patroni_xlog_replayed_timestamp gauge
        patroni_xlog_replayed_timestamp\(labels) 0
        # HELP patroni_xlog_paused 1 if replay is paused, else 0.
        # TYPE patroni_xlog_paused gauge
        patroni_xlog_paused\(labels) 0
        # HELP patroni_postgres_streaming 1 if a standby streams, else 0.
        # TYPE patroni_postgres_streaming gauge
        patroni_postgres_streaming\(labels) 0
        # HELP patroni_postgres_in_archive_recovery 1 if a standby reads WAL from the archive, else 0.
        # TYPE patroni_postgres_in_archive_recovery gauge
        patroni_postgres_in_archive_recovery\(labels) 0
        # HELP patroni_postgres_server_version Version of PostgreSQL as its server_version_num, 0 if unknown.
        # TYPE patroni_postgres_server_version gauge
        patroni_postgres_server_version\(labels) 150020
        # HELP patroni_cluster_unlocked 1 if no leader is known, else 0.
        # TYPE patroni_cluster_unlocked gauge
        patroni_cluster_unlocked\(labels) 0
        # HELP patroni_failsafe_mode_is_active 1 if failsafe mode is active, else 0.
        # TYPE patroni_failsafe_mode_is_active gauge
        patroni_failsafe_mode_is_active\(labels) 0
        # HELP patroni_failsafe_mode_enabled 1 if failsafe mode is enabled, else 0.
        # TYPE patroni_failsafe_mode_enabled gauge
        patroni_failsafe_mode_enabled\(labels) 0
        # HELP patroni_failsafe_member 1 if this member is in the failsafe list, else 0.
        # TYPE patroni_failsafe_member gauge
        patroni_failsafe_member\(labels) 0
        # HELP patroni_postgres_timeline Timeline of PostgreSQL, 0 if unknown.
        # TYPE patroni_postgres_timeline gauge
        patroni_postgres_timeline\(labels) 1
        # HELP patroni_dcs_last_seen Seconds from 1970 to the last read of ZooKeeper, 0 if never.
        # TYPE patroni_dcs_last_seen gauge
        patroni_dcs_last_seen\(labels) 1795229517
        # HELP patroni_pending_restart 1 if PostgreSQL needs a restart, else 0.
        # TYPE patroni_pending_restart gauge
        patroni_pending_restart\(labels) 0
        # HELP patroni_is_paused 1 if the cluster is paused, else 0.
        # TYPE patroni_is_paused gauge
        patroni_is_paused\(labels) 0
        # HELP patroni_postgres_state State of PostgreSQL as a number, -1 if unknown.
        # Values: 0=initdb, 1=initdb_failed, 2=custom_bootstrap, 3=custom_bootstrap_failed, 4=creating_replica, \
        5=running, 6=starting, 7=bootstrap_starting, 8=start_failed, 9=restarting, 10=restart_failed, 11=stopping, \
        12=stopped, 13=stop_failed, 14=crashed
        # TYPE patroni_postgres_state gauge
        patroni_postgres_state\(labels) 5
        # HELP patroni_failover_priority Priority of this member in a failover, 0 if it never leads.
        # TYPE patroni_failover_priority gauge
        patroni_failover_priority\(labels) 1
        # HELP matriarch_build_info 1, with the version of the agent.
        # TYPE matriarch_build_info gauge
        matriarch_build_info{scope="gold",name="node-0",version="\(MatriarchVersion.own)"} 1
        # HELP matriarch_lease_left_seconds Time for which acknowledged writes prove the ZooKeeper session.
        # TYPE matriarch_lease_left_seconds gauge
        matriarch_lease_left_seconds\(labels) 25.25
        # HELP matriarch_lease_renewal_delay_seconds How long after their time the renewals of the lease were sent.
        # TYPE matriarch_lease_renewal_delay_seconds histogram
        matriarch_lease_renewal_delay_seconds_bucket{scope="gold",name="node-0",le="0.001"} 1
        matriarch_lease_renewal_delay_seconds_bucket{scope="gold",name="node-0",le="0.005"} 2
        matriarch_lease_renewal_delay_seconds_bucket{scope="gold",name="node-0",le="0.01"} 2
        matriarch_lease_renewal_delay_seconds_bucket{scope="gold",name="node-0",le="0.025"} 2
        matriarch_lease_renewal_delay_seconds_bucket{scope="gold",name="node-0",le="0.05"} 2
        matriarch_lease_renewal_delay_seconds_bucket{scope="gold",name="node-0",le="0.1"} 2
        matriarch_lease_renewal_delay_seconds_bucket{scope="gold",name="node-0",le="0.25"} 2
        matriarch_lease_renewal_delay_seconds_bucket{scope="gold",name="node-0",le="1.0"} 2
        matriarch_lease_renewal_delay_seconds_bucket{scope="gold",name="node-0",le="+Inf"} 3
        matriarch_lease_renewal_delay_seconds_sum\(labels) 2.004
        matriarch_lease_renewal_delay_seconds_count\(labels) 3
        # HELP matriarch_session_timeout_seconds Length of the ZooKeeper session as granted.
        # TYPE matriarch_session_timeout_seconds gauge
        matriarch_session_timeout_seconds\(labels) 30.0
        # HELP matriarch_last_look_age_seconds Time since the loop looked last.
        # TYPE matriarch_last_look_age_seconds gauge
        matriarch_last_look_age_seconds\(labels) 1.0
        # HELP matriarch_keeper_up 1 if the keeper answers, else 0.
        # TYPE matriarch_keeper_up gauge
        matriarch_keeper_up\(labels) 1
        # HELP matriarch_lost_slots Slots of Spock or pglogical that are kept although the WAL that they need is gone.
        # TYPE matriarch_lost_slots gauge
        matriarch_lost_slots\(labels) 0
        # HELP matriarch_config_rejected Keys of the configuration that this member does not follow.
        # TYPE matriarch_config_rejected gauge
        matriarch_config_rejected\(labels) 0
        # HELP matriarch_postgresql_taken_over 1 if PostgreSQL ran already when its keeper began to watch it, else 0.
        # TYPE matriarch_postgresql_taken_over gauge
        matriarch_postgresql_taken_over\(labels) 0
        # HELP matriarch_decisions_total Looks of the loop, by the rule that decided.
        # TYPE matriarch_decisions_total counter
        matriarch_decisions_total{scope="gold",name="node-0",rule="leader.promote"} 2
        matriarch_decisions_total{scope="gold",name="node-0",rule="leader.steady"} 12
        # HELP matriarch_fences_total Times that the keeper stopped PostgreSQL at once.
        # TYPE matriarch_fences_total counter
        matriarch_fences_total\(labels) 0
        # HELP matriarch_step_downs_total Times that the agent stopped PostgreSQL before its lease ended.
        # TYPE matriarch_step_downs_total counter
        matriarch_step_downs_total\(labels) 0
        # HELP matriarch_promotions_total Standbys that became primary.
        # TYPE matriarch_promotions_total counter
        matriarch_promotions_total\(labels) 1
        # HELP matriarch_last_promotion_seconds Time of this member's last promotion, from the look on that found the leader lock free.
        # TYPE matriarch_last_promotion_seconds gauge
        matriarch_last_promotion_seconds{scope="gold",name="node-0",phase="locked"} 0.014
        matriarch_last_promotion_seconds{scope="gold",name="node-0",phase="ordered"} 0.028
        matriarch_last_promotion_seconds{scope="gold",name="node-0",phase="writable"} 0.062

        """
}
