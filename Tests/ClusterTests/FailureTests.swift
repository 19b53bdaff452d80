import AdminModel
import Support
import Testing

extension ClusterTests {
    /// Faults of single processes and of whole nodes under a writer; each time the cluster is whole again by itself.
    @Suite(.serialized, .cluster())
    struct Failures {
        @Test func killOfThePrimaryRestartsItInPlace() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            let log = before.leader.logText
            try before.leader.kill(\.postmaster, "postmaster")
            try await writer.progress(within: AgentCommand.deadline(), "after the kill")
            let after = try await cluster.whole()
            try await writer.progress()
            let history = await writer.stop()
            expectOnePrimary(history, "postmaster killed")
            #expect(after.leader === before.leader)
            #expect(after.timeline == before.timeline)
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
            #expect(history.invented(present: present).isEmpty)
            #expect(before.leader.logText(since: log).contains("starting primary after failure"))
        }

        @Test func killOfThePrimaryFailsOverWithoutStartTime() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            try await cluster.configure("primary_start_timeout", 0)
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            let log = before.leader.logText
            try before.leader.kill(\.postmaster, "postmaster")
            let after = try await cluster.whole("led by another") { $0.leader !== before.leader }
            try await writer.progress(on: after.leader)
            let history = await writer.stop()
            expectOnePrimary(history, "postmaster killed, primary_start_timeout 0")
            #expect(after.timeline > before.timeline)
            let present = try await writer.present(on: after.leader)
            report("asynchronous: \(history.lost(present: present).count) acknowledged rows lost")
            #expect(history.invented(present: present).isEmpty)
            #expect(before.leader.logText(since: log).contains("stopped PostgreSQL to fail over after a crash"))
            try await cluster.configure("primary_start_timeout", nil)
            try await ClusterTree.with(cluster) { try await expectHistory($0, after) }
        }

        /// A leader may die before anybody streams its timeline: the number that it reserved is not given away again.
        @Test func aReservedTimelineIsNotUsedAgain() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let reserved = Int64(before.timeline) + 3
            try await cluster.configure("primary_start_timeout", 0)
            try await ClusterTree.with(cluster) { try await $0.set("timeline", String(reserved)) }
            try before.leader.kill(\.postmaster, "postmaster")
            let after = try await cluster.whole("led by another") { $0.leader !== before.leader }
            #expect(Int64(after.timeline) == reserved + 1)
            let kept = try await ClusterTree.with(cluster) { try await $0.text("timeline") }
            #expect(kept == String(reserved + 1))
            try await cluster.configure("primary_start_timeout", nil)
        }

        /// The last entry of `history` names the fork and the new leader, in the order that others read.
        private func expectHistory(_ tree: ClusterTree, _ roles: TestCluster.Roles) async throws {
            let entry = try await eventually(
                "the history of timeline \(roles.timeline)", within: AgentCommand.deadline()
            ) {
                try await tree.lines("history").last { $0.first?.asInt == Int64(roles.timeline) - 1 && $0.count == 5 }
            }
            #expect((entry[1].asInt ?? 0) > 0)
            #expect(entry[2].asString?.isEmpty == false)
            #expect(entry[3].asString?.contains("T") == true)
            #expect(entry[4].asString == roles.leader.name)
        }

        @Test func killOfAReplicaTouchesNobodyElse() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let replica = try #require(before.replicas.first)
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            let killed = try #require(replica.postmaster)
            try replica.kill(\.postmaster, "postmaster")
            try await eventually("\(replica.name) has a new postmaster", within: AgentCommand.deadline()) {
                replica.postmaster.map { $0 != killed } ?? false
            }
            let after = try await cluster.whole()
            let history = await writer.stop()
            expectOnePrimary(history, "postmaster of a replica killed")
            #expect(after.leader === before.leader)
            #expect(after.timeline == before.timeline)
            #expect(history.unknown.isEmpty)
            try await eventually("\(replica.name) has every row") {
                history.lost(present: try await writer.present(on: replica)).isEmpty
            }
        }

        @Test func killOfTheLeadersNodeFailsOver() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            try await before.leader.kill()
            let between = try await cluster.whole("without \(before.leader.name)", members: before.replicas)
            try await writer.progress(on: between.leader)
            try before.leader.start()
            let after = try await cluster.whole()
            let history = await writer.stop()
            expectOnePrimary(history, "node of the leader killed")
            #expect(after.leader === between.leader)
            #expect(after.timeline > before.timeline)
            let present = try await writer.present(on: after.leader)
            report("asynchronous: \(history.lost(present: present).count) acknowledged rows lost")
            #expect(history.invented(present: present).isEmpty)
            try await eventually("\(before.leader.name) has the rows of the new leader") {
                try await writer.present(on: before.leader) == present
            }
        }

        @Test func allStoppedAndStarted() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            let history = await writer.stop()
            // All have all: whoever leads then must not have lost a row.
            for replica in before.replicas {
                try await eventually("\(replica.name) has every row") {
                    history.lost(present: try await writer.present(on: replica)).isEmpty
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for node in cluster.nodes {
                    group.addTask {
                        let status = try await node.stop()
                        #expect(status == .exited(0), "\(node.name)")
                    }
                }
                try await group.waitForAll()
            }
            try cluster.start()
            let after = try await cluster.whole("after the stop of all")
            expectOnePrimary(history, "all stopped and started")
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
        }

        @Test func allKilledAndStarted() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            for node in cluster.nodes { try await node.kill() }
            try cluster.start()
            let after = try await cluster.whole("after the death of all")
            try await writer.progress()
            let history = await writer.stop()
            expectOnePrimary(history, "all killed and started")
            let present = try await writer.present(on: after.leader)
            report("asynchronous: \(history.lost(present: present).count) acknowledged rows lost")
            #expect(history.invented(present: present).isEmpty)
        }
    }
}
