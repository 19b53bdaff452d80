import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage
import Testing

@Suite(.serialized, .timeLimit(.minutes(3)))
struct MeshServerStatusTests {
    @Test func tellsAPrimaryItsStandbysAndItsFork() async throws {
        let primary = try await PostgresInstance("mesh-primary")
        try await primary.start(["wal_level": "logical"])
        let standby = try await primary.makeStandby("mesh-standby")
        let connection = try await primary.connect()
        // A peer's worker streams as well, from a database.
        try await connection.query(
            "SELECT pg_create_logical_replication_slot('peer', 'test_decoding')", deadline: .seconds(20))
        let passfile = try await primary.upstream().passfile?.string ?? ""
        let target = "host=127.0.0.1 port=\(primary.port) user=postgres dbname=postgres passfile=\(passfile)"
        let peer = try UnprivilegedProcess.start(
            "\(primary.binaries)/pg_recvlogical", ["--dbname=\(target)", "--slot=peer", "--start", "--file=/dev/null"],
            folder: primary.folder.path, output: primary.folder.path("peer.log"))
        let status = try await eventually("both stream") { () -> MeshServerStatus? in
            let seen = try await connection.query(
                "SELECT FROM pg_stat_replication WHERE state = 'streaming'", deadline: .seconds(5))
            return seen.rows.count == 2 ? try await MeshServerStatus.read(connection, deadline: .seconds(5)) : nil
        }
        let probe = try await StatusProbe.read(connection, deadline: .seconds(5))
        #expect(status.systemIdentifier == probe.systemIdentifier && status.version == probe.serverVersion)
        #expect(status.timeline == Timeline(1) && !status.clientsAreShut)
        #expect(status.standbys.keys.sorted() == ["mesh-standby"])
        #expect(status.standbys.values.allSatisfy { $0 > .zero && $0 <= status.position })
        let files = TimelineFiles(dataDirectory: standby.directory)
        #expect(try await files.fork(of: Timeline(1)) == nil)
        await #expect(throws: PostgresControlError.self) { try await files.fork(of: Timeline(2)) }

        let follower = try await standby.connect()
        let refused = await #expect(throws: PostgresError.self) {
            try await MeshServerStatus.read(follower, deadline: .seconds(5))
        }
        #expect(refused?.sqlState == "55000", "no primary")
        try await peer.end()
        try await primary.stop()
        try await follower.query("SELECT pg_promote()", deadline: .seconds(30))
        let promoted = try await MeshServerStatus.read(follower, deadline: .seconds(5))
        let history = try #require(try await files.history(of: Timeline(2)))
        let fork = try #require(try await files.fork(of: Timeline(2)))
        #expect(promoted.timeline == Timeline(2) && promoted.standbys == [:])
        #expect(fork >= status.position && fork < promoted.position)
        let server = promoted.server(history: history, readsServices: true)
        #expect(history.switchPoint(of: Timeline(1)) == fork)
        #expect(
            server.forkedAt == fork && server.history == history && server.readsServices
                && server.position == promoted.position)
        for instance in [standby, primary] { await instance.discard() }
    }

    @Test func seesTheGateOfClientsPastItsOwnSettings() async throws {
        let server = try await PostgresInstance("mesh-gate")
        try await server.start()
        func connect(_ setting: String?) async throws -> PostgresConnection {
            let plain = server.conninfo
            let info = setting.map { plain.withSetting("default_transaction_read_only", $0) } ?? plain
            return try await PostgresConnection.connect(info, deadline: .seconds(5))
        }
        let plain = try await connect(nil)
        let all = [plain, try await connect("off"), try await connect("on")]
        func answers() async throws -> [Bool] {
            var answers: [Bool] = []
            for connection in all {
                answers.append(try await MeshServerStatus.read(connection, deadline: .seconds(5)).clientsAreShut)
            }
            return answers
        }
        #expect(try await answers() == [false, false, false])
        for (value, isShut) in [("on", true), ("off", false)] {
            let file = server.folder.read("data/postgresql.conf") ?? ""
            try server.folder.write(
                "data/postgresql.conf", file + "default_transaction_read_only = \(value)\n", mode: 0o600)
            server.signal(SIGHUP)
            try await eventually("the configuration is read again") {
                try await answers() == [isShut, isShut, isShut]
            }
        }
        // A role's own setting is not everybody's.
        try await all[1].query(
            "ALTER ROLE postgres SET default_transaction_read_only = on", deadline: .seconds(5))
        let own = try await connect(nil)
        #expect(try await MeshServerStatus.read(own, deadline: .seconds(5)).clientsAreShut == false)
        await server.discard()
    }

    @Test func workSessionsWriteBehindTheGate() async throws {
        let server = try await PostgresInstance("mesh-work")
        try await server.start(["default_transaction_read_only": "on"])
        let refused = await #expect(throws: PostgresError.self) { try await server.query("CREATE TABLE t (a int)") }
        #expect(refused?.sqlState == "25006")
        let info = server.conninfo.with("options", "-c work_mem=1MB").forMeshWork(in: "postgres")
        let connection = try await PostgresConnection.connect(info, deadline: .seconds(5))
        try await connection.query("CREATE TABLE public.t (a int)", deadline: .seconds(5))
        let row = try await connection.query(
            """
            SELECT current_setting('work_mem') AS a, current_setting('synchronous_commit') AS b,
              current_setting('search_path') AS c, current_setting('jit') AS d
            """, deadline: .seconds(5)
        ).first()
        #expect(row.values == ["1MB", "local", "pg_catalog", "off"])
        await server.discard()
    }
}
