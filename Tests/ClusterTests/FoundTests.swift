import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// A PostgreSQL that runs when its agent starts, as a killed Patroni leaves it (lock.md 4.A0).
    @Suite(.serialized, .cluster(), .disabled(if: AgentCommand.isForeign, "a foreign program has no keeper"))
    struct Found {
        /// Kills the whole node and runs its PostgreSQL again with the very same arguments, without an agent.
        private func runAlone(_ node: ClusterNode) async throws -> UnprivilegedProcess {
            try await node.kill()
            let server = try node.runAlone()
            try await eventually("\(node.name) accepts connections", within: .seconds(20)) {
                (try? await node.query("SELECT 1", deadline: .seconds(1))) != nil
            }
            return server
        }

        private func takenOver(_ node: ClusterNode) async throws -> Bool {
            let answer = try await HTTPProbe.send("GET", "/patroni", port: node.restPort)
            return try JSONParser.parse(answer.body)["matriarch"]?["postgresql_taken_over"] == true
        }

        @Test func aRunningPrimaryLeadsOnAsItIs() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            for node in before.replicas { try await node.kill() }
            let server = try await runAlone(before.leader)
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            try cluster.start()
            let after = try await cluster.whole(
                "with the primary that was found running", within: AgentCommand.deadline(20))
            #expect(after.leader === before.leader && after.timeline == before.timeline)
            #expect(after.leader.postmaster?.pid == server.pid)
            #expect(try await takenOver(after.leader))

            // Not the keeper's child: it outlives the keeper, and the next one takes it over again.
            try await writer.progress()
            let keeper = try #require(after.leader.keeper)
            try after.leader.kill(\.keeper, "keeper")
            try await eventually("a new keeper", within: AgentCommand.deadline()) {
                after.leader.keeper.map { $0.pid != keeper.pid } ?? false
            }
            try await cluster.whole("with a new keeper")
            try await writer.progress()
            #expect(after.leader.postmaster?.pid == server.pid)

            // Its keeper's deadline ends it like any other when its agent is gone.
            try await writer.progress()
            let agent = try #require(after.leader.agent)
            ProcessTable.signal(SIGSTOP, agent)
            defer { ProcessTable.signal(SIGCONT, agent) }
            let between = try await cluster.whole("without the frozen agent", members: before.replicas)
            try await writer.progress(on: between.leader)
            #expect(before.leader.postmaster == nil)
            ProcessTable.signal(SIGCONT, agent)
            let last = try await cluster.whole("with the thawed agent")
            #expect(!(try await takenOver(before.leader)))
            let history = await writer.stop()
            expectOnePrimary(history, "primary found running, keeper killed, agent frozen")
            let present = try await writer.present(on: last.leader)
            #expect(history.invented(present: present).isEmpty)
            #expect(!history.lost(present: present).contains { $0.timeline == last.timeline })
        }

        @Test func aPrimaryBesideAnotherLeaderIsStopped() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            try await before.leader.kill()
            let between = try await cluster.whole("without the leader", members: before.replicas)
            _ = try await runAlone(before.leader)
            let log = before.leader.logText
            try before.leader.start()
            try await eventually("it says why", within: AgentCommand.deadline()) {
                before.leader.logText(since: log).contains("rule=fence.other-leader")
            }
            let after = try await cluster.whole("with the former leader as a standby")
            #expect(after.leader === between.leader && after.timeline == between.timeline)
            #expect(!(try await takenOver(before.leader)))
        }

        @Test func aRunningStandbyGoesOnAsItIs() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let standby = try #require(before.replicas.first)
            let server = try await runAlone(standby)
            try standby.start()
            try await eventually("it is taken over", within: AgentCommand.deadline()) {
                (try? await takenOver(standby)) == true
            }
            let after = try await cluster.whole("with the standby that was found running")
            #expect(after.leader === before.leader && after.timeline == before.timeline)
            #expect(standby.postmaster?.pid == server.pid)
        }
    }
}
