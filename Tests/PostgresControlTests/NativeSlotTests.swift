import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage
import Testing

/// From 17 on PostgreSQL keeps the slots for peers on the standbys, if all its conditions hold: a missing one is quiet.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct NativeSlotTests {
    private func layers(
        _ server: PostgresInstance, _ major: Int, _ role: StartRole, _ standbySlots: [String]
    ) async throws -> ParameterLayers {
        let settings = MeshSettings(mesh: "shop", node: "n1", databases: ["postgres"])
        let mesh = MeshParameters(
            settings, peers: 2, members: 2, role: role, synchronizedStandbySlots: standbySlots,
            clientGateIsClosed: role == .standby)
        return ParameterLayers(
            dynamic: ["fsync": "off", "unix_socket_directories": ""], listenAddresses: "127.0.0.1",
            port: Int(server.port), clusterName: "gold", mesh: mesh, majorVersion: major,
            known: try await server.installation.knownParameters())
    }

    private func start(
        _ server: PostgresInstance, _ parameters: ServerParameters, _ recovery: RecoverySettings? = nil
    ) async throws {
        // No Spock is here.
        let parameters = parameters.with("shared_preload_libraries", nil)
        _ = try await server.config.write(parameters, recovery: recovery)
        let command = StartCommand(installation: server.installation, config: server.config, parameters: parameters)
        try await server.start(arguments: Array(command.arguments.dropFirst()))
    }

    private func value(_ server: PostgresInstance, _ name: String) async throws -> String {
        try await server.query("SELECT current_setting($1) AS value", [name]).first().text("value")
    }

    @Test(arguments: [17, 18]) func aSlotForAPeerComesToTheStandby(major: Int) async throws {
        let binaries: String
        do { binaries = try await PostgresBinaries.folder(major: major) } catch {
            if ClusterEquipment.isContinuousIntegration { throw error }
            FileHandle.standardError.write(Data("*** SKIPPED: \(error)\n".utf8))
            try Test.cancel("PostgreSQL \(major) is missing")
        }
        let primary = try await PostgresInstance("native-\(major)", binaries: binaries)
        let wanted = try await layers(primary, major, .primary, [])
        #expect(wanted.resolve().warnings == [])
        try await start(primary, wanted.resolve())
        #expect(try await value(primary, "wal_level") == "logical")
        if major >= 18 { #expect(try await value(primary, "max_active_replication_origins") == "10") }
        try await primary.query("SELECT pg_create_physical_replication_slot('standby')")

        let standby = try await PostgresInstance("native-standby-\(major)", binaries: binaries, empty: true)
        let cloner = Cloner(
            installation: primary.installation, dataDirectory: standby.directory, runner: UnprivilegedRunner(),
            output: standby.path("basebackup.log"))
        _ = try await cloner.clone(from: primary.upstream(), options: [], deadline: .seconds(60))
        let recovery = RecoverySettings(
            following: try await primary.upstream(), memberName: "standby", slot: "standby")
        try await start(standby, try await layers(standby, major, .standby, ["standby"]).resolve(), recovery)
        #expect(try await value(standby, "sync_replication_slots") == "on")
        #expect(try await value(standby, "synchronized_standby_slots") == "", "it counts on a primary only")
        #expect(try await value(standby, "default_transaction_read_only") == "on")

        try await primary.query(
            "SELECT pg_create_logical_replication_slot('peer', 'pgoutput', false, false, true)")
        let copies = "SELECT FROM pg_replication_slots WHERE slot_name = 'peer' AND synced AND NOT temporary"
        try await eventually("the slot is on the standby, see \(standby.log)", within: .seconds(60)) {
            // It is kept once the primary's has moved.
            try await primary.query("SELECT pg_log_standby_snapshot()")
            try await primary.query("SELECT pg_replication_slot_advance('peer', pg_current_wal_lsn())")
            return try await standby.query(copies).rows.count == 1
        }

        // With the standby's slot there, the primary's list of them is taken by a reload.
        let listed = try await layers(primary, major, .primary, ["standby"]).resolve()
            .with("shared_preload_libraries", nil)
        _ = try await primary.config.write(listed, recovery: nil)
        primary.signal(SIGHUP)
        try await eventually("the standby's slot is waited for") {
            try await value(primary, "synchronized_standby_slots") == "standby"
        }
        let errors = try await primary.query("SELECT FROM pg_file_settings WHERE error IS NOT NULL")
        #expect(errors.rows.isEmpty)
        await standby.discard()
        await primary.discard()
    }
}
