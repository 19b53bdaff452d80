import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Coming back is cut off in the middle, by the death of whoever was at it, and comes to its end all the same.
    @Suite(.serialized, .enabled(if: !AgentCommand.isForeign))
    struct Rejoin {
        enum Victim: CaseIterable {
            case agent, keeper, node
        }

        @Test(arguments: Victim.allCases)
        func aRewindIsCutOff(byTheDeathOf victim: Victim) async throws {
            let tools = try AlteredProgram(
                "pg_rewind",
                first: "\"$real\" \"$@\" & pid=$!; sleep 0.12; kill -9 $pid; touch \"$state/cut\"; sleep 600")
            try await TestCluster.with(settings(tools)) { cluster in
                let (old, new) = try await Divergence.diverge(cluster)
                let log = old.logText
                try old.start()
                try await tools.isInTheMiddle()
                #expect(FileManager.default.fileExists(atPath: old.dataDirectory + ".matriarch"))
                try await end(victim, of: old)
                let after = try await cluster.whole("after the rewind", within: AgentCommand.deadline(40))
                #expect(after.leader === new)
                #expect(tools.runs >= 2)
                let rows = try await old.query("SELECT text FROM public.marker")
                #expect(rows.rows.map { $0["text"] } == ["row of the new primary"])
                #expect(old.logText(since: log).contains("a rewind from 127.0.0.1:\(new.port) was cut off"))
                try await expectReport(old, cluster)
            }
        }

        /// What was given up is said, and kept for a person to look at.
        private func expectReport(_ old: ClusterNode, _ cluster: TestCluster) async throws {
            let answer = try await HTTPProbe.send("GET", "/patroni", port: old.restPort)
            let range = try #require(try JSONParser.parse(answer.body)["matriarch"]?["diverged"])
            #expect(range["timeline"]?.asInt == 1)
            #expect((range["bytes"]?.asInt ?? 0) > 0, "\(range)")
            try await ClusterTree.with(cluster) { tree in
                try await eventually("the member's record says so, too", within: AgentCommand.deadline()) {
                    try await tree.object("members/\(old.name)")["matriarch"]?["diverged"]?.deepEquals(range) == true
                }
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: old.place.folder)
            let kept = try #require(names.first { $0.hasPrefix("data.diverged.") }, "\(names)")
            #expect(try Divergence.holdsMarker("\(old.place.folder)/\(kept)/pg_wal"))
            #expect(try !Divergence.holdsMarker("\(old.dataDirectory)/pg_wal"))
            #expect(!names.contains("data.rewind") && !names.contains("data.matriarch"), "\(names)")
        }

        @Test(arguments: Victim.allCases)
        func aCloneIsCutOff(byTheDeathOf victim: Victim) async throws {
            let tools = try AlteredProgram(
                "pg_basebackup",
                first: "\"$real\" \"$@\" --max-rate=2M & sleep 1; touch \"$state/cut\"; wait; sleep 600")
            try await TestCluster.with(settings(tools)) { cluster in
                try cluster.start()
                try await tools.isInTheMiddle()
                let replica = try #require(
                    cluster.nodes.first { FileManager.default.fileExists(atPath: $0.dataDirectory + ".clone") })
                #expect(replica.postmaster == nil)
                try await end(victim, of: replica)
                let after = try await cluster.whole("after the clone", within: AgentCommand.deadline(40))
                #expect(after.leader !== replica)
                #expect(tools.runs >= 2)
                let names = try FileManager.default.contentsOfDirectory(atPath: replica.place.folder)
                #expect(!names.contains { $0.hasPrefix("data.") }, "\(names)")
            }
        }

        private func settings(_ tools: AlteredProgram) -> ClusterSettings {
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            settings.binaries = tools.folder.path
            return settings
        }

        private func end(_ victim: Victim, of node: ClusterNode) async throws {
            switch victim {
            case .agent: try node.kill(\.agent, "agent")
            case .keeper: try node.kill(\.keeper, "keeper")
            case .node:
                try await node.kill()
                try node.start()
            }
        }
    }
}
