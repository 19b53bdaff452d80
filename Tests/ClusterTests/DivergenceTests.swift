import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// A former primary whose last rows the new one does not have.
    @Suite(.serialized)
    struct Divergence {
        static let marker = "row-of-the-old-primary-5d1f"

        @Test func comesBackByRewind() async throws {
            try await TestCluster.with(twoMembers(rewind: true)) { cluster in
                let (old, new) = try await Self.diverge(cluster)
                let log = old.logText
                try old.start()
                let after = try await cluster.whole("after the rewind")
                #expect(after.leader === new)
                let rows = try await old.query("SELECT text FROM public.marker")
                #expect(rows.rows.map { $0["text"] } == ["row of the new primary"])
                #expect(old.logText(since: log).contains("rewind"))
            }
        }

        @Test(.disabled(if: AgentCommand.isForeign, "Patroni starts it and lets it loop"))
        func staysAsItIsWithoutRewind() async throws {
            try await TestCluster.with(twoMembers(rewind: false)) { cluster in
                let (old, new) = try await Self.diverge(cluster)
                let folder = try inode(old.dataDirectory)
                let log = old.logText
                try old.start()
                try await eventually("the operator is told what to do", within: AgentCommand.deadline()) {
                    old.logText(since: log).lowercased().contains("reinit")
                }
                let told = old.logText
                // Several more of its cycles pass: the new primary works on, and nothing touches the old one's rows.
                let writer = try await AcknowledgedWriter(cluster, leader: new)
                writer.start()
                try await writer.progress(400, on: new)
                expectOnePrimary(await writer.stop(), "diverged, without rewind")
                #expect(old.isRunning)
                #expect(await old.rest("/replica") == 503)
                #expect(await old.rest("/primary") == 503)
                #expect(try inode(old.dataDirectory) == folder)
                #expect(try Self.holdsMarker(old.dataDirectory + "/pg_wal"))
                let repeated = old.logText(since: told).lowercased().split(separator: "\n").count {
                    $0.contains("reinit")
                }
                #expect(repeated <= 1, "told once, not in each cycle")
            }
        }

        private func twoMembers(rewind: Bool) -> ClusterSettings {
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            settings.useRewind = rewind
            return settings
        }

        /// Leaves a row on a killed primary that was acknowledged there and never sent, and another on its successor.
        static func diverge(_ cluster: TestCluster) async throws -> (old: ClusterNode, new: ClusterNode) {
            try cluster.start()
            let before = try await cluster.whole("from empty folders", within: AgentCommand.deadline(40))
            let (old, new) = (before.leader, try #require(before.replicas.first))
            try await old.query("CREATE TABLE public.marker (text text)")
            let lsn = try await old.query("SELECT pg_current_wal_lsn()::text AS lsn").first().text("lsn")
            try await eventually("\(new.name) has the table") {
                let row = try await new.query("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there", [lsn]).first()
                return try row.bool("there") == true
            }
            let sender = try #require(old.backend("walsender"))
            ProcessTable.signal(SIGSTOP, sender)
            try await old.query("INSERT INTO public.marker VALUES ($1)", [marker])
            try await old.kill()
            try await cluster.whole("without \(old.name)", members: [new])
            try await new.query("INSERT INTO public.marker VALUES ('row of the new primary')")
            return (old, new)
        }

        private func inode(_ path: String) throws -> Int {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            return try #require(attributes[.systemFileNumber] as? Int)
        }

        /// An inserted text stands in the log as it is.
        static func holdsMarker(_ folder: String) throws -> Bool {
            try FileManager.default.contentsOfDirectory(atPath: folder).contains { file in
                FileManager.default.contents(atPath: "\(folder)/\(file)")?.range(of: Data(marker.utf8)) != nil
            }
        }
    }
}
