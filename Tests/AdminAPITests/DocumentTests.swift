import AdminModel
import HACore
import Testing

@testable import AdminAPI
@testable import Agent
@testable import PostgresControl

/// The documents to the letter: others compare them by their printed form.
@Suite struct DocumentTests {
    private func text(_ scene: Scene) -> String { StatusDocument(view: scene.view).json.text(.spaced) }

    @Test func primary() {
        var scene = Scene.primary()
        scene.server?.replication = [
            ServerStatus.Replication(
                userName: "replicator", applicationName: "node-1", clientAddress: nil, state: "streaming",
                syncState: "sync", syncPriority: 1)
        ]
        #expect(
            text(scene) == """
                {"state": "running", "postmaster_start_time": "2026-11-21 02:50:49.684824+00:00", "role": "primary", \
                "server_version": 150020, "xlog": {"location": 67109064}, "timeline": 1, \
                "replication": [{"usename": "replicator", "application_name": "node-1", "client_addr": null, \
                "state": "streaming", "sync_state": "sync", "sync_priority": 1}], "dcs_last_seen": 1795229517, \
                "tags": {"custom": "x", "weight": 1.4, "spare": true}, \
                "database_system_identifier": "7710451765082907510", \
                "patroni": {"version": "4.1.5", "scope": "gold", "name": "node-0"}, \
                "matriarch": {"version": "\(MatriarchVersion.own)", "session_timeout_ms": 30000, "term": 4294967301, \
                "rule": "leader.steady", "reason": "no action. I am (node-0), the leader with the lock"}}
                """)
    }

    @Test func synchronousReplicaInPauseWithoutLeader() {
        var scene = Scene.replica(config: ["synchronous_mode": true, "pause": true])
        scene.status.tree?.sync = SyncRecord(leader: Scene.primaryName, standbys: [Scene.replicaName])
        scene.status.tree?.view.leader = nil
        scene.status.tags = Tags()
        scene.server?.replayTimestamp = "2026-11-21 02:51:00+00:00"
        scene.server?.replayPaused = true
        #expect(
            text(scene) == """
                {"state": "running", "postmaster_start_time": "2026-11-21 02:50:49.684824+00:00", "role": "replica", \
                "server_version": 150020, "xlog": {"received_location": 67109000, "replayed_location": 67108000, \
                "replayed_timestamp": "2026-11-21 02:51:00+00:00", "paused": true}, "sync_standby": true, \
                "timeline": 1, "replication_state": "streaming", "pause": true, "cluster_unlocked": true, \
                "dcs_last_seen": 1795229517, "database_system_identifier": "7710451765082907510", \
                "patroni": {"version": "4.1.5", "scope": "gold", "name": "node-1"}, \
                "matriarch": {"version": "\(MatriarchVersion.own)", "session_timeout_ms": 30000, \
                "rule": "replica.follow", "reason": "no action. I am (node-1)"}}
                """)
    }

    @Test func withoutAnAnswerOfTheServerThereIsNoPosition() {
        var scene = Scene.replica()
        scene.server = nil
        let document = StatusDocument(view: scene.view).json
        #expect(document["state"] == "unknown")
        #expect(document["role"] == "replica")
        for key in ["xlog", "timeline", "server_version", "replication_state", "postmaster_start_time"] {
            #expect(document[key] == nil, "\(key)")
        }
        #expect(PeerRound.Answer(status: document) == nil, "a peer takes it for unreachable")
        #expect(document["database_system_identifier"] == "7710451765082907510")
    }

    @Test func peersReadWhatIsWritten() throws {
        let primary = try #require(PeerRound.Answer(status: StatusDocument(view: Scene.primary().view).json))
        #expect(!primary.inRecovery)
        #expect(primary.position == LSN(67_109_064))
        let replica = try #require(PeerRound.Answer(status: StatusDocument(view: Scene.replica().view).json))
        #expect(replica.inRecovery)
        #expect(replica.position == LSN(67_109_000))
        #expect(replica.timeline == Timeline(1))
        #expect(replica.provedSlots == 0)
        var scene = Scene.replica()
        scene.status.usableSlots = 2
        #expect(PeerRound.Answer(status: StatusDocument(view: scene.view).json)?.provedSlots == 2)
        scene.status.role = .primary
        #expect(StatusDocument(view: scene.view).json["matriarch"]?["slots"] == nil, "a primary's are no copies")
    }

    @Test func rejectedConfigurationAndLostSlotsAreShown() {
        var scene = Scene.primary()
        scene.status.dynamic = Scene.dynamic(["ttl": "soon"])
        let rejected = StatusDocument(view: scene.view).json["matriarch"]?["config_rejected"]
        #expect(StatusDocument(view: scene.view).json["matriarch"]?["lost_slots"] == nil)
        scene.status.lostSlots = ["spk_app_n1"]
        #expect(StatusDocument(view: scene.view).json["matriarch"]?["lost_slots"] == ["spk_app_n1"])
        #expect(rejected?.asObject?.keys == ["ttl"])
    }

    @Test func beforeTheFirstLook() {
        let view = HealthView(status: nil, server: nil, holdsLock: false, now: Scene.now, startedAt: Scene.now)
        #expect(
            StatusDocument(view: view).json.text(.spaced) == """
                {"state": "unknown", "role": "unknown", "cluster_unlocked": true, "dcs_last_seen": 0, \
                "patroni": {"version": "4.1.5"}, "matriarch": {"version": "\(MatriarchVersion.own)"}}
                """)
    }

    @Test func cluster() {
        let tree = Scene.tree(config: [:])
        #expect(
            tree.document(scope: "gold").json.text(.spaced) == """
                {"members": [{"name": "node-0", "role": "leader", "state": "running", \
                "api_url": "http://127.0.0.1:28000/patroni", "host": "127.0.0.1", "port": 25430, "timeline": 1, \
                "tags": {"custom": "x0"}}, {"name": "node-1", "role": "replica", "state": "streaming", \
                "api_url": "http://127.0.0.1:28001/patroni", "host": "127.0.0.1", "port": 25431, "timeline": 1, \
                "tags": {"custom": "x1"}, "receive_lag": 64, "receive_lsn": "0/4000088", "replay_lag": 1064, \
                "replay_lsn": "0/3FFFCA0", "lag": 64, "lsn": "0/4000088"}], "scope": "gold"}
                """)
    }

    @Test func clusterWithOddMembers() {
        var tree = Scene.tree(config: ["pause": "on", "synchronous_mode": "on"])
        var stopped = MemberRecord()
        stopped.state = .stopped
        stopped.connURL = "postgres://u:p@[::1]/postgres"
        tree.members = [("b", stopped), ("a", MemberRecord()), (Scene.primaryName, MemberRecord())]
        tree.sync = SyncRecord(leader: Scene.primaryName, standbys: ["b"])
        tree.failover = FailoverRecord(leader: Scene.primaryName, scheduledAt: "2099-01-01T00:00:00+00:00")
        #expect(
            tree.document(scope: "gold").json.text(.spaced) == """
                {"members": [{"name": "a", "role": "replica", "state": "unknown", "api_url": null, \
                "receive_lsn": "unknown", "receive_lag": "unknown", "replay_lsn": "unknown", "replay_lag": "unknown", \
                "lsn": "unknown", "lag": "unknown"}, {"name": "b", "role": "sync_standby", "state": "stopped", \
                "api_url": null, "host": "::1", "port": 5432, "receive_lsn": "unknown", "receive_lag": "unknown", \
                "replay_lsn": "unknown", "replay_lag": "unknown", "lsn": "unknown", "lag": "unknown"}, \
                {"name": "node-0", "role": "leader", "state": "unknown", "api_url": null}], "pause": true, \
                "scheduled_switchover": {"at": "2099-01-01T00:00:00+00:00", "from": "node-0"}, "scope": "gold"}
                """)
    }

    @Test func dates() {
        #expect(CommonHeaders.text(of: 784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}
