import LibPQ
import Support
import Testing

extension ClusterTests.Views {
    /// With every other node dead, the member with `nofailover` waits rather than leads.
    @Test func nofailoverNeverLeads() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let node = try cluster["member-c"]
        try #require(before.leader !== node)
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        let others = cluster.nodes.filter { $0 !== node }
        for other in others { try await other.kill() }
        try await ClusterTree.with(cluster) { tree in
            try await eventually("the lock is free", within: AgentCommand.deadline()) {
                try await tree.text("leader") == nil
            }
            // A member that may lead takes a free lock within a cycle: for several of them nobody does.
            try await stays("nobody leads", for: .seconds(3)) {
                let holder = try await tree.text("leader")
                let status = await node.rest("/primary")
                return holder == nil && status == 503
            }
        }
        #expect(try await node.query("SELECT pg_is_in_recovery() AS standby").first().bool("standby") == true)
        for other in others { try other.start() }
        let after = try await cluster.whole("with all back")
        #expect(after.leader !== node)
        try await writer.progress()
        expectOnePrimary(await writer.stop(), "only a member with nofailover left")
    }
}
