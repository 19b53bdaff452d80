import Foundation
import LibPQ
import Support
import Testing

/// One server for the whole suite: its tests do not change what others see.
private let shared = Task { () throws -> PostgresInstance in
    let server = try await PostgresInstance("libpq")
    try await server.start()
    return server
}

@Suite(.serialized, .timeLimit(.minutes(2)))
struct PostgresConnectionTests {
    @Test func readsRowsColumnsAndNulls() async throws {
        let connection = try await shared.value.connect()
        let result = try await connection.query(
            "SELECT $1::text AS name, 42::bigint AS number, true AS flag, NULL AS nothing, '16/B374D848'::pg_lsn AS lsn",
            ["wörd"], deadline: .seconds(5))
        let row = try result.first()
        #expect(try row.text("name") == "wörd")
        #expect(try row.int64("number") == 42)
        #expect(try row.bool("flag") == true)
        #expect(row["nothing"] == nil)
        #expect(try row.text("lsn") == "16/B374D848")
        #expect(throws: PostgresError.self) { try row.int64("name") }
        #expect(throws: PostgresError.self) { try row.text("nothing") }
        #expect(connection.serverVersion >= 150000)
        await connection.close()
        #expect(await !connection.isUsable)
    }

    @Test func setsTheSessionUp() async throws {
        let server = try await shared.value
        let connection = try await PostgresConnection.connect(
            server.conninfo.with("options", "-c work_mem=1MB"), statementTimeout: .seconds(2), deadline: .seconds(5))
        let row = try await connection.query(
            """
            SELECT current_setting('search_path') p, current_setting('statement_timeout') t,
              current_setting('application_name') n, current_setting('client_encoding') e, current_setting('work_mem') w
            """, deadline: .seconds(5)
        ).first()
        #expect(row.values == ["pg_catalog", "2s", "Matriarch", "UTF8", "1MB"])
    }

    @Test func tellsTheSQLState() async throws {
        let connection = try await shared.value.connect()
        let error = await #expect(throws: PostgresError.self) {
            try await connection.query("SELECT * FROM missing", deadline: .seconds(5))
        }
        #expect(error?.sqlState == "42P01")
        #expect(error?.severity == "ERROR")
        #expect(error?.code == .server)
        #expect(error?.outcome == .didNotHappen)
        #expect(error?.isConnectionLoss == false)
        #expect(await connection.isUsable)
        let seven = try await connection.query("SELECT 7 AS n", deadline: .seconds(5))
        #expect(try seven.first().int64("n") == 7)
    }

    @Test func aRefusedLoginCarriesItsSQLState() async throws {
        let server = try await shared.value
        let wrong = server.conninfo.with("password", "not this one")
        let error = await #expect(throws: PostgresError.self) {
            try await PostgresConnection.connect(wrong, deadline: .seconds(5))
        }
        #expect(error?.code == .connectFailed)
        #expect(error?.sqlState == "28P01")
        #expect(error?.outcome == .didNotHappen)
        #expect(error.map { !"\($0)".contains("not this one") } == true)
        let noDatabase = await #expect(throws: PostgresError.self) {
            try await PostgresConnection.connect(server.conninfo.with("dbname", "no such"), deadline: .seconds(5))
        }
        #expect(noDatabase?.sqlState == "3D000")
    }

    @Test func cancelsAtTheDeadline() async throws {
        let server = try await shared.value
        let connection = try await server.connect()
        let pid = connection.backendPID
        let start = ContinuousClock.now
        let error = await #expect(throws: PostgresError.self) {
            try await connection.query("SELECT pg_sleep(60)", deadline: .milliseconds(200))
        }
        let took = ContinuousClock.now - start
        #expect(error?.code == .timedOut)
        #expect(error?.outcome == .unknown)
        #expect(took >= .milliseconds(200) && took < .seconds(2))
        #expect(await !connection.isUsable)
        let after = await #expect(throws: PostgresError.self) {
            try await connection.query("SELECT 1", deadline: .seconds(1))
        }
        #expect(after?.code == .closed)
        #expect(after?.outcome == .didNotHappen)
        let observer = try await server.connect()
        try await eventually("the server ends the statement") {
            try await observer.query(
                "SELECT 1 FROM pg_stat_activity WHERE pid = $1::int", [String(pid)], deadline: .seconds(5)
            ).rows.isEmpty
        }
    }

    @Test func noticesABackendThatIsTerminated() async throws {
        let server = try await shared.value
        let connection = try await server.connect()
        async let outcome = #expect(throws: PostgresError.self) {
            try await connection.query("SELECT pg_sleep(60)", deadline: .seconds(20))
        }
        let observer = try await server.connect()
        try await eventually("the statement runs") {
            try await !observer.query(
                "SELECT 1 FROM pg_stat_activity WHERE pid = $1::int AND wait_event = 'PgSleep'",
                [String(connection.backendPID)], deadline: .seconds(5)
            ).rows.isEmpty
        }
        try await observer.query(
            "SELECT pg_terminate_backend($1::int)", [String(connection.backendPID)], deadline: .seconds(5))
        let error = await outcome
        #expect(error?.code == .connectionLost)
        #expect(error?.sqlState == "57P01")
        #expect(error?.isConnectionLoss == true)
        #expect(error?.outcome == .unknown)
        #expect(await !connection.isUsable)
    }

    @Test func sendsAndReadsMoreThanTheSocketsBuffersHold() async throws {
        let connection = try await shared.value.connect()
        let text = String(repeating: "0123456789abcdef", count: 1 << 20)
        let row = try await connection.query("SELECT $1::text AS text", [text], deadline: .seconds(30)).first()
        #expect(row["text"] == text)
    }

    @Test func theSimpleProtocolReturnsTheLastResult() async throws {
        let connection = try await shared.value.connect()
        let row = try await connection.simple("SELECT 1 AS a; SELECT 2 AS b", deadline: .seconds(5)).first()
        #expect(row.values == ["2"])
        let error = await #expect(throws: PostgresError.self) {
            try await connection.simple("COPY (SELECT 1) TO STDOUT", deadline: .seconds(5))
        }
        #expect(error?.code == .unexpectedReply)
        #expect(await !connection.isUsable)
    }

    @Test(arguments: ["with space", "quo'te", "back\\slash", "tab\tand =", "'", "ünï\u{1F600}"])
    func oddPasswordsArriveAsTheyAre(password: String) async throws {
        let server = try await shared.value
        let admin = try await server.connect()
        let secret = try await admin.encryptPassword(Secret(password), user: "odd")
        #expect(secret.hasPrefix("SCRAM-SHA-256$"))
        try await admin.simple(
            "DROP ROLE IF EXISTS odd; CREATE ROLE odd LOGIN PASSWORD '\(secret)'", deadline: .seconds(5))
        let info = server.conninfo.with("user", "odd").with("password", password)
        let connection = try await PostgresConnection.connect(info, deadline: .seconds(5))
        let row = try await connection.query("SELECT current_user AS me", deadline: .seconds(5)).first()
        #expect(row["me"] == "odd")
    }
}
