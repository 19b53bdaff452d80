import LibPQ
import Support

/// Faults after which nobody else has to lead.
extension BenchCluster {
    /// kill -9 of the leader's agent. Patroni's is not started again until the session has ended, since nothing of
    /// its own does that.
    func killAgent(_ mode: BenchMode) async throws -> Outcome {
        try await round(mode) { round in
            let (roles, writer) = (round.roles, round.writer)
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
    func killReplica(_ mode: BenchMode) async throws -> Outcome {
        try await round(mode) { round in
            let roles = round.roles
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
    func coldStart() async throws -> Outcome {
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
