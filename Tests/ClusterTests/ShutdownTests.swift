import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests.Planned {
    /// SIGTERM of the leader hands over: nobody waits for a session's end, no row is lost.
    @Test func theEndOfTheLeadersAgentHandsOver() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        #expect(try await before.leader.stop() == .exited(0))
        let between = try await cluster.whole("without \(before.leader.name)", members: before.replicas)
        try await writer.progress(on: between.leader)
        try before.leader.start()
        let after = try await cluster.whole()
        let history = await writer.stop()
        expectOnePrimary(history, "SIGTERM of the leader")
        #expect(after.leader === between.leader)
        let present = try await writer.present(on: after.leader)
        #expect(history.lost(present: present).isEmpty)
        #expect(before.leader.logText.contains("has the shutdown checkpoint"))
    }

    @Test func theEndOfAReplicasAgentTouchesNobody() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let replica = before.replicas[0]
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        #expect(try await replica.stop() == .exited(0))
        try await writer.progress()
        try replica.start()
        let after = try await cluster.whole()
        let history = await writer.stop()
        #expect(history.unknown.isEmpty)
        #expect(after.leader === before.leader)
        #expect(after.timeline == before.timeline)
    }

    /// An archiver that hangs outlives its server: the hand-over does not wait for it, and the member comes back.
    @Test func aHangingArchiverDelaysNobody() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        for (name, value) in [("archive_mode", "on"), ("archive_command", "sleep 1000")] {
            try await before.leader.query("ALTER SYSTEM SET \(name) = '\(value)'", deadline: .seconds(5))
        }
        // archive_mode needs a restart; the crash brings the same primary back with it.
        try before.leader.kill(\.postmaster, "postmaster")
        _ = try await cluster.whole("restarted")
        try await before.leader.query("SELECT pg_switch_wal()", deadline: .seconds(5))
        try await eventually("the archiver hangs", within: AgentCommand.deadline()) {
            before.leader.backend("archiver archiving") != nil
        }
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        let log = before.leader.logText
        #expect(try await before.leader.stop() == .exited(0))
        let between = try await cluster.whole("without \(before.leader.name)", members: before.replicas)
        try await writer.progress(on: between.leader)
        let history = await writer.stop()
        let present = try await writer.present(on: between.leader)
        #expect(history.lost(present: present).isEmpty)
        expectOnePrimary(history, "SIGTERM of the leader whose archiver hangs")
        #expect(before.leader.logText(since: log).contains("stopping what is left of the stopped PostgreSQL"))
        try before.leader.start()
        try await cluster.whole()
        try await before.leader.query("ALTER SYSTEM RESET ALL", deadline: .seconds(5))
    }

    /// Without ZooKeeper nothing can be released: PostgreSQL stops all the same, and the process ends.
    @Test func theEndWithoutZooKeeper() async throws {
        let server = try await ZooKeeperServer.standalone(tick: .milliseconds(500))
        let cluster = try TestCluster(ClusterSettings(), zooKeeper: server.host)
        do {
            try cluster.start()
            let roles = try await cluster.whole("from empty folders", within: AgentCommand.deadline(40))
            try await server.stop()
            for node in [roles.leader, roles.replicas[0]] {
                let status = try await node.stop(within: AgentCommand.deadline(30))
                #expect(status == .exited(0), "\(node.name)")
            }
        } catch {
            await cluster.discard()
            throw error
        }
        await cluster.discard()
    }

    /// A process that is asked to end while it makes its first copy ends at once, and takes it up again later.
    @Test func theEndWhileCloning() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let replica = before.replicas[0]
        try await before.leader.query(
            "CREATE TABLE public.bulk AS SELECT repeat(md5(i::text), 30) AS t FROM generate_series(1, 200000) i",
            deadline: .seconds(60))
        #expect(try await replica.stop() == .exited(0))
        try FileManager.default.removeItem(atPath: replica.dataDirectory)
        let log = replica.logText
        try replica.start()
        try await eventually("\(replica.name) clones", within: AgentCommand.deadline(), pace: .milliseconds(5)) {
            replica.logText(since: log).contains("trying to bootstrap from")
        }
        #expect(try await replica.stop() == .exited(0))
        try replica.start()
        try await cluster.whole()
        try await before.leader.query("DROP TABLE public.bulk", deadline: .seconds(5))
    }
}
