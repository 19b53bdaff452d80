import AdminModel
import Foundation
import Logging
import Support
import Testing
import ZooKeeper

extension ClusterTests {
    /// An ensemble that was there before and serves others: a folder of it is ours, behind a login and lists of who may
    /// do what; everybody else's znodes stay as they are.
    @Suite(.serialized) struct ExistingEnsemble {
        private static let login = "herd:\(ClusterSettings.Passwords.canary) gras 7"
        /// As `DigestAuthenticationProvider` computes it of the login.
        private static let principal = "digest:herd:Ir69VBXzQCwJzdqL2+ldW6Ji9Xc="
        private static let deadline = Duration.seconds(5)

        /// Opens a session without a login.
        private func stranger<Value>(
            _ hosts: String, _ body: (ZooKeeperSession) async throws -> Value
        ) async throws -> Value {
            var logger = Logger(label: "test")
            logger.logLevel = .error
            let session = try await ZooKeeperSession.open(
                ZooKeeperConfiguration(hosts: try ZooKeeperHosts(hosts), timeout: .seconds(10)), logger: logger)
            do {
                try await session.connected(deadline: Self.deadline)
                let value = try await body(session)
                await session.close()
                return value
            } catch {
                await session.close()
                throw error
            }
        }

        /// Everything outside of our folder: paths, data, versions.
        private func foreign(_ session: ZooKeeperSession) async throws -> Set<String> {
            var found: Set<String> = []
            var open = [ZNodePath.root]
            while let next = open.popLast() {
                let name = next.description
                guard !name.hasPrefix("/zookeeper"), name != "/tools/herd" else { continue }
                if let (data, stat) = try await session.get(next, deadline: Self.deadline), name != "/" {
                    found.insert("\(name) \(String(decoding: data, as: UTF8.self)) \(stat.version)")
                }
                for child in try await session.children(next, deadline: Self.deadline) ?? [] {
                    open.append(try next.child(child))
                }
            }
            return found
        }

        @Test func aFolderOfAnEnsembleIsEnoughAndIsKeptFromStrangers() async throws {
            let servers = try await SuiteZooKeeper.start(.ensemble, members: [])
            let before = try await stranger(servers.hosts) { session in
                // A folder of ours, and what others have there, named as we would name it.
                for (path, text) in [
                    ("/tools", ""), ("/tools/herd", ""), ("/service", "theirs"), ("/service/cluster", "theirs"),
                    ("/service/cluster/leader", "somebody"), ("/kafka", "k"), ("/tools/other", "o"),
                ] {
                    _ = try await session.create(
                        try ZNodePath(path), Array(text.utf8), mode: .persistent, deadline: Self.deadline)
                }
                return try await foreign(session)
            }
            var settings = ClusterSettings()
            settings.zooKeeper = [
                "auth_data: {digest: '\(Self.login)'}", "set_acls: {'\(Self.principal)': [ALL]}",
            ]
            settings.zooKeeperLogin = Self.login
            let cluster = try TestCluster(settings, zooKeeper: servers.hosts + "/tools/herd")
            try cluster.start()
            let roles = try await cluster.whole("from empty folders", within: AgentCommand.deadline(40))

            // Who does not log in sees that there is something, and nothing of it.
            let secret = try ZNodePath("/tools/herd/service/\(cluster.scope)/leader")
            await #expect(throws: ZooKeeperError.self) {
                try await stranger(servers.hosts) { _ = try await $0.get(secret, deadline: Self.deadline) }
            }
            await #expect(throws: ZooKeeperError.self) {
                try await stranger(servers.hosts) {
                    try await $0.delete(secret, expecting: .any, deadline: Self.deadline)
                }
            }
            #expect(try await ClusterTree.with(cluster) { try await $0.text("leader") } == roles.leader.name)

            // The tools find it by the same file.
            #expect(try await patronictl(cluster, "list").contains(roles.leader.name))
            let said = try await patronictl(
                cluster, "switchover", "--force", "--leader", roles.leader.name, "--candidate",
                roles.replicas[0].name)
            #expect(said.contains("Successfully switched over to \"\(roles.replicas[0].name)\""), "\(said)")
            let moved = try await cluster.whole("after the switchover") { $0.leader === roles.replicas[0] }

            // One server goes and comes back.
            let writer = try await AcknowledgedWriter(cluster, leader: moved.leader)
            writer.start()
            try await writer.progress()
            for server in servers.servers {
                try await server.stop()
                _ = try await #require(servers.ensemble).leader()
                try await cluster.seen("two servers")
                try await server.start()
                try await writer.progress()
            }
            let after = try await cluster.whole("with all servers again")
            let history = await writer.stop()
            expectOnePrimary(history, "an existing ensemble")
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty || after.timeline != moved.timeline)

            let removed = try await stranger(servers.hosts) { try await foreign($0) }
            #expect(removed == before)
            for node in cluster.nodes {
                #expect(!node.logText.contains(ClusterSettings.Passwords.canary), "\(node.name)")
            }
            await cluster.discard()
            try await servers.stop()
        }
    }
}
