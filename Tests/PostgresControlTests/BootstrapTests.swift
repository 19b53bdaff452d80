import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage
import Testing

@Suite(.serialized, .timeLimit(.minutes(3)))
struct BootstrapTests {
    private static let users = DatabaseUsers(
        superuser: .init(name: "boss", password: Secret("b'oss\\ 1")),
        replication: .init(name: "re\"pl", password: Secret("repl: 2")),
        rewind: .init(name: "rewinder", password: Secret("rewind 3")))

    private func bootstrapper(_ server: PostgresInstance) -> Bootstrapper {
        Bootstrapper(
            installation: server.installation, dataDirectory: server.directory, runner: UnprivilegedRunner(),
            output: server.path("initdb.log"))
    }

    @Test func makesAClusterItsUsersAndAReplicationLogin() async throws {
        let server = try await PostgresInstance("bootstrap", empty: true)
        #expect(await server.inspector.inspect(server.directory) == .empty)
        try await bootstrapper(server).initdb(
            options: [.flag("data-checksums"), .value("auth", "scram-sha-256"), .value("encoding", "'UTF8'")],
            superuser: PostgresInstance.superuser, password: Secret(PostgresInstance.password),
            deadline: .seconds(60))
        let entries = try FileManager.default.contentsOfDirectory(atPath: server.folder.path).sorted()
        #expect(entries == ["data", "initdb.log"], "neither staging nor password file stays")
        guard case .ready(let control) = await server.inspector.inspect(server.directory) else {
            Issue.record("not ready")
            return
        }
        #expect(control.state == .shutDown && control.allowsRewind && control.timeline == Timeline(1))

        try await server.config.appendHostBasedAccess(["host replication all 127.0.0.1/32 scram-sha-256"])
        try await server.config.appendHostBasedAccess(["host replication all 127.0.0.1/32 scram-sha-256"])
        let hba = try String(contentsOfFile: server.dataDirectory + "/pg_hba.conf", encoding: .utf8)
        #expect(hba.components(separatedBy: "host replication all 127.0.0.1/32 scram-sha-256").count == 2)

        try await server.start(["log_statement": "all", "synchronous_standby_names": "nobody"])
        let connection = try await server.connect()
        for _ in 0..<2 { try await Self.users.create(on: connection, deadline: .seconds(5)) }
        let log = try String(contentsOfFile: server.log, encoding: .utf8)
        for user in [Self.users.superuser, Self.users.replication, Self.users.rewind] {
            let password = try #require(user?.password).reveal()
            #expect(!log.contains(password))
        }
        #expect(!log.contains("SCRAM-SHA-256$"))
        try await login(server, "boss", "b'oss\\ 1", sql: "SELECT 1 FROM pg_control_system()")
        try await login(server, "rewinder", "rewind 3", sql: "SELECT pg_read_binary_file('PG_VERSION')")
        try await login(server, "rewinder", "rewind 3", sql: "SELECT pg_ls_dir('.', true, false)")
        let target = server.conninfo.with("user", "re\"pl").with("password", "repl: 2")
        let (identity, history) = try await TimelineReader(target: target).read()
        #expect(identity.systemIdentifier == control.systemIdentifier)
        #expect(history == TimelineHistory(timeline: Timeline(1), forks: []))
        await server.discard()
    }

    private func login(_ server: PostgresInstance, _ user: String, _ password: String, sql: String) async throws {
        let info = server.conninfo.with("user", user).with("password", password)
        let connection = try await PostgresConnection.connect(info, deadline: .seconds(5))
        #expect(try await !connection.query(sql, deadline: .seconds(5)).rows.isEmpty)
    }

    @Test func aFailedUserChangesNothingAndLeavesTheSessionUsable() async throws {
        let server = try await PostgresInstance("users")
        try await server.start()
        let connection = try await server.connect()
        let users = DatabaseUsers(
            superuser: nil, replication: .init(name: "repl", password: nil),
            rewind: .init(name: "pg_reserved", password: nil))
        let error = await #expect(throws: PostgresError.self) {
            try await users.create(on: connection, deadline: .seconds(5))
        }
        #expect(error?.sqlState == "42939")
        let roles = try await connection.query("SELECT FROM pg_roles WHERE rolname = 'repl'", deadline: .seconds(5))
        #expect(roles.rows.isEmpty)
        await server.discard()
    }

    @Test func aFailedInitdbLeavesNoDataDirectory() async throws {
        let server = try await PostgresInstance("initdb-fails", empty: true)
        let error = await #expect(throws: PostgresControlError.self) {
            try await bootstrapper(server).initdb(
                options: [.value("encoding", "nonsense")], superuser: nil, password: Secret("hush"),
                deadline: .seconds(60))
        }
        #expect(error?.code == .tool)
        #expect(error?.message.contains("exit code 1") == true)
        #expect(await server.inspector.inspect(server.directory) == .empty)
        #expect(!FileManager.default.fileExists(atPath: server.folder.path("initdb.log.password")))
        // The next try is not disturbed by what a killed one left.
        try server.folder.makeFolder("data.new", mode: 0o700)
        try server.folder.write("data.new/leftover", "x")
        try await bootstrapper(server).initdb(options: [], superuser: "x", password: nil, deadline: .seconds(60))
        let again = await #expect(throws: PostgresControlError.self) {
            try await bootstrapper(server).initdb(options: [], superuser: "x", password: nil, deadline: .seconds(60))
        }
        #expect(again?.code == .wrongState)
        server.folder.remove()
    }
}
