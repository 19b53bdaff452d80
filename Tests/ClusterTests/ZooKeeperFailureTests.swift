import Support
import Testing

extension ClusterTests {
    /// The one ZooKeeper server dies or stands still, or a member is cut off from it without being told.
    @Suite(.serialized, .cluster(.wired), .disabled(if: AgentCommand.isForeign, "a foreign program has other timers"))
    struct ZooKeeperFailures {
        enum Outage: String, CaseIterable, CustomTestStringConvertible {
            case killed, frozen

            var testDescription: String { rawValue }

            func begin(_ server: ZooKeeperServer) async throws {
                switch self {
                case .killed: try await server.stop()
                case .frozen: server.freeze()
                }
            }

            func end(_ server: ZooKeeperServer) async throws {
                switch self {
                case .killed: try await server.start()
                case .frozen: server.thaw()
                }
            }
        }

        @Test(arguments: Outage.allCases)
        func anOutageWithinTheLeaseIsNoEvent(outage: Outage) async throws {
            try await Scenario.untilFast { scene in
                let server = try await SharedCluster.zooKeeper().servers[0]
                let start = ContinuousClock.now
                try await outage.begin(server)
                // Frozen for longer than the agent waits before it gives the connection up.
                try await scene.writer.progress(outage == .frozen ? 300 : 50)
                try await outage.end(server)
                let away = ContinuousClock.now - start
                report("ZooKeeper was away for \(away)")
                guard away < Scenario.fast else { return false }
                try await scene.cluster.seen("ZooKeeper again")
                try await scene.writer.progress(100)
                let after = try await scene.cluster.whole("with ZooKeeper back")
                try await scene.endUnchanged(after, "ZooKeeper \(outage) for less than the lease")
                return true
            }
        }

        /// A server that comes back gives every session its full time again: the lock may stand, PostgreSQL must not.
        @Test(arguments: Outage.allCases)
        func anOutageLongerThanTheLeaseStopsThePrimary(outage: Outage) async throws {
            let scene = try await Scenario.begin()
            let server = try await SharedCluster.zooKeeper().servers[0]
            let start = ContinuousClock.now
            try await outage.begin(server)
            let last = try await scene.fenced(since: start)
            try await scene.nobodyLeads(for: .seconds(2))
            try await outage.end(server)
            let back = ContinuousClock.now
            try await scene.writer.progress(1, "after ZooKeeper's return")
            let next = ContinuousClock.now - back
            report("last row \(last) after ZooKeeper was \(outage), the next \(next) after its return")
            let after = try await scene.cluster.whole("with ZooKeeper back")
            let history = try await scene.end(after, "ZooKeeper \(outage) for longer than the lease")
            // The primary was shut down in order, with everything sent.
            #expect(history.lost(present: try await scene.writer.present(on: after.leader)).isEmpty)
        }

        /// Silence, not a reset: the other members see the leader's session end, and it has to be stopped before that.
        @Test func aLeaderCutOffIsStoppedBeforeAnotherLeads() async throws {
            let scene = try await Scenario.begin()
            let wire = try await SharedCluster.zooKeeper().wire(of: scene.leader)
            let before = try await Metrics(scene.leader)
            let start = ContinuousClock.now
            wire.cut()
            defer { wire.mend() }
            let last = try await scene.fenced(since: start)
            // On a slow machine the agent can be late; then it was its keeper.
            let metrics = try await Metrics(scene.leader)
            #expect(
                ["matriarch_step_downs_total", "matriarch_fences_total"].contains { name in
                    metrics[name] == (before[name] ?? -1) + 1
                })
            let between = try await scene.cluster.whole("without \(scene.leader.name)", members: scene.before.replicas)
            let first = scene.writer.soFar.acknowledged.first { $0.timeline == between.timeline }
            let since = try #require(first).acknowledged - start
            report("cut off from ZooKeeper: last row \(last) after it, the next leader's first \(since)")
            wire.mend()
            let after = try await scene.cluster.whole("with \(scene.leader.name) again")
            #expect(after.leader === between.leader && after.timeline == between.timeline)
            try await scene.end(after, "leader cut off from ZooKeeper")
        }

        @Test func aReplicaCutOffIsNoEventForWrites() async throws {
            let scene = try await Scenario.begin()
            let replica = scene.before.replicas[0]
            let wire = try await SharedCluster.zooKeeper().wire(of: replica)
            wire.cut()
            defer { wire.mend() }
            try await ClusterTree.with(scene.cluster) { tree in
                try await eventually("its session ends", within: AgentCommand.deadline()) {
                    try await tree.get("members/\(replica.name)") == nil
                }
                try await scene.writer.progress(200)
                wire.mend()
                try await eventually("it is a member again", within: AgentCommand.deadline()) {
                    try await tree.get("members/\(replica.name)") != nil
                }
            }
            let after = try await scene.cluster.whole("with \(replica.name) again")
            try await scene.endUnchanged(after, "replica cut off from ZooKeeper")
        }
    }
}
