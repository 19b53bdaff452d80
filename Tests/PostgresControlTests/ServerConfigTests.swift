import Foundation
import LibPQ
import PostgresControl
import Support
import SystemPackage
import Testing

@Suite(.serialized, .timeLimit(.minutes(3)))
struct ServerConfigTests {
    private func layers(_ server: PostgresInstance, _ dynamic: [String: String]) -> ParameterLayers {
        ParameterLayers(
            dynamic: dynamic.merging(["fsync": "off", "unix_socket_directories": ""]) { $1 },
            listenAddresses: "127.0.0.1", port: Int(server.port), clusterName: "it's gold", majorVersion: 15)
    }

    @Test func aRealServerReadsBackWhatWasWritten() async throws {
        let server = try await PostgresInstance("conf")
        let odd = [
            "archive_command": "test 'a b' && echo \\\\ \"%p\"\n exit 1", "log_line_prefix": "%m '[%p]' \\ ",
            "archive_mode": "on", "work_mem": "5MB", "max_connections": "30", "my.own": "ünï",
        ]
        let parameters = layers(server, odd).resolve()
        #expect(parameters.warnings == [])
        let original = try String(contentsOfFile: server.dataDirectory + "/postgresql.conf", encoding: .utf8)
        let hba = ["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"]
        let written = try await server.config.write(
            parameters, recovery: nil, hostBasedAccess: hba, userNameMap: ["m a b"])
        #expect(written == [.server, .hostBasedAccess, .userNameMap])
        #expect(server.folder.read("data/postgresql.base.conf") == original)
        let again = try await server.config.write(
            parameters, recovery: nil, hostBasedAccess: hba, userNameMap: ["m a b"])
        #expect(again == [], "nothing differs, nothing is written")
        #expect(server.folder.read("data/postgresql.base.conf") == original, "moved once")

        let command = StartCommand(
            installation: server.installation, config: server.config, parameters: parameters)
        try await server.start(arguments: Array(command.arguments.dropFirst()))
        let settings = odd.merging(["cluster_name": "it's gold", "max_wal_senders": "10"]) { $1 }
        for (name, value) in settings {
            let row = try await server.query("SELECT current_setting($1) AS value", [name]).first()
            #expect(row["value"] == value)
        }
        let errors = try await server.query("SELECT FROM pg_file_settings WHERE error IS NOT NULL")
        #expect(errors.rows.isEmpty)
        let rules = try await server.query("SELECT FROM pg_hba_file_rules WHERE error IS NULL")
        #expect(rules.rows.count == 2)
        #expect(
            try FileManager.default.attributesOfItem(atPath: server.dataDirectory + "/postgresql.conf")[
                .posixPermissions] as? Int == 0o600)
        await server.discard()
    }

    @Test func theServerSaysWhatItKnows() async throws {
        let server = try await PostgresInstance("known", empty: true)
        let known = try await server.installation.knownParameters(including: ["trace_sort", "nonsense", "a.b"])
        #expect(known.hidden == ["trace_sort"])
        #expect(known.parameters["max_connections"]?.context == "postmaster")
        var layers = layers(server, ["nonsense": "1", "trace_sort": "on", "checkpoint_timeout": "1"])
        layers.known = known
        let parameters = layers.resolve()
        #expect(parameters.values["nonsense"] == nil)
        #expect(parameters.values["trace_sort"] == "on")
        #expect(parameters.values["checkpoint_timeout"] == "30")
        #expect(parameters.warnings.count == 2)
        server.folder.remove()
    }

    @Test func aConfThatIncludesTheBaseIsNotItsOwnBase() async throws {
        let server = try await PostgresInstance("base")
        let parameters = layers(server, [:]).resolve()
        _ = try await server.config.write(parameters, recovery: nil)
        let base = try #require(server.folder.read("data/postgresql.base.conf"))
        for file in ["postgresql.base.conf", "pg_hba.conf"] {
            try FileManager.default.removeItem(atPath: server.dataDirectory + "/\(file)")
        }
        _ = try await server.config.write(parameters, recovery: nil)
        #expect(server.folder.read("data/postgresql.base.conf") == base, "comes back from its copy")
        #expect(server.folder.read("data/pg_hba.conf")?.contains("scram-sha-256") == true)
        for file in ["postgresql.base.conf", "postgresql.base.conf.backup"] {
            try FileManager.default.removeItem(atPath: server.dataDirectory + "/\(file)")
        }
        _ = try await server.config.write(parameters, recovery: nil)
        #expect(server.folder.read("data/postgresql.base.conf") == "")
        try await server.start()
        await server.discard()
    }

    @Test func recoverySettingsLeaveTheAutoConf() async throws {
        let server = try await PostgresInstance("auto")
        try await server.start()
        try await server.query("ALTER SYSTEM SET primary_conninfo = 'host=evil'")
        try await server.query("ALTER SYSTEM SET work_mem = '7MB'")
        try await server.stop()
        #expect(try await server.config.stripAutoConf() == ["primary_conninfo"])
        #expect(try await server.config.stripAutoConf() == [])
        try await server.start()
        let row = try await server.query(
            "SELECT current_setting('primary_conninfo') c, current_setting('work_mem') w"
        ).first()
        #expect(row.values == ["", "7MB"])
        await server.discard()
    }

    @Test func aPassfileWithOddPasswordsLogsIn() async throws {
        let server = try await PostgresInstance("passfile")
        try await server.start()
        let connection = try await server.connect()
        let password = Secret("c:olon \\back 'quote")
        let users = DatabaseUsers(superuser: nil, replication: .init(name: "r:r", password: password), rewind: nil)
        try await users.create(on: connection, deadline: .seconds(5))
        let passfile = Passfile(
            path: server.path("pgpass"),
            entries: [.init(host: "127.0.0.1", port: Int(server.port), user: "r:r", password: password)])
        try await passfile.write()
        let upstream = Upstream(host: "127.0.0.1", port: Int(server.port), user: "r:r", passfile: passfile.path)
        // libpq reads the file as this test's user; only its owner and root may.
        let second = try await PostgresConnection.connect(upstream.connection(), deadline: .seconds(5))
        #expect(await second.isUsable)
        let mode = try FileManager.default.attributesOfItem(atPath: passfile.path.string)[.posixPermissions]
        #expect(mode as? Int == 0o600)
        await server.discard()
    }

    @Test func aPassfileThatCannotBeWrittenIsNamedByItsKey() async throws {
        let passfile = Passfile(path: "/nonexistent/pgpass", entries: [])
        let refused = await #expect(throws: PostgresControlError.self) { try await passfile.write() }
        #expect(refused?.message.hasPrefix("postgresql.pgpass: create /nonexistent/pgpass") == true)
        #expect(refused?.outcome == .didNotHappen)
    }
}
