import AdminModel
import Support
import Testing

extension ClusterTests {
    /// Strict synchronous replication: what was acknowledged survives the loss of any one node.
    @Suite(.serialized, .cluster { $0.dynamic = ["synchronous_mode: true", "synchronous_mode_strict: true"] })
    struct Synchronous {
        @Test(arguments: 1...2)
        func nothingAcknowledgedIsLostWithTheLeadersNode(round: Int) async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let standby = try await confirmed(cluster, leader: before.leader)
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress(200)
            try await before.leader.kill()
            let between = try await cluster.whole("without \(before.leader.name)", members: before.replicas)
            #expect(between.leader.name == standby, "only the synchronous standby may lead")
            try await writer.progress(on: between.leader)
            try before.leader.start()
            let after = try await cluster.whole()
            let history = await writer.stop()
            expectOnePrimary(history, "strict synchronous, node of the leader killed, round \(round)")
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
            #expect(history.invented(present: present).isEmpty)
        }

        @Test func killOfThePrimaryLosesNothing() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            _ = try await confirmed(cluster, leader: before.leader)
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress(200)
            try before.leader.kill(\.postmaster, "postmaster")
            try await writer.progress(within: AgentCommand.deadline(), "after the kill")
            let after = try await cluster.whole()
            let history = await writer.stop()
            expectOnePrimary(history, "strict synchronous, postmaster killed")
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
        }

        /// The standby that `sync` names once it names one; the znode has the keys that others read, in their order.
        private func confirmed(_ cluster: TestCluster, leader: ClusterNode) async throws -> String {
            try await ClusterTree.with(cluster) { tree in
                try await eventually("sync names a standby of \(leader.name)", within: AgentCommand.deadline()) {
                    let sync = try await tree.object("sync")
                    guard sync["leader"]?.asString == leader.name, let standby = sync["sync_standby"]?.asString else {
                        return nil
                    }
                    #expect(sync.keys == ["leader", "quorum", "sync_standby"])
                    #expect(sync["quorum"]?.asInt == 0)
                    return standby
                }
            }
        }
    }
}
