import AdminModel
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Slots that nobody knows hold WAL for ever and go; those of a mesh stay whatever happens.
    @Suite(.serialized) struct Slots {
        private func names(_ node: ClusterNode) async throws -> [String] {
            try await node.query("SELECT slot_name FROM pg_replication_slots ORDER BY 1").rows.map {
                try $0.text("slot_name")
            }
        }

        private func expect(_ expected: [String], _ node: ClusterNode) async throws {
            var last: [String] = []
            do {
                try await eventually("\(node.name) has its slots", within: AgentCommand.deadline()) {
                    last = try await names(node)
                    return last == expected
                }
            } catch { throw SupportError("\(node.name) has \(last), not \(expected)") }
        }

        @Test func whatNobodyKnowsGoesAndAMeshStays() async throws {
            var settings = Support.ClusterSettings()
            settings.members = ["member-a", "member-b"]
            settings.binaries = try await PglogicalInstallation.binaries()
            settings.dynamicParameters = ["wal_level: logical", "shared_preload_libraries: pglogical"]
            settings.dynamic = ["ignore_slots: [{name: mine, type: physical}]", "slots: {archive: {type: physical}}"]
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let roles = try await cluster.whole("from nothing", within: AgentCommand.deadline(40))
                let (leader, replica) = (roles.leader, roles.replicas[0])
                let (own, other) = (leader.name.replacing("-", with: "_"), replica.name.replacing("-", with: "_"))
                try await expect(["archive", other], leader)
                try await expect(["archive", own], replica)
                for (name, plugin) in [("mesh", "pglogical_output"), ("decoded", "pgoutput")] {
                    try await leader.query("SELECT pg_create_logical_replication_slot($1, $2)", [name, plugin])
                }
                for name in ["mine", "stray"] {
                    try await leader.query("SELECT pg_create_physical_replication_slot($1, true)", [name])
                }
                try await expect(["archive", other, "mesh", "mine"].sorted(), leader)

                // The standby's slots move with what the leader says in `status`, and so hold nothing back.
                try await leader.query("SELECT pg_switch_wal()")
                try await leader.query("CREATE TABLE public.t AS SELECT 1 AS n")
                let position = try await leader.query("SELECT pg_current_wal_flush_lsn() AS lsn").first().text("lsn")
                try await eventually("the slots of \(replica.name) have moved", within: AgentCommand.deadline()) {
                    let found = try await replica.query(
                        "SELECT restart_lsn >= $1::pg_lsn AS moved FROM pg_replication_slots WHERE slot_name = $2",
                        [position, own])
                    return try found.first().bool("moved") == true
                }
                try await loseTheMesh(cluster, leader)
                try await cluster.whole("with a lost slot")
                #expect(try await names(leader) == ["archive", other, "mesh", "mine"].sorted())
            }
        }

        /// It is kept, and everybody who looks is told.
        private func loseTheMesh(_ cluster: TestCluster, _ leader: ClusterNode) async throws {
            let change: JSONObject = ["postgresql": ["parameters": ["max_slot_wal_keep_size": "1MB"]]]
            let answer = try await Rest.ask(leader, "config", change, "PATCH")
            #expect(answer.status == 200, "\(answer.body)")
            try await eventually("the mesh's slot is lost", within: AgentCommand.deadline()) {
                try await leader.query("SELECT pg_switch_wal() FROM (SELECT txid_current()) t")
                try await leader.query("CHECKPOINT")
                let row = try await leader.query("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'mesh'")
                return try row.first().text("wal_status") == "lost"
            }
            try await eventually("it is told", within: AgentCommand.deadline()) {
                let status = try JSONParser.parse(
                    try await HTTPProbe.send("GET", "/patroni", port: leader.restPort).body)
                return status["matriarch"]?["lost_slots"] == ["mesh"]
            }
            let metrics = try await HTTPProbe.send("GET", "/metrics", port: leader.restPort).body
            #expect(
                metrics.split(separator: "\n").contains { $0.hasPrefix("matriarch_lost_slots{") && $0.hasSuffix(" 1") })
            #expect(leader.logText.contains("slot mesh is lost"))
        }
    }
}
