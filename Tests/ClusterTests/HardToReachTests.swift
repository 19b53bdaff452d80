import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// A primary that works and cannot be asked: it stays one, and the agent says what it cannot see.
    @Suite(
        .serialized, .cluster { $0.dynamic = ["primary_start_timeout: 3"] },
        .enabled(if: !AgentCommand.isForeign))
    struct HardToReach {
        /// Also those reserved for superusers, by an application that is one; and the agent's own, when it is killed.
        @Test func everyConnectionTaken() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let node = before.leader
            let writer = try await AcknowledgedWriter(cluster, leader: node)
            writer.start()
            try await writer.progress()
            let application = ConnectionTaker(node.conninfo)
            application.start()
            try await application.isRefused(atLeast: 20)
            try await publishes(node, cluster, writer)
            try await staysPrimary(node, cluster, saying: nil)
            try await replaceAgent(of: node)
            try await application.isRefused(atLeast: 20)
            try await staysPrimary(node, cluster, saying: "too many clients")
            try await writer.progress(200, on: node)
            await application.stop()
            try await isUnchanged(cluster, before, writer, "every connection taken")
        }

        /// New connections wait for it, and so would a question that reads these catalogs.
        @Test func catalogsLocked() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let node = before.leader
            let writer = try await AcknowledgedWriter(cluster, leader: node)
            writer.start()
            try await writer.progress()
            let backend = try await PostgresConnection.connect(node.conninfo, deadline: .seconds(5))
            try await backend.query("BEGIN", deadline: .seconds(2))
            for catalog in ["pg_database", "pg_authid", "pg_auth_members", "pg_db_role_setting"] {
                try await backend.query("LOCK TABLE pg_catalog.\(catalog)", deadline: .seconds(5))
            }
            await #expect(throws: PostgresError.self) { try await node.query("SELECT 1", deadline: .seconds(1)) }
            try await publishes(node, cluster, writer)
            try await staysPrimary(node, cluster, saying: nil)
            try await replaceAgent(of: node)
            try await staysPrimary(node, cluster, saying: "timed out")
            try await writer.progress(200, on: node)
            try await backend.query("ROLLBACK", deadline: .seconds(5))
            await backend.close()
            try await isUnchanged(cluster, before, writer, "catalogs locked")
        }

        /// Rows go on, and so does the position in `status`.
        private func publishes(_ node: ClusterNode, _ cluster: TestCluster, _ writer: AcknowledgedWriter) async throws {
            let optime = try await position(cluster)
            try await writer.progress(200, on: node)
            try await eventually("the position is published", within: AgentCommand.deadline()) {
                try await position(cluster) > optime
            }
        }

        /// Its sessions work on; only a person stops a process so, and may let it go on: nobody is demoted for it.
        @Test func postmasterStopped() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let node = before.leader
            let writer = try await AcknowledgedWriter(cluster, leader: node)
            writer.start()
            try await writer.progress()
            let postmaster = try #require(node.postmaster)
            ProcessTable.signal(SIGSTOP, postmaster)
            defer { ProcessTable.signal(SIGCONT, postmaster) }
            try await staysPrimary(node, cluster, saying: "stopped by a signal")
            try await writer.progress(200, on: node)
            #expect(node.logText.contains("was stopped by a signal"))
            ProcessTable.signal(SIGCONT, postmaster)
            try await isUnchanged(cluster, before, writer, "postmaster stopped")
        }

        /// SIGQUIT would wait for SIGCONT while the sessions acknowledge rows (rulings, Lock 9).
        @Test func postmasterStoppedAndItsLeaseEnds() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let node = before.leader
            let writer = try await AcknowledgedWriter(cluster, leader: node)
            writer.start()
            try await writer.progress()
            let (postmaster, agent) = (try #require(node.postmaster), try #require(node.agent))
            ProcessTable.signal(SIGSTOP, postmaster)
            defer { ProcessTable.signal(SIGCONT, postmaster) }
            ProcessTable.signal(SIGSTOP, agent)
            defer { ProcessTable.signal(SIGCONT, agent) }
            let between = try await cluster.whole("without \(node.name)", members: before.replicas)
            try await writer.progress(on: between.leader)
            #expect(ProcessTable.entry(postmaster.pid)?.started != postmaster.started, "SIGKILL reaches it")
            ProcessTable.signal(SIGCONT, agent)
            let after = try await cluster.whole("with the thawed agent", within: AgentCommand.deadline(40))
            #expect(after.leader === between.leader)
            expectOnePrimary(await writer.stop(), "postmaster stopped, its lease ended")
        }

        @Test func postmasterStoppedAndItsLockRemoved() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let node = before.leader
            let writer = try await AcknowledgedWriter(cluster, leader: node)
            writer.start()
            try await writer.progress()
            let postmaster = try #require(node.postmaster)
            ProcessTable.signal(SIGSTOP, postmaster)
            defer { ProcessTable.signal(SIGCONT, postmaster) }
            try await ClusterTree.with(cluster) { try await $0.delete("leader") }
            try await eventually("the stopped postmaster is gone", within: AgentCommand.deadline()) {
                ProcessTable.entry(postmaster.pid)?.started != postmaster.started
            }
            try await cluster.whole("after the fence", within: AgentCommand.deadline(40))
            try await writer.progress()
            expectOnePrimary(await writer.stop(), "postmaster stopped, the lock removed")
        }

        // MARK: Steps

        /// For longer than `primary_start_timeout`, answering within its deadlines, with the cluster's tree in view.
        private func staysPrimary(_ node: ClusterNode, _ cluster: TestCluster, saying obstacle: String?) async throws {
            try await eventually("\(node.name) serves as primary", within: AgentCommand.deadline()) {
                await node.rest("/primary") == 200
            }
            if let obstacle {
                try await eventually("/patroni says: \(obstacle)", within: AgentCommand.deadline()) {
                    let answer = try await HTTPProbe.send("GET", "/patroni", port: node.restPort)
                    let said = try JSONParser.parse(answer.body)["matriarch"]?["postgresql_obstacle"]?.asString
                    return said?.contains(obstacle) == true
                }
            }
            let seen = try await HTTPProbe.send("GET", "/patroni", port: node.restPort)
            let before = try #require(try JSONParser.parse(seen.body)["dcs_last_seen"]?.asInt)
            try await stays("\(node.name) is primary", for: .seconds(4)) {
                let answer = try await HTTPProbe.send("GET", "/patroni", port: node.restPort, within: .seconds(2))
                let body = try JSONParser.parse(answer.body)
                guard body["role"]?.asString == "primary" else { return false }
                return await node.rest("/primary") == 200
            }
            let later = try await HTTPProbe.send("GET", "/patroni", port: node.restPort)
            #expect(try #require(try JSONParser.parse(later.body)["dcs_last_seen"]?.asInt) > before)
        }

        private func replaceAgent(of node: ClusterNode) async throws {
            let agent = node.agent
            try node.kill(\.agent, "agent")
            try await eventually("\(node.name) has a new agent", within: AgentCommand.deadline()) {
                node.agent.map { $0 != agent } ?? false
            }
        }

        private func position(_ cluster: TestCluster) async throws -> Int64 {
            try await ClusterTree.with(cluster) { try await $0.object("status")["optime"]?.asInt ?? 0 }
        }

        private func isUnchanged(
            _ cluster: TestCluster, _ before: TestCluster.Roles, _ writer: AcknowledgedWriter, _ words: String
        ) async throws {
            let after = try await cluster.whole("after it: \(words)")
            let history = await writer.stop()
            expectOnePrimary(history, words)
            #expect(after.leader === before.leader)
            #expect(after.timeline == before.timeline)
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
            #expect(history.invented(present: present).isEmpty)
        }
    }
}

/// An application that wants more connections than there are, without end.
private final class ConnectionTaker: Sendable {
    private let conninfo: ConnectionInfo
    private let taken = Locked<[PostgresConnection]>([])
    private let refusals = Locked(0)
    private let tasks = Locked<[Task<Void, Never>]>([])

    init(_ conninfo: ConnectionInfo) { self.conninfo = conninfo }

    func start() {
        tasks.withLock { tasks in
            for _ in 0..<4 { tasks.append(Task { await self.take() }) }
        }
    }

    /// Waits until it was refused so often more.
    func isRefused(atLeast count: Int) async throws {
        let before = refusals.withLock { $0 }
        try await eventually("every connection is taken", within: .seconds(30), pace: .milliseconds(20)) {
            refusals.withLock { $0 } >= before + count
        }
    }

    func stop() async {
        let running = tasks.withLock { $0 }
        for task in running { task.cancel() }
        for task in running { await task.value }
        let connections = taken.withLock { taken in
            defer { taken = [] }
            return taken
        }
        for connection in connections { await connection.close() }
    }

    private func take() async {
        while !Task.isCancelled {
            do {
                let connection = try await PostgresConnection.connect(conninfo, deadline: .seconds(5))
                taken.withLock { $0.append(connection) }
            } catch {
                if error.sqlState == "53300" { refusals.withLock { $0 += 1 } }
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
    }
}
