import AdminModel
import HACore
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Peers find their slots on whoever is promoted: on 15 the agents copy them, from 17 on PostgreSQL does.
    @Suite(.serialized) struct MeshSlots {
        private static let slot = "spk_postgres_n1_sub"

        private func settings(_ binaries: String) -> Support.ClusterSettings {
            var settings = Support.ClusterSettings()
            settings.members = ["member-a", "member-b"]
            settings.binaries = binaries
            settings.dynamic = [
                "primary_start_timeout: 0",
                "spock:",
                "  mesh: slots\(UInt32.random(in: 0 ... .max))",
                "  databases: [postgres]",
                "  node: {name: n1}",
                "  dsn: {user: postgres}",
                "  slots: {copy_interval: 1s}",
            ]
            return settings
        }

        private func settings() async throws -> Support.ClusterSettings {
            var settings = settings(try await SpockInstallation.binaries())
            let spock = try await SpockInstallation.settings()
            settings.parameters = ["output_plugin_libraries", "pglogical.conflict_resolution"].compactMap { name in
                spock[name].map { "\(name): \(Support.ClusterSettings.quoted($0))" }
            }
            return settings
        }

        private func usable(_ node: ClusterNode) async throws -> Int64? {
            let body = try await HTTPProbe.send("GET", "/patroni", port: node.restPort).body
            return try JSONParser.parse(body)["matriarch"]?["slots"]?.asInt
        }

        private func expectUsable(_ node: ClusterNode, _ words: String) async throws {
            try await eventually("\(node.name) has a usable slot \(words)", within: AgentCommand.deadline(60)) {
                try await usable(node) == 1
            }
        }

        private func confirmed(_ node: ClusterNode) async throws -> String? {
            try await node.query(
                "SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = $1", [Self.slot]
            ).rows.first?["lsn"]
        }

        @Test func aSlotOutlivesItsPrimary() async throws {
            try await TestCluster.with(settings()) { cluster in
                try cluster.start()
                let before = try await cluster.whole("from nothing", within: AgentCommand.deadline(60))
                let (old, new) = (before.leader, before.replicas[0])
                try await old.query("SELECT pg_create_logical_replication_slot($1, 'pglogical_output')", [Self.slot])
                try await expectUsable(new, "after one restart")
                #expect(
                    new.logText.split(separator: "\n").count { $0.contains("restarting this standby for slots") } == 1)
                try await cluster.whole("after the standby's restart")
                let record = try await ClusterTree.with(cluster) { try await $0.object("members/\(new.name)") }
                #expect(record["matriarch"]?["slots"] == 1)
                #expect(try await usable(old) == nil, "a primary's are no copies")

                try await old.query("SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())", [Self.slot])
                let position = try await confirmed(old)
                try await eventually("the copy follows", within: AgentCommand.deadline()) {
                    try await confirmed(new) == position
                }
                try await old.kill()
                let after = try await cluster.whole("without \(old.name)", members: [new])
                #expect(after.leader === new)
                #expect(try await confirmed(new) == position)
                try await new.query("SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())", [Self.slot])

                // The former primary comes back by a rewind, which leaves it without slots.
                try old.start()
                try await cluster.whole("with \(old.name) again")
                try await expectUsable(old, "as a standby")
                #expect(old.logText.contains("slots of the mesh copied from \(new.name)"))
                #expect(!old.logText.contains("restarting this standby for slots"))
            }
        }

        @Test(arguments: [17, 18]) func aNativeSlotOutlivesItsPrimary(major: Int) async throws {
            let binaries: String
            do { binaries = try await DecodingInstallation.binaries(major: major) } catch {
                if ClusterEquipment.isContinuousIntegration { throw error }
                try Test.cancel("PostgreSQL \(major) is missing: \(error)")
            }
            try await TestCluster.with(settings(binaries)) { cluster in
                try cluster.start()
                let before = try await cluster.whole("from nothing", within: AgentCommand.deadline(60))
                let (old, new) = (before.leader, before.replicas[0])
                try await old.query(
                    "SELECT pg_create_logical_replication_slot($1, 'spock_output', failover => true)", [Self.slot])
                try await eventually("\(new.name) has a usable slot", within: AgentCommand.deadline(60)) {
                    // It is kept once the primary's has moved.
                    try await old.query("SELECT pg_log_standby_snapshot()")
                    try await old.query("SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())", [Self.slot])
                    return try await usable(new) == 1
                }
                #expect(!new.logText.contains("restarting this standby for slots"))
                let waitedFor = try await old.query("SHOW synchronized_standby_slots").first()
                #expect(try waitedFor.text("synchronized_standby_slots").contains("member_"))
                let position = try await confirmed(new).flatMap { LSN($0) }
                try await old.kill()
                let after = try await cluster.whole("without \(old.name)", members: [new])
                #expect(after.leader === new)
                // PostgreSQL goes on copying until then.
                #expect(try #require(try await confirmed(new).flatMap { LSN($0) }) >= #require(position))
                try await new.query("SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())", [Self.slot])

                try old.start()
                try await cluster.whole("with \(old.name) again")
                try await eventually("\(old.name) has it as a standby", within: AgentCommand.deadline(60)) {
                    try await new.query("SELECT pg_log_standby_snapshot()")
                    try await new.query("SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())", [Self.slot])
                    return try await usable(old) == 1
                }
            }
        }
    }
}
