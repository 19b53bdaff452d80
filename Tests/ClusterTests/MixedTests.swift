import AdminModel
import Foundation
import LibPQ
import Support
import Testing
import ZooKeeper

extension ClusterTests {
    /// A cluster of Patroni 4.1.5 is taken over member by member, and given back, under load: roles change only where the
    /// operator wants it or a primary is killed, and no acknowledged row is lost, whichever kind leads.
    @Suite(
        .serialized, .timeLimit(.minutes(15)),
        .disabled(if: AgentCommand.isForeign, "needs both kinds of members at once"))
    struct Mixed {
        /// Patroni's smallest `ttl`, and a tick with which ZooKeeper grants it.
        private static let tick = Duration.seconds(1)
        /// Long enough for a session to end.
        private static let patience = Duration.seconds(60)

        private struct Scene {
            let cluster: TestCluster
            let patroni: AgentCommand
            let writer: AcknowledgedWriter

            /// Stops a member with its PostgreSQL, and starts the other kind with the same file.
            func replace(_ node: ClusterNode, by command: AgentCommand?) async throws -> TestCluster.Roles {
                try await node.stop(within: Mixed.patience)
                try node.start(command)
                return try await whole("after \(node.name) was replaced")
            }

            func whole(
                _ words: String, where property: (TestCluster.Roles) -> Bool = { _ in true }
            ) async throws -> TestCluster.Roles {
                let roles = try await cluster.whole(words, within: Mixed.patience, where: property)
                // Before, a standby that was away is not one that may lead.
                try await eventually("both standbys are synchronous ones", within: Mixed.patience) {
                    let sync = try await ClusterTree.with(cluster) { try await $0.object("sync") }
                    let listed = sync["sync_standby"]?.asString?.split(separator: ",").count ?? 0
                    return sync["leader"]?.asString == roles.leader.name && listed == cluster.nodes.count - 1
                }
                return roles
            }

            func killPrimary(_ words: String) async throws {
                let before = try await whole(words)
                let killed = before.leader.postmaster
                try before.leader.kill(\.postmaster, "postmaster")
                // Elsewhere, or where it was when nobody else could be asked in time.
                let after = try await whole("after the kill, \(words)") { $0.leader.postmaster != killed }
                try await writer.progress(on: after.leader, within: Mixed.patience)
                report("\(words): \(before.leader.name) was killed, \(after.leader.name) leads")
            }

            /// By `patronictl`, which speaks to either kind.
            func moveAway(from node: ClusterNode) async throws {
                let roles = try await whole("before a switchover")
                guard roles.leader === node else { return }
                let said = try await patronictl(
                    cluster, "switchover", "--force", "--leader", node.name, "--candidate", roles.replicas[0].name)
                #expect(said.contains("Successfully switched over to"), "\(said)")
                _ = try await whole("after the switchover") { $0.leader !== node }
            }
        }

        private func scene(_ base: Support.ClusterSettings = .init()) async throws -> Scene {
            let server = try await ZooKeeperServer.standalone(tick: Self.tick)
            var settings = base
            settings.ttl = 20
            settings.loopWait = 2
            settings.retryTimeout = 5
            settings.dynamic = [
                "synchronous_mode: true", "synchronous_node_count: 2", "primary_start_timeout: 0",
            ]
            let cluster = try TestCluster(settings, zooKeeper: server.host)
            let patroni = try await AgentCommand.patroni()
            for node in cluster.nodes { try node.start(patroni) }
            let roles = try await cluster.whole("of Patroni alone", within: .seconds(120))
            let writer = try await AcknowledgedWriter(cluster, leader: roles.leader)
            writer.start()
            try await writer.progress()
            return Scene(cluster: cluster, patroni: patroni, writer: writer)
        }

        private func finish(_ scene: Scene, _ words: String) async throws {
            let after = try await scene.whole("at the end")
            try await scene.writer.progress(on: after.leader, within: Self.patience)
            let history = await scene.writer.stop()
            expectOnePrimary(history, words)
            let present = try await scene.writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty, "\(words)")
            #expect(history.invented(present: present).isEmpty)
            await scene.cluster.discard()
        }

        @Test func membersAreReplacedOneByOneAndBack() async throws {
            let scene = try await scene()
            for command in [nil, scene.patroni] {
                for node in scene.cluster.nodes {
                    try await scene.moveAway(from: node)
                    let before = try await scene.whole("before \(node.name) is replaced")
                    let after = try await scene.replace(node, by: command)
                    #expect(after.leader === before.leader && after.timeline == before.timeline, "\(node.name)")
                }
            }
            try await finish(scene, "replaced and back")
        }

        @Test func inEveryMixAKilledPrimaryIsSurvived() async throws {
            let scene = try await scene()
            for node in scene.cluster.nodes {
                try await scene.moveAway(from: node)
                _ = try await scene.replace(node, by: nil)
                // Once from either kind, where both are there.
                try await scene.killPrimary("\(node.name) replaced")
                try await scene.killPrimary("\(node.name) replaced, again")
            }
            try await finish(scene, "killed in every mix")
        }

        /// Each asks the others over TLS and shows its own certificate.
        @Test func bothKindsMeetOverTLS() async throws {
            let folder = try TemporaryFolder("mixed-tls")
            defer { folder.remove() }
            let scene = try await scene(try TLS.settings(folder).0)
            let node = scene.cluster.nodes[0]
            try await scene.moveAway(from: node)
            _ = try await scene.replace(node, by: nil)
            try await scene.killPrimary("over TLS")
            try await scene.killPrimary("over TLS, again")
            try await scene.moveAway(from: try await scene.whole("before a switchover over TLS").leader)
            try await finish(scene, "mixed over TLS")
        }

        /// As Patroni's users change what runs beside PostgreSQL: pause, swap, resume. PostgreSQL does not notice.
        @Test func inPauseTheProgramsAreSwappedUnderPostgres() async throws {
            let scene = try await scene()
            let before = try await scene.whole("before the swap")
            let postmasters = scene.cluster.nodes.map(\.postmaster)
            try await patronictl(scene.cluster, "pause", "--wait")
            for node in scene.cluster.nodes {
                ProcessTable.signal(SIGTERM, try #require(node.supervisor))
                try await eventually("\(node.name)'s Patroni has ended", within: Self.patience) { !node.isRunning }
                try node.start()
            }
            try await eventually("the primary has the lock by its new agent", within: Self.patience) {
                let tree = try await ClusterTree.with(scene.cluster) { try await $0.get("leader") }
                return tree?.text == before.leader.name && tree?.stat.version.rawValue == 1
            }
            try await patronictl(scene.cluster, "resume", "--wait")
            let after = try await scene.whole("after the swap")
            #expect(after.leader === before.leader && after.timeline == before.timeline)
            #expect(scene.cluster.nodes.map(\.postmaster) == postmasters)
            try await finish(scene, "swapped in pause")
        }
    }
}
