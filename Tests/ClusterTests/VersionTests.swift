import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// The death of the primary on the newer PostgreSQL versions.
    @Suite(.serialized)
    struct Versions {
        @Test(arguments: [17, 18])
        func killOfThePrimary(major: Int) async throws {
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            do { settings.binaries = try await PostgresBinaries.folder(major: major) } catch {
                if ClusterEquipment.isContinuousIntegration { throw error }
                FileHandle.standardError.write(Data("*** SKIPPED: \(error)\n".utf8))
                try Test.cancel("PostgreSQL \(major) is missing")
            }
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let before = try await cluster.whole("from empty folders", within: AgentCommand.deadline(40))
                let version = try await before.leader.query("SHOW server_version_num").first()
                #expect(try version.text("server_version_num").hasPrefix("\(major)"))
                let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
                writer.start()
                try await writer.progress()

                try before.leader.kill(\.postmaster, "postmaster")
                try await writer.progress(within: AgentCommand.deadline(), "after the first kill")
                let between = try await cluster.whole("after the first kill")
                #expect(between.leader === before.leader)
                #expect(between.timeline == before.timeline)
                let inPlace = writer.soFar
                let survived = try await writer.present(on: between.leader)
                #expect(inPlace.lost(present: survived).isEmpty)

                try await cluster.configure("primary_start_timeout", 0)
                try before.leader.kill(\.postmaster, "postmaster")
                let after = try await cluster.whole("led by another") { $0.leader !== before.leader }
                try await writer.progress(on: after.leader)
                let history = await writer.stop()
                expectOnePrimary(history, "PostgreSQL \(major), postmaster killed twice")
                let present = try await writer.present(on: after.leader)
                report("asynchronous: \(history.lost(present: present).count) acknowledged rows lost")
                #expect(history.invented(present: present).isEmpty)
            }
        }
    }
}
