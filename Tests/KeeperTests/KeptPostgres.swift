import CPlatform
import Foundation
import HACore
import PostgresControl
import Support
import SystemPackage
import Testing

let serverPrograms = "/usr/lib/postgresql/15/bin"

/// initdb takes most of a second: once for all tests.
private let template = Task {
    let folder = try TemporaryFolder("keeper-template")
    let data = folder.path("data")
    let status = try await UnprivilegedProcess.start(
        "\(serverPrograms)/initdb", ["-D", data, "-A", "trust", "-N", "-U", "postgres", "--no-instructions"],
        output: folder.path("initdb.log")
    ).wait(within: .seconds(30))
    guard status == .exited(0) else { throw SupportError(folder.read("initdb.log") ?? "initdb failed") }
    return folder
}

func now() -> Instant { Instant(nanoseconds: matriarch_boottime_ns()) }

extension KeeperProgram {
    func initialize() async throws {
        try await run("/bin/cp", ["-a", template.value.path("data"), data])
    }

    var arguments: [String] {
        [
            "\(serverPrograms)/postgres", "-D", data, "-p", "\(port)", "-c", "listen_addresses=127.0.0.1",
            "-c", "unix_socket_directories=", "-c", "cluster_name=startup", "-c", "fsync=off",
            "-c", "logging_collector=on", "-c", "log_directory=\(folder.path)", "-c", "log_filename=server.log",
            "-c", "wal_retrieve_retry_interval=5s", "-c", "wal_keep_size=64MB",
        ]
    }

    @discardableResult
    func start(
        _ client: KeeperClient, as role: StartRole, epoch: Int64 = 1, gate: KeeperGate? = nil
    ) async throws -> Int32 {
        var environment = ["LC_ALL": "C", "PATH": "/usr/bin:/bin"]
        environment["PGSERVICEFILE"] = gate?.serviceFile.string
        let pid = try await client.start(
            as: role, epochZxid: epoch, dataDirectory: FilePath(data), arguments: arguments,
            environment: environment, gate: gate)
        try await eventually("PostgreSQL accepts connections") { try await self.isReady() }
        return pid
    }

    func isReady() async throws -> Bool {
        let ready = try UnprivilegedProcess.start(
            "\(serverPrograms)/pg_isready", ["-q", "-h", "127.0.0.1", "-p", "\(port)"], output: "/dev/null")
        return try await ready.wait() == .exited(0)
    }

    /// Attached, armed for `lease`, running as primary.
    func primary(lease: Duration = .seconds(30)) async throws -> (KeeperClient, postmaster: Int32) {
        try await initialize()
        try await startKeeper()
        let client = try await attach()
        try await client.arm(until: now() + lease, epochZxid: 1)
        return (client, try await start(client, as: .primary))
    }

    private func psql(_ statement: String) -> [String] {
        ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", "\(port)", "-U", "postgres"]
            + ["-d", "postgres", "-c", statement]
    }

    @discardableResult
    func sql(_ statement: String) async throws -> String {
        try await run("\(serverPrograms)/psql", psql(statement)).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// A backend that commits without ever listening to its client: it outlives a killed postmaster for seconds.
    func busyBackend() async throws -> UnprivilegedProcess {
        try await sql("create table ticks(at timestamptz default clock_timestamp())")
        let loop = "do $$ begin loop insert into ticks default values; commit; end loop; end $$"
        let writer = try UnprivilegedProcess.start(
            "\(serverPrograms)/psql", psql(loop), output: folder.path("writer.log"))
        try await eventually("the loop writes") { try await self.sql("select count(*) > 100 from ticks") == "t" }
        return writer
    }

    /// Turns the (not yet existing) data directory into a standby of `primary`.
    func clone(from primary: KeeperProgram, _ client: KeeperClient) async throws {
        let source = "host=127.0.0.1 port=\(primary.port) user=postgres"
        let status = try await client.runTool(
            arguments: [
                "\(serverPrograms)/pg_basebackup", "-D", data, "-d", source, "-R", "-X", "stream", "-c", "fast", "-N",
            ],
            environment: ["LC_ALL": "C", "PATH": "/usr/bin:/bin"], output: runtime.toolOutput("pg_basebackup"),
            deadline: .seconds(20))
        try #require(status == 0, "\(folder.read("run/pg_basebackup.out") ?? "")")
    }
}

extension KeeperClient {
    /// Waits for an event; those before it are passed over.
    func event(
        _ awaited: String, within deadline: Duration = .seconds(5),
        _ wanted: @escaping @Sendable (KeeperEvent) -> Bool
    ) async throws -> KeeperEvent {
        let events = self.events
        return try await withThrowingTaskGroup(of: KeeperEvent?.self) { group in
            group.addTask {
                for await event in events where wanted(event) { return event }
                return nil
            }
            group.addTask {
                try await Task.sleep(for: deadline)
                return nil
            }
            defer { group.cancelAll() }
            guard let event = try await group.next() ?? nil else {
                throw SupportError("not within \(deadline): \(awaited)")
            }
            return event
        }
    }

    func empty(within deadline: Duration = .seconds(5)) async throws {
        _ = try await event("nothing of PostgreSQL is left", within: deadline) { $0 == .empty }
    }

    func fenced(within deadline: Duration = .seconds(5)) async throws -> (lateBy: Duration, why: FenceCause) {
        let event = try await event("the keeper fences", within: deadline) {
            if case .fenced = $0 { true } else { false }
        }
        guard case .fenced(let lateBy, let why) = event else { throw SupportError("not a fence: \(event)") }
        return (lateBy, why)
    }
}

/// Expects a refusal of the keeper with this code.
func refused(_ code: KeeperError.Code, _ body: () async throws -> Void) async {
    await #expect(
        performing: { try await body() },
        throws: { ($0 as? KeeperError)?.code == code && ($0 as? KeeperError)?.outcome == .didNotHappen })
}

/// False for a zombie, too: an orphan's may wait for seconds until the system's first process reaps it.
func isAlive(_ pid: pid_t) -> Bool {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
    return stat[stat.index(after: stat.lastIndex(of: ")") ?? stat.startIndex)...].hasPrefix(" Z") == false
}
