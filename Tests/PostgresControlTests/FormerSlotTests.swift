import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import Testing

@Suite("PostgreSQL's own copies of slots, from 17 on")
struct FormerSlotTests {
    /// A primary that has changed places with its standby keeps its slot, which stands in the way of the copy.
    @Test(arguments: [17, 18]) func aFormerPrimaryMakesRoom(major: Int) async throws {
        let binaries: String
        do { binaries = try await PostgresBinaries.folder(major: major) } catch {
            if ClusterEquipment.isContinuousIntegration { throw error }
            FileHandle.standardError.write(Data("*** SKIPPED: \(error)\n".utf8))
            try Test.cancel("PostgreSQL \(major) is missing")
        }
        let pair = try await SlotPair(
            "former-\(major)", binaries: binaries, settings: ["sync_replication_slots": "on"])
        try await pair.clone()
        try await pair.startStandby()
        try await pair.query("SELECT pg_create_logical_replication_slot('mesh', 'pgoutput', failover => true)")
        try await wait(pair, pair.primary, pair.standby)
        #expect(try await survey(pair.primary).own == ["mesh"])

        try await pair.primary.stop()
        try await pair.standby.query("SELECT pg_promote()")
        try await pair.standby.query("SELECT pg_create_physical_replication_slot('a', true)")
        try await SlotPair.follow(pair.primary, pair.standby, as: "a", pair.settings)
        let former = try await survey(pair.primary)
        #expect(former.own == ["mesh"] && former.synchronized.isEmpty)
        #expect(try await drop(pair.standby).isEmpty, "never on a primary")
        #expect(try await drop(pair.primary) == ["mesh"])
        try await wait(pair, pair.standby, pair.primary)
        #expect(try await drop(pair.primary).isEmpty)
        await pair.end()
    }

    /// PostgreSQL's copy of a slot is none that it keeps on standbys, until it is told.
    @Test(arguments: [17, 18]) func aCopyIsKeptOnStandbys(major: Int) async throws {
        let binaries: String
        do { binaries = try await PostgresBinaries.folder(major: major) } catch {
            if ClusterEquipment.isContinuousIntegration { throw error }
            try Test.cancel("PostgreSQL \(major) is missing: \(error)")
        }
        let pair = try await SlotPair("copy-\(major)", binaries: binaries)
        let way = pair.primary.conninfo.forMeshWork(in: "app")
        let connection = try await PostgresConnection.connect(way, deadline: .seconds(5))
        func carryOut(_ statement: MeshStatement) async throws -> Bool {
            try await SpockRegistrar.carryOut(statement, on: connection, way: way, deadline: .seconds(10))
        }
        try await connection.query(
            "SELECT pg_create_logical_replication_slot('mesh', 'pgoutput', failover => true)", deadline: .seconds(5))
        #expect(try await carryOut(.copySlot(from: "mesh", to: "hold")))
        #expect(try await survey(pair.primary).own == ["mesh"])
        #expect(try await carryOut(.keepOnStandbys(slot: "hold")))
        #expect(try await survey(pair.primary).own == ["mesh", "hold"])
        #expect(try await carryOut(.keepOnStandbys(slot: "nobody")) == false)
        await connection.close()
        await pair.end()
    }

    private func survey(_ server: PostgresInstance) async throws -> SlotSurvey {
        try await SlotPair.survey(server, plugins: nil)
    }

    private func drop(_ server: PostgresInstance) async throws -> [String] {
        let connection = try await server.connect()
        let dropped = try await SlotAdvancer.dropFormer(["mesh"], on: connection, deadline: .seconds(5))
        await connection.close()
        return dropped
    }

    /// The copy becomes persistent once the slot has moved.
    private func wait(_ pair: SlotPair, _ primary: PostgresInstance, _ standby: PostgresInstance) async throws {
        try await eventually("PostgreSQL has made a copy", within: .seconds(30), pace: .milliseconds(100)) {
            try await pair.query(
                """
                SELECT pg_log_standby_snapshot(), pg_replication_slot_advance('mesh', pg_current_wal_lsn())
                """, primary)
            return try await survey(standby).synchronized == ["mesh"]
        }
    }
}
