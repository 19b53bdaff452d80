import Foundation
import LibPQ
import Support
import Testing
import ZooKeeper

/// What a foreign program does not promise: fencing and continuity by the keeper and the supervisor.
private let ownProcesses = !AgentCommand.isForeign

extension ClusterTests.Failures {
    /// The next agent takes up session and keeper: nobody can tell from outside that there was another one.
    @Test(.enabled(if: ownProcesses), arguments: [true, false])
    func killOfTheAgentAloneIsNoEvent(onLeader: Bool) async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let node = onLeader ? before.leader : try #require(before.replicas.first)
        let lock = try await ClusterTree.with(cluster) { try await Continuity($0, node) }
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        let (keeper, postmaster) = (node.keeper, node.postmaster)
        for _ in 0..<5 {
            let agent = node.agent
            try node.kill(\.agent, "agent")
            try await eventually("\(node.name) has a new agent", within: AgentCommand.deadline()) {
                node.agent.map { $0 != agent } ?? false
            }
            try await cluster.whole("with a new agent")
            try await writer.progress(100)
        }
        let after = try await cluster.whole("with the last agent")
        let history = await writer.stop()
        expectOnePrimary(history, "agent of \(onLeader ? "the leader" : "a replica") killed five times")
        #expect(after.leader === before.leader)
        #expect(after.timeline == before.timeline)
        #expect(node.keeper == keeper)
        #expect(node.postmaster == postmaster)
        #expect(history.unknown.isEmpty)
        #expect(history.refused.isEmpty)
        let present = try await writer.present(on: after.leader)
        #expect(history.lost(present: present).isEmpty)
        #expect(try await ClusterTree.with(cluster) { try await Continuity($0, node) } == lock)
    }

    @Test(.enabled(if: ownProcesses))
    func killOfAllThatIsOursLeavesNoOrphan() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let node = before.leader
        let writer = try await AcknowledgedWriter(cluster, leader: node)
        writer.start()
        try await writer.progress()
        let ours = [try #require(node.supervisor), try #require(node.agent), try #require(node.keeper)]
        for process in ours { ProcessTable.signal(SIGKILL, process) }
        try await eventually("no process of \(node.name) is left", within: AgentCommand.deadline()) {
            node.everything().isEmpty
        }
        let between = try await cluster.whole("without \(node.name)", members: before.replicas)
        try await writer.progress(on: between.leader)
        try node.start()
        try await cluster.whole()
        expectOnePrimary(await writer.stop(), "supervisor, agent and keeper killed")
    }

    @Test(.enabled(if: ownProcesses))
    func killOfTheKeeperStopsPostgreSQL() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        let postmaster = try #require(before.leader.postmaster)
        try before.leader.kill(\.keeper, "keeper")
        try await eventually("the postmaster follows its keeper", within: AgentCommand.deadline()) {
            ProcessTable.entry(postmaster.pid)?.started != postmaster.started
        }
        try await cluster.whole("after the keeper's death")
        try await writer.progress()
        expectOnePrimary(await writer.stop(), "keeper killed")
    }

    @Test(.enabled(if: ownProcesses))
    func aFrozenAgentLosesThePrimary() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        let agent = try #require(before.leader.agent)
        ProcessTable.signal(SIGSTOP, agent)
        defer { ProcessTable.signal(SIGCONT, agent) }
        let between = try await cluster.whole("without the frozen agent", members: before.replicas)
        try await writer.progress(on: between.leader)
        #expect(before.leader.postmaster == nil, "the keeper fences at the lease's end")
        ProcessTable.signal(SIGCONT, agent)
        let after = try await cluster.whole("with the thawed agent")
        #expect(after.leader === between.leader)
        expectOnePrimary(await writer.stop(), "agent frozen")
    }

    @Test func aFrozenZooKeeperEndsWritesAndGivesThemBack() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let server = try await SharedZooKeeper.shared.server()
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        server.freeze()
        defer { server.thaw() }
        try await eventually("nobody is writable", within: AgentCommand.deadline(), pace: .milliseconds(100)) {
            let row = try? await before.leader.query("SELECT pg_is_in_recovery() AS standby").first()
            return try row?.bool("standby") != false
        }
        server.thaw()
        try await cluster.whole("with ZooKeeper back")
        try await writer.progress()
        expectOnePrimary(await writer.stop(), "ZooKeeper frozen")
    }
}

/// What stays the same while one session of a member holds on.
private struct Continuity: Equatable {
    let term: Int64
    let holder: SessionID?
    let member: Int64
    let memberOwner: SessionID?

    init(_ tree: ClusterTree, _ node: ClusterNode) async throws {
        let lock = try #require(try await tree.get("leader")).stat
        let own = try #require(try await tree.get("members/\(node.name)")).stat
        (term, holder) = (lock.czxid, lock.ephemeralOwner)
        (member, memberOwner) = (own.czxid, own.ephemeralOwner)
    }
}
