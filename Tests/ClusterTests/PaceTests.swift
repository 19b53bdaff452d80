import AdminModel
import Support
import Testing

extension ClusterTests {
    /// At the default `loop_wait` of 10 s nothing that an event tells of waits for the next loop.
    @Suite(
        .serialized, .cluster { ($0.ttl, $0.loopWait, $0.retryTimeout) = (30, 10, 10) },
        .disabled(if: AgentCommand.isForeign, "another program's members may follow at their next loop"))
    struct Pace {
        /// Dashboards ask all the time: what they read must hide nothing from the members.
        @Test func everybodyFollowsANewLeaderWhileTheTreeIsRead() async throws {
            let (cluster, _) = try await SharedCluster.whole()
            try await withThrowingTaskGroup { readers in
                for node in cluster.nodes {
                    readers.addTask {
                        while !Task.isCancelled { _ = await HTTPProbe.status("GET", "/cluster", port: node.restPort) }
                    }
                }
                for _ in 0..<15 {
                    let roles = try await cluster.whole()
                    let candidate = try #require(roles.replicas.randomElement())
                    let answer = try await Rest.ask(
                        roles.leader, "switchover",
                        ["leader": .string(roles.leader.name), "candidate": .string(candidate.name)])
                    #expect(answer.status == 200, "\(answer.body)")
                    try await cluster.whole("led by \(candidate.name)", within: .seconds(7)) { $0.leader === candidate }
                }
                readers.cancelAll()
            }
            try await expectCleared(cluster, within: .seconds(7))
        }
    }
}
