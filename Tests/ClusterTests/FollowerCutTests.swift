import AdminModel
import Foundation
import Support
import Testing
import ZooKeeper

extension ClusterTests {
    /// The leader's only ZooKeeper server follows a leader that it is cut off from, and does not know it (reliability,
    /// D1): its limit for silence is longer than a session.
    @Suite(.serialized, .disabled(if: AgentCommand.isForeign, "a foreign program trusts its connection"))
    struct FollowerCuts {
        /// member-a leads, and knows only `follower`; the others and the test see `leader`.
        private struct Place {
            let ensemble: ZooKeeperEnsemble
            let leader: ZooKeeperServer
            let follower: ZooKeeperServer
            let cluster: TestCluster

            func cut() { ensemble.cut(follower, leader) }
            func mend() { ensemble.mend(follower, leader) }
        }

        private func withPlace(_ body: (Place) async throws -> Void) async throws {
            let ensemble = try await ZooKeeperEnsemble.start(tick: SuiteZooKeeper.tick, syncLimit: 40, wired: true)
            let (leader, follower) = (try await ensemble.leader(), try await ensemble.followers()[0])
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            try await TestCluster.with(settings, zooKeeper: leader.host, hosts: ["member-a": follower.host]) {
                cluster in
                try cluster["member-a"].start()
                try await eventually("member-a leads", within: AgentCommand.deadline()) {
                    try await cluster["member-a"].rest("/primary") == 200
                }
                try cluster["member-b"].start()
                try await body(
                    Place(ensemble: ensemble, leader: leader, follower: follower, cluster: cluster))
            }
            try await ensemble.stop()
        }

        @Test func aFollowerInTheDarkDoesNotKeepItsPrimary() async throws {
            try await withPlace { place in
                let scene = try await Scenario(place.cluster, try await place.cluster.whole())
                let start = ContinuousClock.now
                place.cut()
                let last = try await scene.fenced(since: start)
                let between = try await place.cluster.whole("without member-a", members: scene.before.replicas)
                try await scene.writer.progress(on: between.leader)
                let first = try #require(scene.writer.soFar.acknowledged.first { $0.timeline == between.timeline })
                report("follower cut off: last row \(last) after it, member-b's first \(first.acknowledged - start)")
                #expect(place.follower.mode == "follower", "it knew, and this shows nothing")
                place.mend()
                let after = try await place.cluster.whole("with member-a again", within: AgentCommand.deadline(40))
                #expect(after.leader === between.leader)
                try await scene.end(after, "follower of the primary cut off from ZooKeeper's leader")
            }
        }

        /// lock.md 2.1: a write is acknowledged after a freeze, and the cut comes before the follower could tell that its
        /// owner lives. A lease that counted from that write would outlast the session.
        @Test func aWriteAfterAFreezeAndBeforeACutProvesNothing() async throws {
            try await withPlace { place in
                for round in 1...5 {
                    let roles = try await place.cluster.whole("led by member-a") { $0.leader.name == "member-a" }
                    if try await survivesLess(try await Scenario(place.cluster, roles), place, "round \(round)") {
                        return
                    }
                    _ = try await Rest.ask(
                        roles.leader, "switchover", ["leader": "member-b", "candidate": "member-a"])
                }
                Issue.record("every cut came after the follower's answer to a ping")
            }
        }

        /// - Returns: whether the session ended earlier than its time after the acknowledged write.
        private func survivesLess(_ scene: Scenario, _ place: Place, _ words: String) async throws -> Bool {
            let agent = try #require(scene.leader.agent)
            return try await ClusterTree.with(place.cluster) { tree in
                let lock = try #require(try await tree.get("leader"))
                #expect(ProcessTable.signal(SIGSTOP, agent))
                defer { ProcessTable.signal(SIGCONT, agent) }
                try await scene.writer.progress(350)
                let status = try #require(try await tree.get("status")).stat.mzxid
                let thawed = ContinuousClock.now
                ProcessTable.signal(SIGCONT, agent)
                try await eventually("a renewal after the thaw", pace: .milliseconds(1)) {
                    try await tree.get("status")?.stat.mzxid != status
                }
                let written = ContinuousClock.now
                place.cut()
                try await eventually("the session ends", within: AgentCommand.deadline()) {
                    try await tree.get("leader")?.stat.ephemeralOwner != lock.stat.ephemeralOwner
                }
                let lived = ContinuousClock.now - written
                let last = try await scene.fenced(since: written)
                report(
                    "\(words): written \(written - thawed) after the thaw; from then last row \(last), session \(lived)"
                )
                // Others may wait for longer than they must: the lease itself is what is judged.
                #expect(last < lived, "rows were acknowledged after the session's end")
                try await place.cluster.whole("without member-a", members: scene.before.replicas)
                place.mend()
                let after = try await place.cluster.whole("with member-a again", within: AgentCommand.deadline(40))
                try await scene.end(after, "cut between a write and the next ping, \(words)")
                return lived < .seconds(5)
            }
        }
    }
}
