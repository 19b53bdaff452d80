import AdminModel
import LibPQ
import Support
import Testing

extension ClusterTests {
    @Suite(.serialized, .enabled(if: !AgentCommand.isForeign))
    struct BlockedReplay {
        /// Without an end of the query this standby would never be promoted: it lets its queries wait for ever.
        @Test func aPromotionEndsTheQueryInItsWay() async throws {
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            settings.dynamic = ["primary_start_timeout: 0"]
            settings.parameters = ["max_standby_streaming_delay: -1"]
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let before = try await cluster.whole("from empty folders", within: AgentCommand.deadline(40))
                let standby = try #require(before.replicas.first)
                try await before.leader.query("CREATE TABLE public.read AS SELECT generate_series(1, 1000) AS a")
                let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
                writer.start()
                try await writer.progress()
                try await eventually("the standby has the table") {
                    try await standby.query("SELECT to_regclass('public.read') IS NOT NULL AS there").first()
                        .bool("there") == true
                }
                let reader = try await PostgresConnection.connect(standby.conninfo, deadline: .seconds(5))
                try await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ", deadline: .seconds(2))
                try await reader.query("SELECT count(*) FROM public.read", deadline: .seconds(2))
                try await before.leader.query("DELETE FROM public.read")
                try await before.leader.query("VACUUM public.read")
                try await eventually("the standby says that its replay waits", within: AgentCommand.deadline()) {
                    let answer = try await HTTPProbe.send("GET", "/patroni", port: standby.restPort)
                    let matriarch = try JSONParser.parse(answer.body)["matriarch"]
                    return matriarch?["replay_waits"]?.asString?.hasPrefix("RecoveryConflict") == true
                }
                try await ClusterTree.with(cluster) { tree in
                    try await eventually("the member's record says so, too", within: AgentCommand.deadline()) {
                        try await tree.object("members/\(standby.name)")["matriarch"]?["replay_waits"] != nil
                    }
                }
                #expect(standby.logText.contains("replay waits for a query"))
                // More that the new primary has to have: received while replay stood still.
                try await writer.progress(100, on: before.leader)
                let log = standby.logText
                try before.leader.kill(\.postmaster, "postmaster")
                let after = try await cluster.whole("led by the other") { $0.leader === standby }
                try await writer.progress(on: after.leader)
                let history = await writer.stop()
                expectOnePrimary(history, "replay blocked on the candidate")
                report("the pause of writes includes 0.3 s of waiting for replay: \(history.longestGap)")
                #expect(standby.logText(since: log).contains("ended a session that may hold up the promotion"))
                #expect(await !stillOpen(reader))
                await reader.close()
            }
        }

        private func stillOpen(_ connection: PostgresConnection) async -> Bool {
            (try? await connection.query("SELECT 1", deadline: .seconds(2))) != nil
        }
    }
}
