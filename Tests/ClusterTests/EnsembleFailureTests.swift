import Support
import Testing

extension ClusterTests {
    /// Servers of an ensemble of three die, each member knowing all of them.
    @Suite(
        .serialized, .cluster(.ensemble), .disabled(if: AgentCommand.isForeign, "a foreign program has other timers"))
    struct EnsembleFailures {
        @Test func theDeathOfZooKeepersLeaderIsNoEvent() async throws {
            try await Scenario.untilFast { scene in
                let ensemble = try #require(try await SharedCluster.zooKeeper().ensemble)
                let killed = try await ensemble.leader()
                let start = ContinuousClock.now
                try await killed.stop()
                _ = try await ensemble.leader()
                let elected = ContinuousClock.now - start
                report("ZooKeeper's leader killed, the next one serves after \(elected)")
                try await scene.cluster.seen("the next ZooKeeper leader")
                try await killed.start()
                guard elected < Scenario.fast else { return false }
                let after = try await scene.cluster.whole("with another ZooKeeper leader")
                try await scene.endUnchanged(after, "ZooKeeper's leader killed")
                return true
            }
        }

        @Test func eachServerKilledAndStartedInTurnIsNoEvent() async throws {
            try await Scenario.untilFast { scene in
                let ensemble = try #require(try await SharedCluster.zooKeeper().ensemble)
                var slowest = Duration.zero
                for server in ensemble.servers {
                    let start = ContinuousClock.now
                    try await server.stop()
                    _ = try await ensemble.leader()
                    slowest = max(slowest, ContinuousClock.now - start)
                    try await scene.cluster.seen("two servers")
                    try await server.start()
                    try await scene.writer.progress(100)
                }
                report("three servers killed in turn, a leader served after \(slowest) at most")
                guard slowest < Scenario.fast else { return false }
                let after = try await scene.cluster.whole("with all servers started again")
                try await scene.endUnchanged(after, "each ZooKeeper server killed in turn")
                return true
            }
        }

        @Test func aLostQuorumStopsThePrimaryUntilItReturns() async throws {
            let scene = try await Scenario.begin()
            let ensemble = try #require(try await SharedCluster.zooKeeper().ensemble)
            let killed = [try await ensemble.leader(), try await ensemble.followers()[0]]
            let start = ContinuousClock.now
            for server in killed { try await server.stop() }
            let last = try await scene.fenced(since: start)
            try await scene.nobodyLeads(for: .seconds(2))
            for server in killed { try server.launch() }
            _ = try await ensemble.leader()
            let back = ContinuousClock.now
            try await scene.writer.progress(1, "after the quorum's return")
            report("quorum lost: last row \(last) after it, the next \(ContinuousClock.now - back) after its return")
            for server in killed { try await server.ready() }
            let after = try await scene.cluster.whole("with the quorum back")
            let history = try await scene.end(after, "quorum lost for longer than the lease")
            // The primary was shut down in order, with everything sent.
            #expect(history.lost(present: try await scene.writer.present(on: after.leader)).isEmpty)
        }
    }
}
