import Foundation
import LibPQ
import Support

/// One fault with three members, and what PostgreSQL alone needs for the same.
struct FaultScenario: Sendable {
    /// As `ONLY` names it.
    let name: String
    /// Nil where PostgreSQL alone has nothing to compare with.
    let floor: (@Sendable () async throws -> Outcome)?
    /// A key of the shared configuration that holds during the scenario.
    var setting: (key: String, value: String)?
    let round: @Sendable (BenchCluster) async throws -> Outcome

    static let all = [
        FaultScenario(
            name: "crash-failover", floor: Floor.promotion, setting: ("primary_start_timeout", "0"),
            round: { try await $0.crash(thenLeads: .another) }),
        FaultScenario(
            name: "crash-restart", floor: Floor.restart, round: { try await $0.crash(thenLeads: .theSame) }),
        FaultScenario(name: "node", floor: nil, round: { try await $0.loseNode(withZooKeeperLeader: false) }),
        FaultScenario(name: "node-zookeeper", floor: nil, round: { try await $0.loseNode(withZooKeeperLeader: true) }),
        FaultScenario(name: "switchover", floor: Floor.handOver, round: { try await $0.switchover() }),
        FaultScenario(name: "sigterm", floor: Floor.handOver, round: { try await $0.terminate() }),
        FaultScenario(name: "agent", floor: nil, round: { try await $0.killAgent() }),
        FaultScenario(name: "replica", floor: Floor.replica, round: { try await $0.killReplica() }),
        FaultScenario(name: "cold-start", floor: Floor.fromNothing, round: { try await $0.coldStart() }),
    ]
}

/// Who leads after a fault: a round with another end was about something else.
private enum Heir { case theSame, another }

extension BenchCluster {
    /// kill -9 of the primary's postmaster.
    fileprivate func crash(thenLeads heir: Heir) async throws -> Outcome {
        let steps = AgentSteps(cluster.nodes)
        var outcome = try await paused(thenLeads: heir) { try $0.leader.kill(\.postmaster, "postmaster") }
        // Patroni's log has other words.
        if heir == .another, !isForeign { outcome.times += try steps.times() }
        // The fourth crash within a minute fails over, by rule.
        if heir == .theSame, !isForeign { try await Task.sleep(for: .seconds(20)) }
        return outcome
    }

    /// SIGKILL of all processes of the leader's node, and of a ZooKeeper server that stands for its own.
    fileprivate func loseNode(withZooKeeperLeader: Bool) async throws -> Outcome {
        let leader = try await ensemble.leader()
        guard let server = withZooKeeperLeader ? leader : try await ensemble.followers().first else {
            throw SupportError("the ensemble has no follower")
        }
        return try await paused { roles in
            async let stopped: Void = server.stop()
            try await roles.leader.kill()
            try await stopped
        }
    }

    fileprivate func switchover() async throws -> Outcome {
        try await paused { roles in
            try await ask(roles.leader, "POST", "/switchover", "{\"leader\":\"\(roles.leader.name)\"}")
        }
    }

    fileprivate func terminate() async throws -> Outcome {
        try await paused { try await $0.leader.stop(within: deadline) }
    }

    private func paused(
        thenLeads heir: Heir = .another, _ fault: (TestCluster.Roles) async throws -> Void
    ) async throws -> Outcome {
        try await round { roles, writer in
            let start = ContinuousClock.now
            try await fault(roles)
            let pause = try await writer.pause(since: start, within: deadline)
            guard (pause.node == roles.leader.name) == (heir == .theSame) else {
                throw SupportError("\(roles.leader.name) led before, \(pause.node) after \(pause.time)")
            }
            return Outcome(times: [(Measure.pause, pause.time)])
        }
    }

    /// kill -9 of the leader's agent. Patroni's is not started again until the session has ended, since nothing of
    /// its own does that.
    fileprivate func killAgent() async throws -> Outcome {
        try await round { roles, writer in
            let (start, postmaster) = (ContinuousClock.now, roles.leader.postmaster)
            try roles.leader.kill(\.agent, "agent")
            try await Task.sleep(for: Self.sessionTimeout + .seconds(3))
            let record = writer.soFar
            let longest = writer.longestGap(since: start)
            let after = try await whole()
            let changed = after.leader !== roles.leader || after.timeline != roles.timeline
            let counts = [
                "refused writes": record.refused, "writes without an answer": record.unanswered,
                "role changes": changed ? 1 : 0, "restarts": roles.leader.postmaster == postmaster ? 0 : 1,
            ]
            if !isForeign, counts.values.contains(where: { $0 > 0 }) {
                throw SupportError("the death of the agent was felt: \(counts.sorted { $0.key < $1.key })")
            }
            return Outcome(times: [(Measure.longestGap, longest)], counts: counts)
        }
    }

    /// kill -9 of a replica's postmaster.
    fileprivate func killReplica() async throws -> Outcome {
        try await round { roles, _ in
            guard let replica = roles.replicas.first else { throw SupportError("no replica") }
            let watch = try await StreamWatch(roles.leader.conninfo)
            let old = try await watch.senders()[replica.name]
            let start = ContinuousClock.now
            try replica.kill(\.postmaster, "postmaster")
            let again = try await watch.streamsAgain(replica.name, unlike: old, within: deadline)
            await watch.close()
            return Outcome(times: [(Measure.streams, start.duration(to: again))])
        }
    }

    /// Three empty folders, in a cluster of its own.
    fileprivate func coldStart() async throws -> Outcome {
        let other = try await BenchCluster(isForeign ? .patroni : .matriarch, ensemble)
        let result = await Result { try await other.firstWriteAndAll() }
        await other.cluster.discard()
        return try result.get()
    }

    private func firstWriteAndAll() async throws -> Outcome {
        let start = ContinuousClock.now
        for node in cluster.nodes { try self.start(node) }
        let (leader, written) = try await eventually("the first write", within: deadline) {
            () async -> (ClusterNode, ContinuousClock.Instant)? in
            for node in cluster.nodes where (try? await node.query(RowWriter.createTable)) != nil {
                return (node, .now)
            }
            return nil
        }
        let watch = try await StreamWatch(leader.conninfo)
        try await eventually("all stream", within: deadline) {
            let names = Set(try await watch.senders().keys)
            return cluster.nodes.allSatisfy { $0 === leader || names.contains($0.name) }
        }
        let all = start.duration(to: .now)
        await watch.close()
        return Outcome(times: [(Measure.firstWrite, start.duration(to: written)), (Measure.allStream, all)])
    }
}
