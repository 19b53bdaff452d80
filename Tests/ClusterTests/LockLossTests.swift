import Foundation
import Logging
import Support
import Testing
import ZooKeeper

extension ClusterTests {
    /// What somebody does to the lock's znodes, or to its session, while its holder lives and works.
    @Suite(
        .serialized, .cluster(.wired), .disabled(if: AgentCommand.isForeign, "a foreign program has another protocol"))
    struct LockLoss {
        @Test func aDeletedLockStopsItsHolderAtOnce() async throws {
            let scene = try await Scenario.begin()
            let before = try await acts(scene)
            let (start, term) = try await ClusterTree.with(scene.cluster) { tree in
                let lock = try #require(try await tree.get("leader"))
                let start = ContinuousClock.now
                try await tree.delete("leader")
                return (start, lock.stat.czxid)
            }
            try await endAnew(scene, start, term, "leader deleted")
            let after = try await acts(scene)
            #expect(after.fences == before.fences + 1 && after.promotions == before.promotions + 1)
        }

        /// Its version goes on above every one ever used (lock.md 3).
        @Test func aDeletedEpochIsMadeAnewAndIsNoEvent() async throws {
            let scene = try await Scenario.begin()
            try await ClusterTree.with(scene.cluster) { tree in
                let (epoch, lock) = (
                    try #require(try await tree.get("epoch")), try #require(try await tree.get("leader"))
                )
                try await tree.delete("epoch/keep", "epoch")
                let start = ContinuousClock.now
                try await eventually("the holder proves its lock again", within: AgentCommand.deadline()) {
                    try await tree.get("epoch")?.text.contains("\"\(scene.leader.name)\"") == true
                }
                report("epoch made anew and adopted after \(ContinuousClock.now - start)")
                let (anew, kept) = (
                    try #require(try await tree.get("epoch")), try #require(try await tree.get("leader"))
                )
                #expect(anew.stat.version > epoch.stat.version && anew.stat.czxid > epoch.stat.czxid)
                #expect(try await tree.get("epoch/keep") != nil)
                #expect(kept.stat.czxid == lock.stat.czxid && kept.stat.version == lock.stat.version)
            }
            // For longer than the lease that stood at the deletion.
            try await scene.writer.progress(1_200, on: scene.leader)
            let after = try await scene.cluster.whole("with a new epoch")
            try await scene.endUnchanged(after, "epoch deleted")
        }

        /// Nobody is known to have led: everybody waits until no earlier leader can be left (lock.md 5, M2 c).
        @Test func lockAndEpochDeletedTogether() async throws {
            let scene = try await Scenario.begin()
            let (start, term, version) = try await ClusterTree.with(scene.cluster) { tree in
                let epoch = try #require(try await tree.get("epoch"))
                let lock = try #require(try await tree.get("leader"))
                let start = ContinuousClock.now
                try await tree.delete("leader", "epoch/keep", "epoch")
                return (start, lock.stat.czxid, epoch.stat.version)
            }
            _ = try await scene.fenced(since: start)
            try await scene.nobodyLeads(for: .seconds(3))
            try await endAnew(scene, start, term, "leader and epoch deleted")
            try await ClusterTree.with(scene.cluster) { tree in
                let anew = try #require(try await tree.get("epoch"))
                #expect(anew.stat.version > version)
            }
        }

        /// As a program that has got hold of the session file could: the lock vanishes, with everything that says that
        /// its holder lives (lock.md 6). What is left is that it is asked before anybody is promoted; cut off from
        /// ZooKeeper, it is a primary until its lease ends.
        @Test(arguments: [false, true])
        func aSessionClosedUnderARunningPrimary(isCutOff: Bool) async throws {
            let scene = try await Scenario.begin()
            let session = try credentials(of: scene.leader)
            let wire = try await SharedCluster.zooKeeper().wire(of: scene.leader)
            defer { wire.mend() }
            let (start, term) = try await ClusterTree.with(scene.cluster) { tree in
                let lock = try #require(try await tree.get("leader"))
                #expect(lock.stat.ephemeralOwner == session.session)
                if isCutOff { wire.cut() }
                var start = ContinuousClock.now
                // The agent's library may take the session back: whoever comes later closes it.
                try await eventually("the session is closed", within: AgentCommand.deadline()) {
                    start = ContinuousClock.now
                    try await close(session, scene.cluster)
                    return try await tree.get("leader")?.stat.ephemeralOwner != session.session
                }
                return (start, lock.stat.czxid)
            }
            _ = try await scene.fenced(since: start)
            wire.mend()
            try await endAnew(scene, start, term, isCutOff ? "cut off, session closed" : "session closed")
        }

        // MARK: Steps

        /// What all members together have counted.
        private func acts(_ scene: Scenario) async throws -> (fences: Double, promotions: Double) {
            var acts = (fences: 0.0, promotions: 0.0)
            for node in scene.cluster.nodes {
                let metrics = try await Metrics(node)
                acts.fences += try #require(metrics["matriarch_fences_total"])
                acts.promotions += try #require(metrics["matriarch_promotions_total"])
            }
            return acts
        }

        /// The former primary was stopped, and somebody leads in a new term.
        private func endAnew(
            _ scene: Scenario, _ start: ContinuousClock.Instant, _ term: Int64, _ words: String
        ) async throws {
            let after = try await scene.cluster.whole("after: \(words)") { $0.timeline > scene.before.timeline }
            try await scene.writer.progress(on: after.leader)
            let history = try await scene.end(after, words)
            let last = try #require(history.acknowledged.last { $0.timeline == scene.before.timeline }).acknowledged
            let next = try #require(history.acknowledged.first { $0.timeline == after.timeline }).acknowledged
            report("\(words): last row \(last - start) after it, \(after.leader.name)'s first \(next - start)")
            let lock = try await ClusterTree.with(scene.cluster) { try #require(try await $0.get("leader")) }
            #expect(lock.stat.czxid > term && lock.text == after.leader.name)
        }

        /// From the session file, which lies below the runtime folder in one named after the data directory.
        private func credentials(of node: ClusterNode) throws -> SessionCredentials {
            let run = node.place.runtimeFolder
            let folder = try #require(try FileManager.default.contentsOfDirectory(atPath: run).first)
            let text = try String(contentsOfFile: "\(run)/\(folder)/session", encoding: .utf8)
            func value(_ key: String) throws -> String {
                let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(key)=") })
                return String(line.dropFirst(key.count + 1))
            }
            let digits = Array(try value("password"))
            let password = stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(digits[$0...$0 + 1]), radix: 16)
            }
            let session = SessionID(rawValue: try #require(Int64(try value("session"))))
            let timeout = try #require(Int64(try value("timeout_ms")))
            return try #require(
                SessionCredentials(session: session, password: password, requestedTimeout: .milliseconds(timeout)))
        }

        /// Takes the session up, if it still is, and closes it.
        private func close(_ credentials: SessionCredentials, _ cluster: TestCluster) async throws {
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let session = try await ZooKeeperSession.open(
                ZooKeeperConfiguration(
                    hosts: try ZooKeeperHosts(cluster.zooKeeperHosts), timeout: credentials.requestedTimeout),
                resuming: credentials, logger: logger)
            _ = try? await session.connected(deadline: .seconds(1))
            await session.close()
        }
    }
}
