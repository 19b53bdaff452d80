import Support

/// Who leads after a fault: a round with another end was about something else.
enum Heir { case theSame, another }

/// Faults that end a leader's writing, and how long that is felt.
extension BenchCluster {
    private struct Felt {
        let fault: Moment
        let pause: RowWriter.Pause
    }

    /// kill -9 of the primary's postmaster.
    func crash(_ mode: BenchMode, thenLeads heir: Heir) async throws -> Outcome {
        if heir == .theSame, !isForeign { try await rested(try await whole().leader) }
        return try await round(mode) { round in
            let phases = AgentPhases(cluster.nodes)
            let felt = try await feel(round, thenLeads: heir) {
                try round.roles.leader.kill(\.postmaster, "postmaster")
            }
            noteCrash(of: round.roles.leader)
            return Outcome(
                times: [(Measure.pause, felt.pause.time)],
                phases: heir == .theSame ? [] : try await divided(phases, .crash, since: felt.fault, felt.pause))
        }
    }

    /// The fourth crash of a member within a minute, or within `primary_start_timeout`, fails over by rule.
    private func rested(_ leader: ClusterNode) async throws {
        try await eventually("\(leader.name) may crash again", within: .seconds(70), pace: .milliseconds(100)) {
            crashes(of: leader, since: .now - .seconds(61)) < 3
        }
    }

    /// SIGKILL of all processes of the leader's node, and of a ZooKeeper server that stands for its own.
    func loseNode(_ mode: BenchMode, withZooKeeperLeader: Bool) async throws -> Outcome {
        try await round(mode) { round in
            let leader = try await ensemble.leader()
            guard let server = withZooKeeperLeader ? leader : try await ensemble.followers().first else {
                throw SupportError("the ensemble has no follower")
            }
            let alive = ensemble.servers.filter { $0 !== server }.map(\.host)
            let watch = try await LockWatch(alive, scope: cluster.scope)
            let outcome = await Result { try await lost(round, server, watch) }
            await watch.close()
            return try outcome.get()
        }
    }

    private func lost(_ round: BenchRound, _ server: ZooKeeperServer, _ watch: LockWatch) async throws -> Outcome {
        let phases = AgentPhases(cluster.nodes)
        let felt = try await feel(round) {
            async let stopped: Void = server.stop()
            try await round.roles.leader.kill()
            try await stopped
        }
        let vanished = try watch.time()
        return Outcome(
            times: [
                (Measure.pause, felt.pause.time), (Measure.afterLock, vanished.instant.duration(to: felt.pause.first)),
            ], phases: try await divided(phases, .lostNode, since: vanished, felt.pause))
    }

    func switchover(_ mode: BenchMode) async throws -> Outcome {
        try await handOver(mode) { leader in
            try await ask(leader, "POST", "/switchover", "{\"leader\":\"\(leader.name)\"}")
        }
    }

    func terminate(_ mode: BenchMode) async throws -> Outcome {
        try await handOver(mode) { try await $0.stop(within: deadline) }
    }

    private func handOver(_ mode: BenchMode, _ fault: (ClusterNode) async throws -> Void) async throws -> Outcome {
        try await round(mode) { round in
            let probe = try await PrimaryProbe(cluster.nodes, leader: round.roles.leader)
            let phases = AgentPhases(cluster.nodes)
            let result = await Result {
                let felt = try await feel(round) { try await fault(round.roles.leader) }
                // An old primary that says 200 again, or still, would do it now.
                try await Task.sleep(for: .seconds(1))
                return felt
            }
            await probe.stop()
            let felt = try result.get()
            let idle = try probe.withoutWrites(old: round.roles.leader.name, felt.pause)
            return Outcome(
                times: [
                    (Measure.pause, felt.pause.time), (Measure.lateProbe, idle.old), (Measure.earlyProbe, idle.new),
                ], phases: try await divided(phases, .planned, since: felt.fault, felt.pause))
        }
    }

    private func feel(
        _ round: BenchRound, thenLeads heir: Heir = .another, _ fault: () async throws -> Void
    ) async throws -> Felt {
        try round.load?.check()
        let start = Moment.now
        try await fault()
        let pause = try await round.writer.pause(since: start.instant, within: deadline)
        let leader = round.roles.leader.name
        guard (pause.node == leader) == (heir == .theSame) else {
            throw SupportError("\(leader) led before, \(pause.node) after \(pause.time)")
        }
        return Felt(fault: start, pause: pause)
    }

    /// Nothing for Patroni, whose log has other words.
    private func divided(
        _ phases: AgentPhases, _ fault: AgentPhases.Fault, since start: Moment, _ pause: RowWriter.Pause
    ) async throws -> [(phase: Phase, time: Duration)] {
        if isForeign { return [] }
        // A client may write before the agent says that it can.
        _ = try await whole()
        return try phases.times(of: fault, since: start, written: pause.first)
    }
}
