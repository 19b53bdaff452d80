import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// A paused cluster is its operator's: what runs goes on, nothing is started, stopped, promoted or fenced.
    @Suite(.serialized, .cluster(.wired)) struct Pause {
        private func paused<Result>(
            _ cluster: TestCluster, _ body: () async throws -> Result
        ) async throws -> Result {
            let said = try await patronictl(cluster, "pause", "--wait")
            #expect(said.contains("Success: cluster management is paused"), "\(said)")
            do {
                let result = try await body()
                let resumed = try await patronictl(cluster, "resume", "--wait")
                #expect(resumed.contains("Success: cluster management is resumed"), "\(resumed)")
                return result
            } catch {
                _ = try? await patronictl(cluster, "resume")
                throw error
            }
        }

        @Test func aKilledPrimaryStaysDownUntilResume() async throws {
            let scene = try await Scenario.begin()
            let (cluster, leader) = (scene.cluster, scene.leader)
            try await paused(cluster) {
                #expect(try await patronictl(cluster, "list").contains("Maintenance mode: on"))
                try leader.kill(\.postmaster, "postmaster")
                try await eventually("the lock goes", within: AgentCommand.deadline()) {
                    try await ClusterTree.with(cluster) { try await $0.text("leader") } == nil
                }
                try await stays("nobody leads, nothing is started", for: .seconds(3)) {
                    for node in cluster.nodes where await node.rest("/primary") == 200 { return false }
                    return leader.postmaster == nil
                }
            }
            let after = try await cluster.whole("after resume")
            try await scene.writer.progress(on: after.leader)
            try await scene.end(after, "a primary killed in pause")
        }

        /// Longer without ZooKeeper than any session lasts: the primary serves all the while and keeps its role.
        @Test func aPrimaryOutlivesZooKeeper() async throws {
            let scene = try await Scenario.begin()
            let server = try #require(try await SharedCluster.zooKeeper().servers.first)
            try await paused(scene.cluster) {
                server.freeze()
                try await Task.sleep(for: .seconds(10))
                try await scene.writer.progress()
                #expect(await scene.leader.rest("/health") == 200)
                server.thaw()
                try await eventually("the primary has its lock again", within: AgentCommand.deadline()) {
                    try await ClusterTree.with(scene.cluster) { try await $0.text("leader") } == scene.leader.name
                }
                try await scene.cluster.seen("ZooKeeper again")
            }
            let after = try await scene.cluster.whole()
            try await scene.endUnchanged(after, "ZooKeeper away in pause")
        }

        /// Stop the agents, do something, start them again: PostgreSQL does not notice.
        @Test func agentsComeAndGo() async throws {
            let scene = try await Scenario.begin()
            try await paused(scene.cluster) {
                for node in scene.cluster.nodes {
                    let supervisor = try #require(node.supervisor)
                    ProcessTable.signal(SIGTERM, supervisor)
                    try await eventually("\(node.name) has ended", within: AgentCommand.deadline()) { !node.isRunning }
                    #expect(node.exitStatus == .exited(0))
                    #expect(node.postmaster != nil)
                    #expect(node.logText.contains("Leader key is not deleted") || node !== scene.leader)
                }
                // Longer than the session lasts.
                try await Task.sleep(for: .seconds(8))
                for node in scene.cluster.nodes { try node.start() }
                try await eventually("the primary has its lock", within: AgentCommand.deadline()) {
                    let holder = try await ClusterTree.with(scene.cluster) { try await $0.text("leader") }
                    return holder == scene.leader.name
                }
                try await scene.cluster.seen("all members")
            }
            let after = try await scene.cluster.whole()
            try await scene.endUnchanged(after, "agents restarted in pause")
        }

        @Test func anOperatorStillSwitchesOverAndRestarts() async throws {
            let scene = try await Scenario.begin()
            let (cluster, candidate) = (scene.cluster, scene.before.replicas[0])
            try await paused(cluster) {
                let unnamed = try await Rest.ask(
                    scene.leader, "switchover", ["leader": .string(scene.leader.name)])
                #expect(unnamed.status == 400)
                #expect(unnamed.body == "Switchover is possible only to a specific candidate in a paused state")
                let said = try await patronictl(
                    cluster, "switchover", "--force", "--leader", scene.leader.name, "--candidate", candidate.name)
                #expect(said.contains("Successfully switched over to \"\(candidate.name)\""), "\(said)")
                try await cluster.whole("led by \(candidate.name)") { $0.leader === candidate }
                for node in [candidate, scene.leader] {
                    let before = node.postmaster
                    let restarted = try await patronictl(
                        cluster, "restart", "--force", cluster.scope, node.name)
                    #expect(restarted.contains("Success: restart on member \(node.name)"), "\(restarted)")
                    #expect(node.postmaster != nil && node.postmaster != before)
                }
                try await cluster.whole("led by \(candidate.name)") { $0.leader === candidate }
                let planned = try await Rest.ask(
                    candidate, "restart", ["schedule": "2126-01-01T00:00:00+00:00"])
                #expect(planned.status == 500)
                #expect(planned.body == "Can't schedule restart in the paused state")
            }
            let after = try await cluster.whole()
            #expect(after.leader === candidate)
            try await scene.writer.progress(on: candidate)
            try await scene.end(after, "switchover in pause")
        }

        @Test func aPrimaryTakesItsDeletedLockBack() async throws {
            let scene = try await Scenario.begin()
            try await paused(scene.cluster) {
                try await ClusterTree.with(scene.cluster) { try await $0.delete("leader") }
                try await eventually("the primary takes its lock back", within: AgentCommand.deadline()) {
                    let holder = try await ClusterTree.with(scene.cluster) { try await $0.text("leader") }
                    return holder == scene.leader.name
                }
                try await scene.writer.progress()
            }
            try await scene.endUnchanged(try await scene.cluster.whole(), "the lock deleted in pause")
        }
    }
}
