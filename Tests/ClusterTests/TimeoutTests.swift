import AdminModel
import Support
import Testing
import ZooKeeper

extension ClusterTests {
    /// A changed `ttl` (lock.md 2.4): the lock moves to a session with the new timeout, and nobody notices.
    @Suite(.serialized, .cluster(), .disabled(if: AgentCommand.isForeign, "a foreign program closes its session"))
    struct Timeouts {
        /// The timeout that each member says its session has.
        private func granted(_ cluster: TestCluster) async throws -> [Int64] {
            var found: [Int64] = []
            for node in cluster.nodes {
                let answer = try await HTTPProbe.send("GET", "/patroni", port: node.restPort)
                found.append(try JSONParser.parse(answer.body)["matriarch"]?["session_timeout_ms"]?.asInt ?? 0)
            }
            return found
        }

        private func change(_ cluster: TestCluster, to ttl: Int64) async throws {
            try await cluster.configure("ttl", .int(ttl))
            try await eventually("every session has \(ttl) s", within: AgentCommand.deadline()) {
                try await granted(cluster).allSatisfy { $0 == ttl * 1000 }
            }
        }

        @Test func aChangedTimeoutIsNoEvent() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            let (keeper, postmaster) = (before.leader.keeper, before.leader.postmaster)
            try await ClusterTree.with(cluster) { tree in
                var owner = try #require(try await tree.get("leader")).stat.ephemeralOwner
                for ttl in [9, 4, 6] as [Int64] {
                    try await change(cluster, to: ttl)
                    try await eventually("each member has one session", within: AgentCommand.deadline()) {
                        try await tree.everything().count { $0.name.contains("/lease/") } == cluster.nodes.count
                    }
                    let lock = try #require(try await tree.get("leader"))
                    #expect(lock.text == before.leader.name)
                    #expect(lock.stat.ephemeralOwner != owner)
                    owner = lock.stat.ephemeralOwner
                    try await cluster.whole("with ttl \(ttl)")
                    try await writer.progress(100)
                }
            }
            // The file for the next agent names the session of the present timeout.
            let owner = try await ClusterTree.with(cluster) {
                try #require(try await $0.get("leader")).stat.ephemeralOwner
            }
            let agent = before.leader.agent
            try before.leader.kill(\.agent, "agent")
            try await eventually("a new agent", within: AgentCommand.deadline()) {
                before.leader.agent.map { $0 != agent } ?? false
            }
            let after = try await cluster.whole("with a new agent")
            try await writer.progress(100)
            #expect(
                try await ClusterTree.with(cluster) { try #require(try await $0.get("leader")).stat.ephemeralOwner }
                    == owner)
            let history = await writer.stop()
            expectOnePrimary(history, "ttl changed three times")
            #expect(after.leader === before.leader && after.timeline == before.timeline)
            #expect(before.leader.keeper == keeper && before.leader.postmaster == postmaster)
            #expect(history.unknown.isEmpty && history.refused.isEmpty)
            #expect(history.lost(present: try await writer.present(on: after.leader)).isEmpty)
        }

        @Test func aTimeoutThatNobodyCouldLeadWithIsNotFollowed() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let timeouts = try await granted(cluster)
            let logs = cluster.nodes.map(\.logText)
            try await cluster.configure("ttl", 2)
            for (node, log) in zip(cluster.nodes, logs) {
                try await eventually("\(node.name) says why", within: AgentCommand.deadline()) {
                    node.logText(since: log).contains("ttl is not followed")
                }
            }
            for node in cluster.nodes {
                try await eventually("\(node.name) shows why", within: AgentCommand.deadline()) {
                    try await rejected(node)?["ttl"]?.asString?.hasPrefix("2 is not followed: ") == true
                }
            }
            let after = try await cluster.whole("with the ttl refused")
            #expect(after.leader === before.leader && after.timeline == before.timeline)
            #expect(try await granted(cluster) == timeouts)
            try await cluster.configure("ttl", 6)
            for node in cluster.nodes {
                try await eventually("\(node.name) rejects nothing", within: AgentCommand.deadline()) {
                    try await rejected(node) == nil
                }
            }
        }

        private func rejected(_ node: ClusterNode) async throws -> JSONValue? {
            let answer = try await HTTPProbe.send("GET", "/patroni", port: node.restPort)
            return try JSONParser.parse(answer.body)["matriarch"]?["config_rejected"]
        }
    }
}
