import Foundation
import LibPQ
import Support

/// pgbench at a fixed rate at one server, so that a fault meets a primary that works. It ends with its server.
final class PgbenchLoad: Sendable {
    /// Transactions a second: two cores that run three servers, agents and the client are busy and not saturated.
    static let rate = 300
    private static let clients = 4

    private let folder: TemporaryFolder
    private let process: UnprivilegedProcess

    /// Makes pgbench's tables anew, so that each round has the same to do, starts it, and waits until its rows flow.
    private static func start(_ server: ConnectionInfo, password: String) async throws -> PgbenchLoad {
        let folder = try TemporaryFolder("pgbench")
        do {
            let load = try await PgbenchLoad(server, password, folder)
            try await load.flows(at: server)
            return load
        } catch {
            folder.remove()
            throw error
        }
    }

    /// Runs `body` beside the load of the mode, if it has one.
    static func running<Value>(
        _ mode: BenchMode, at server: ConnectionInfo, password: String, _ body: (PgbenchLoad?) async throws -> Value
    ) async throws -> Value {
        let load = mode.isLoaded ? try await start(server, password: password) : nil
        let result = await Result { try await body(load) }
        await load?.stop()
        return try result.get()
    }

    private init(_ server: ConnectionInfo, _ password: String, _ folder: TemporaryFolder) async throws {
        guard let host = server["host"], let port = server["port"], let user = server["user"] else {
            throw SupportError("pgbench needs host, port and user of \(server)")
        }
        let program = "\(ClusterSettings().binaries)/pgbench"
        let address = ["--host=\(host)", "--port=\(port)", "--username=\(user)", "postgres"]
        // A colon or backslash would end a field of the file.
        let escaped = password.replacing("\\", with: "\\\\").replacing(":", with: "\\:")
        let environment = ["PGPASSFILE": try folder.write("passwords", "*:*:*:*:\(escaped)\n", mode: 0o600)]
        let log = folder.path("pgbench.log")
        self.folder = folder
        try await PostgresInstance.run(
            program, ["--initialize", "--no-vacuum", "--quiet"] + address, environment: environment, log: log)
        try await Self.checkpoint(server)
        // --skip-some-updates: the others meet in one row, and would measure the wait for its lock.
        process = try UnprivilegedProcess.start(
            program,
            [
                "--no-vacuum", "--skip-some-updates", "--client=\(Self.clients)", "--rate=\(Self.rate)",
                "--time=3600",
            ] + address, environment: environment, folder: folder.path, output: log)
    }

    /// - Throws: `SupportError` when it has ended: the fault would meet an idle server.
    func check() throws {
        if let status = process.exitStatus { throw SupportError("pgbench ended (\(status)): \(logTail)") }
    }

    func stop() async {
        try? await process.end()
        folder.remove()
    }

    /// What the initialisation left to write is not part of a shutdown or a recovery.
    private static func checkpoint(_ server: ConnectionInfo) async throws {
        let connection = try await PostgresConnection.connect(server, deadline: .seconds(5))
        let result = await Result { try await connection.query("CHECKPOINT", deadline: .seconds(60)) }
        await connection.close()
        _ = try result.get()
    }

    /// Waits for the rows of two seconds.
    private func flows(at server: ConnectionInfo) async throws {
        let connection = try await PostgresConnection.connect(server, deadline: .seconds(5))
        let result = await Result {
            try await eventually("pgbench commits", within: .seconds(20), pace: .milliseconds(50)) {
                try check()
                let rows = try await connection.query(
                    "SELECT count(*) AS count FROM public.pgbench_history", deadline: .seconds(5))
                return try rows.first().int64("count") ?? 0 >= 2 * Int64(Self.rate)
            }
        }
        await connection.close()
        do { try result.get() } catch {
            await stop()
            throw error
        }
    }

    private var logTail: String { (folder.read("pgbench.log") ?? "").suffix(1_000).description }
}
