import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// HAProxy, configured as Patroni's documentation has it: the health checks are all that it knows of the cluster.
    @Suite(.serialized, .cluster()) struct Proxy {
        private struct Running {
            let process: UnprivilegedProcess
            let primary: UInt16
            let replicas: UInt16
        }

        private static func start(_ cluster: TestCluster) throws -> Running {
            let (primary, replicas) = (try FreePort.next(), try FreePort.next())
            func servers() -> String {
                cluster.nodes.map {
                    "    server \($0.name) 127.0.0.1:\($0.port) maxconn 100 check port \($0.restPort)\n"
                }.joined()
            }
            let checks = "http-check expect status 200\n    default-server inter 300ms fall 2 rise 1"
            let configuration = """
                global
                    maxconn 400
                defaults
                    mode tcp
                    retries 2
                    timeout client 30m
                    timeout connect 4s
                    timeout server 30m
                    timeout check 5s
                listen primary
                    bind 127.0.0.1:\(primary)
                    option httpchk OPTIONS /primary
                    \(checks) on-marked-down shutdown-sessions
                \(servers())
                listen replicas
                    bind 127.0.0.1:\(replicas)
                    balance roundrobin
                    option httpchk OPTIONS /replica?lag=1MB
                    \(checks) on-marked-down shutdown-sessions
                \(servers())
                """
            let number = UInt32.random(in: 0...UInt32.max)
            let file = try cluster.folder.write("haproxy-\(number).cfg", configuration)
            let process = try UnprivilegedProcess.start(
                "/usr/bin/env", ["haproxy", "-db", "-f", file], output: cluster.folder.path("haproxy-\(number).log"))
            return Running(process: process, primary: primary, replicas: replicas)
        }

        /// Who answers behind a port, and whether it is in recovery; nil when nobody does.
        private func answer(_ port: UInt16, _ node: ClusterNode) async -> (port: String, standby: Bool)? {
            var conninfo = node.conninfo
            conninfo["port"] = "\(port)"
            guard let connection = try? await PostgresConnection.connect(conninfo, deadline: .seconds(2)) else {
                return nil
            }
            let row = try? await connection.query(
                "SELECT current_setting('port') AS port, pg_is_in_recovery() AS standby", deadline: .seconds(2)
            ).first()
            await connection.close()
            guard let port = try? row?.text("port"), let standby = try? row?.bool("standby") else { return nil }
            return (port, standby)
        }

        @Test func routesAWriterThroughASwitchoverAndAFailover() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let proxy = try Self.start(cluster)
            try await eventually("the proxy leads to the leader", within: AgentCommand.deadline()) {
                await answer(proxy.primary, before.leader)?.port == "\(before.leader.port)"
            }
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader, proxy: proxy.primary)
            writer.start()
            try await writer.progress()

            let asked = try await Rest.ask(before.replicas[0], "switchover", ["leader": .string(before.leader.name)])
            #expect(asked.status == 200, "\(asked.body)")
            let between = try await cluster.whole("switched over") { $0.leader !== before.leader }
            try await writer.progress(50, "after the switchover")
            try await eventually("the proxy leads to the new leader", within: AgentCommand.deadline()) {
                await answer(proxy.primary, before.leader)?.port == "\(between.leader.port)"
            }

            try await between.leader.kill()
            let after = try await cluster.whole("failed over", members: between.replicas)
            try await writer.progress(50, "after the failover")
            let history = await writer.stop()
            expectOnePrimary(history, "through a proxy")
            #expect(Set(history.acknowledged.map(\.timeline)).count == 3, "each leader had rows of this writer")
            let present = try await writer.present(on: after.leader)
            #expect(!history.lost(present: present).contains { $0.timeline == after.timeline })
            try between.leader.start()
            try await cluster.whole()
            try await proxy.process.end()
        }

        @Test func readersReachReplicasAlone() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let proxy = try Self.start(cluster)
            let replicas = Set(roles.replicas.map { "\($0.port)" })
            try await eventually("both replicas are reached", within: AgentCommand.deadline()) {
                var reached: Set<String> = []
                for _ in 0..<4 {
                    // Before its first check a member counts as one that may be read from; in turn, four answers reach all
                    // three, and only if each was an answer.
                    guard let port = await answer(proxy.replicas, roles.leader)?.port else { return false }
                    reached.insert(port)
                }
                return reached == replicas
            }
            for _ in 0..<20 {
                let found = try #require(await answer(proxy.replicas, roles.leader))
                #expect(found.standby && replicas.contains(found.port))
            }
            try await proxy.process.end()
        }
    }
}
