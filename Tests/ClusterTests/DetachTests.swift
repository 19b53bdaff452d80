import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// `matriarchctl detach` gives a running PostgreSQL back: whoever comes next finds it as it is.
    @Suite(.serialized, .cluster(), .disabled(if: AgentCommand.isForeign, "a foreign program has no keeper"))
    struct Detach {
        private func detach(_ cluster: TestCluster, _ node: ClusterNode) async throws -> String {
            let said = try await CommandLineTool.matriarchctl().run(
                ["-c", node.place.configuration, "detach", "--force", cluster.scope, node.name], in: cluster.folder)
            #expect(said.code == 0 && said.error.isEmpty, "\(said)")
            return said.out
        }

        /// Its agent has ended, its PostgreSQL is the same one.
        private func expectGivenBack(_ cluster: TestCluster, _ node: ClusterNode) async throws {
            let postmaster = node.postmaster
            let said = try await detach(cluster, node)
            #expect(said.contains("Success: detach for member \(node.name)"), "\(said)")
            try await eventually("\(node.name)'s agent has ended", within: AgentCommand.deadline()) { !node.isRunning }
            #expect(node.exitStatus == .exited(0))
            #expect(postmaster != nil && node.postmaster == postmaster)
            let known = try await ClusterTree.with(cluster) { try await $0.text("members/\(node.name)") }
            #expect(known == nil, "a member that has gone")
        }

        @Test func aReplicaStreamsOnWithoutItsAgent() async throws {
            let scene = try await Scenario.begin()
            let replica = try #require(scene.before.replicas.first)
            let postmaster = replica.postmaster
            try await expectGivenBack(scene.cluster, replica)
            // Longer than any lease lasts.
            try await Task.sleep(for: .seconds(8))
            try await scene.writer.progress()
            let receiver = try await replica.query("SELECT status FROM pg_stat_wal_receiver").first()
            #expect(receiver["status"] == "streaming")
            try replica.start()
            let after = try await scene.cluster.whole("with the agent of the replica again")
            #expect(replica.postmaster == postmaster)
            try await scene.endUnchanged(after, "a replica given back and taken back")
        }

        /// What a package's removal does right after a hand-over: nothing of the server is on disk yet.
        @Test func aReplicaThatStartsGoesOnStarting() async throws {
            let slow = try AlteredProgram(
                "postgres",
                before: """
                    if [ "$1" = -D ] && rm "$state/slow" 2>/dev/null; then touch "$state/cut"; sleep 2; fi
                    """)
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            settings.binaries = slow.folder.path
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let scene = try await Scenario(cluster, try await cluster.whole("from an empty folder"))
                let replica = try #require(scene.before.replicas.first)
                try slow.folder.write("state/slow", "", mode: 0o666)
                try replica.kill(\.postmaster, "postmaster")
                try await slow.isInTheMiddle()
                #expect(replica.postmaster == nil)
                let said = try await detach(cluster, replica)
                #expect(said.contains("Success: detach for member \(replica.name)"), "\(said)")
                try await eventually("its agent has ended", within: AgentCommand.deadline()) { !replica.isRunning }
                try await eventually("it streams", within: AgentCommand.deadline()) {
                    let receiver = try? await replica.query("SELECT status FROM pg_stat_wal_receiver")
                    return receiver?.rows.first?["status"] == "streaming"
                }
                try replica.start()
                let after = try await cluster.whole("with the agent of the replica again")
                try await scene.endUnchanged(after, "a replica given back as it started")
            }
        }

        @Test func aLeaderStays() async throws {
            let scene = try await Scenario.begin()
            let said = try await detach(scene.cluster, scene.leader)
            #expect(said.contains("I am the leader: switch over, or pause the cluster, first"), "\(said)")
            try await stays("the leader leads", for: .seconds(2)) { await scene.leader.rest("/primary") == 200 }
            try await scene.endUnchanged(try await scene.cluster.whole(), "a leader that is not given back")
        }

        @Test func aLeaderIsGivenBackInPause() async throws {
            let scene = try await Scenario.begin()
            let postmaster = scene.leader.postmaster
            _ = try await patronictl(scene.cluster, "pause", "--wait")
            try await expectGivenBack(scene.cluster, scene.leader)
            try await Task.sleep(for: .seconds(8))
            try await scene.writer.progress()
            try scene.leader.start()
            try await eventually("the primary has its lock again", within: AgentCommand.deadline()) {
                try await ClusterTree.with(scene.cluster) { try await $0.text("leader") } == scene.leader.name
            }
            _ = try await patronictl(scene.cluster, "resume", "--wait")
            let after = try await scene.cluster.whole("after resume")
            #expect(scene.leader.postmaster == postmaster)
            try await scene.endUnchanged(after, "a leader given back in pause")
        }

        /// What was given back in a pause is there when the agent returns after it: it leads as it is, and is fenced like
        /// any other.
        @Test func aPrimaryIsTakenBackAfterThePause() async throws {
            var settings = ClusterSettings()
            settings.members = ["alone"]
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let before = try await cluster.whole("from an empty folder", within: AgentCommand.deadline(40))
                let scene = try await Scenario(cluster, before)
                _ = try await patronictl(cluster, "pause", "--wait")
                try await expectGivenBack(cluster, scene.leader)
                // Nobody is there whom `resume` could ask.
                _ = try await patronictl(cluster, "edit-config", "--force", "-q", "-s", "pause=null")
                try await Task.sleep(for: .seconds(8))
                try await scene.writer.progress()
                try scene.leader.start()
                let after = try await cluster.whole("with its agent again", within: AgentCommand.deadline())
                try await scene.endUnchanged(after, "given back in a pause and taken back after it")
                let agent = try #require(scene.leader.agent)
                ProcessTable.signal(SIGSTOP, agent)
                defer { ProcessTable.signal(SIGCONT, agent) }
                try await eventually("the keeper's deadline ends it", within: AgentCommand.deadline()) {
                    scene.leader.postmaster == nil
                }
            }
        }
    }
}
