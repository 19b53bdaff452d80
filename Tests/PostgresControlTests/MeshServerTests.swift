import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage
import Testing

/// A real server with the parameters of a mesh; pglogical stands in for Spock.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct MeshServerTests {
    /// With pglogical under Spock's name, too.
    private func server(_ name: String) async throws -> PostgresInstance {
        let binaries = FilePath(try await PglogicalInstallation.binaries())
        let library = binaries.removingLastComponent().appending("lib/spock.so").string
        try? FileManager.default.createSymbolicLink(atPath: library, withDestinationPath: "pglogical.so")
        try #require(FileManager.default.fileExists(atPath: library))
        return try await PostgresInstance(name, binaries: binaries.string)
    }

    private func layers(_ server: PostgresInstance, gate: Bool, standbySlots: [String]? = nil) async throws
        -> ParameterLayers
    {
        let settings = MeshSettings(mesh: "shop", node: "n1", databases: ["a", "b", "c"])
        let mesh = MeshParameters(
            settings, peers: 5, members: 3, role: .primary, synchronizedStandbySlots: standbySlots,
            clientGateIsClosed: gate)
        return ParameterLayers(
            dynamic: [
                "fsync": "off", "unix_socket_directories": "", "shared_preload_libraries": "auto_explain",
                "output_plugin_libraries": "pgoutput, test_decoding, pglogical_output",
            ], listenAddresses: "127.0.0.1", port: Int(server.port), clusterName: "gold", mesh: mesh,
            majorVersion: try await server.installation.majorVersion(),
            known: try await server.installation.knownParameters())
    }

    private func start(_ server: PostgresInstance, _ parameters: ServerParameters) async throws {
        _ = try await server.config.write(parameters, recovery: nil)
        let command = StartCommand(installation: server.installation, config: server.config, parameters: parameters)
        try await server.start(arguments: Array(command.arguments.dropFirst()))
    }

    private func reload(_ server: PostgresInstance, gate: Bool) async throws {
        let parameters = try await layers(server, gate: gate).resolve()
        #expect(try await server.config.write(parameters, recovery: nil) == [.server])
        server.signal(SIGHUP)
    }

    @Test func aServerTakesWhatAMeshAsksOfIt() async throws {
        let server = try await server("mesh")
        let layers = try await layers(server, gate: true, standbySlots: ["one", "two"])
        let parameters = layers.resolve()
        let isOlder = layers.known?.parameters["output_plugin_libraries"] == nil
        #expect(parameters.warnings.count == (isOlder ? 1 : 0), "\(parameters.warnings)")
        let folder = FilePath(try server.folder.makeFolder("check", mode: 0o700))
        let check = ParameterCheck(installation: server.installation, folder: folder)
        #expect(await check.refused(parameters.values) == [:])
        try await start(server, parameters)
        var expected = [
            "wal_level": "logical", "track_commit_timestamp": "on", "hot_standby_feedback": "on",
            "shared_preload_libraries": "auto_explain, spock", "max_worker_processes": "24",
            "max_replication_slots": "35", "max_wal_senders": "22", "default_transaction_read_only": "on",
            "spock.enable_ddl_replication": "on", "spock.drop_extra_slots": "off",
            "spock.synchronize_slot_names": "name:-none-",
        ]
        if layers.majorVersion < 17 { expected["spock.pg_standby_slot_names"] = "one, two" }
        if !isOlder {
            expected["output_plugin_libraries"] = "pgoutput, test_decoding, pglogical_output, spock_output"
        }
        for (name, value) in expected {
            let row = try await server.query("SELECT current_setting($1) AS value", [name]).first()
            #expect(row["value"] == value, "\(name)")
        }
        let errors = try await server.query("SELECT FROM pg_file_settings WHERE error IS NOT NULL")
        #expect(errors.rows.isEmpty)
        // As a list, not as one long name.
        try await server.query("SELECT pg_create_logical_replication_slot('probe', 'pglogical_output')")
        await server.discard()
    }

    @Test func theClientGateOpensAndClosesForSessionsThatAreThere() async throws {
        let server = try await server("client-gate")
        try await start(server, try await layers(server, gate: false).resolve())
        let session = try await server.connect()
        _ = try await session.query("CREATE TABLE rows(n int)", deadline: .seconds(5))

        try await reload(server, gate: true)
        func isReadOnly() async throws -> Bool {
            do { _ = try await session.query("INSERT INTO rows VALUES (1)", deadline: .seconds(5)) } catch {
                #expect(error.sqlState == "25006")
                return true
            }
            return false
        }
        try await eventually("a session that is there may not write") { try await isReadOnly() }
        let refused = await #expect(throws: PostgresError.self) {
            try await server.query("INSERT INTO rows VALUES (2)")
        }
        #expect(refused?.sqlState == "25006")

        // What moves WAL beyond the peers' origins goes on.
        let before = try await position(server)
        for _ in 0..<2 {
            try await server.query("SELECT pg_logical_emit_message(false, 'matriarch', 'burn')")
            try await server.query("SELECT pg_switch_wal()")
        }
        #expect(try await position(server).rawValue >= before.rawValue + (16 << 20))

        try await reload(server, gate: false)
        try await eventually("the session writes again") { try await !isReadOnly() }
        try await server.query("INSERT INTO rows VALUES (3)")
        await session.close()
        await server.discard()
    }

    @Test func whatSomebodySetInTheServerKeepsNoGateOpen() async throws {
        let server = try await server("gate-auto")
        let layers = try await layers(server, gate: true)
        try await start(server, layers.resolve())
        try await server.query("ALTER SYSTEM SET default_transaction_read_only = off")
        func isClosed() async throws -> Bool {
            try await server.query("SHOW default_transaction_read_only").first()["default_transaction_read_only"]
                == "on"
        }
        server.signal(SIGHUP)
        try await eventually("it wins over the file") { try await !isClosed() }
        let stripped = try await server.config.stripAutoConf(also: layers.ownNames)
        #expect(stripped == ["default_transaction_read_only"])
        server.signal(SIGHUP)
        try await eventually("the gate is closed") { try await isClosed() }
        await server.discard()
    }

    private func position(_ server: PostgresInstance) async throws -> LSN {
        let row = try await server.query("SELECT pg_current_wal_insert_lsn() AS lsn").first()
        return try #require(LSN(try row.text("lsn")))
    }
}
