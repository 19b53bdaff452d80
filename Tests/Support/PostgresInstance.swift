import Foundation
public import LibPQ

/// A real PostgreSQL server on 127.0.0.1 that runs as the unprivileged user, in a folder of its own.
///
/// The cluster is made once per process and binaries, and copied for each instance, so that all instances of one process
/// are of one cluster (the same system identifier).
public final class PostgresInstance: Sendable {
    /// The programs' folder: of the environment variable MATRIARCH_TEST_POSTGRES_BIN, else of the newest version installed.
    public static let installedBinaries: String? = {
        if let chosen = ProcessInfo.processInfo.environment["MATRIARCH_TEST_POSTGRES_BIN"] { return chosen }
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap { Int($0) }
        return versions.sorted().reversed().map { "\(root)/\($0)/bin" }
            .first { FileManager.default.isExecutableFile(atPath: "\($0)/postgres") }
    }()

    public static let superuser = "postgres"
    public static let password = "correct horse"

    public let folder: TemporaryFolder
    public let binaries: String
    public let dataDirectory: String
    public let port: UInt16
    /// Where the server's messages go.
    public let log: String
    private let process = Locked<UnprivilegedProcess?>(nil)

    /// Prepares a stopped server.
    /// - Parameters:
    ///   - binaries: the folder of another major version's programs.
    ///   - empty: leaves the data directory out, for tests that make it themselves.
    public init(
        _ name: String, binaries: String? = PostgresInstance.installedBinaries, port: UInt16? = nil,
        empty: Bool = false
    ) async throws {
        guard let binaries else { throw SupportError("no PostgreSQL below /usr/lib/postgresql") }
        self.binaries = binaries
        self.port = try port ?? FreePort.next()
        folder = try TemporaryFolder("postgres-\(name)")
        dataDirectory = folder.path("data")
        log = folder.path("postgresql.log")
        if !empty {
            let template = try await ClusterTemplate.shared.path(binaries)
            try await Self.run("/usr/bin/cp", ["-a", template, dataDirectory], log: log)
        }
    }

    /// The superuser's connection, password included.
    public var conninfo: ConnectionInfo {
        ConnectionInfo([
            ("dbname", "postgres"), ("user", Self.superuser), ("password", Self.password), ("host", "127.0.0.1"),
            ("port", String(port)),
        ])
    }

    public var pid: Int32? { process.withLock { $0?.pid } }
    public var isRunning: Bool { process.withLock { $0?.isRunning ?? false } }

    /// Starts the postmaster and waits until it answers.
    /// - Parameters:
    ///   - settings: given on its command line.
    ///   - environment: what its workers inherit.
    public func start(
        _ settings: [String: String] = [:], environment: [String: String] = [:],
        within deadline: Duration = .seconds(20)
    ) async throws {
        var arguments = ["-D", dataDirectory, "-p", String(port), "-c", "listen_addresses=127.0.0.1"]
        arguments += ["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "wal_log_hints=on"]
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) { arguments += ["-c", "\(name)=\(value)"] }
        try await start(arguments: arguments, environment: environment, within: deadline)
    }

    /// Starts the postmaster with exactly these arguments and waits until it answers on `port`.
    public func start(
        arguments: [String], environment: [String: String] = [:], within deadline: Duration = .seconds(20)
    ) async throws {
        let started = try UnprivilegedProcess.start(
            "\(binaries)/postgres", arguments, environment: environment, folder: folder.path, output: log)
        process.withLock { $0 = started }
        try await eventually("PostgreSQL accepts connections, see \(log)", within: deadline, pace: .milliseconds(20)) {
            if let status = started.exitStatus { throw SupportError("postgres ended (\(status)): \(logTail)") }
            guard let connection = try? await connect(deadline: .seconds(2)) else { return false }
            await connection.close()
            return true
        }
    }

    /// A superuser's connection, with `public` as search path.
    public func connect(deadline: Duration = .seconds(5)) async throws -> PostgresConnection {
        try await PostgresConnection.connect(
            conninfo.with("options", "-c search_path=public"), deadline: deadline)
    }

    /// One statement on a connection of its own.
    @discardableResult
    public func query(_ sql: String, _ parameters: [String?] = []) async throws -> QueryResult {
        let connection = try await connect()
        let result = try await connection.query(sql, parameters, deadline: .seconds(10))
        await connection.close()
        return result
    }

    public func signal(_ signal: Int32) { process.withLock { $0 }?.signal(signal) }
    public func freeze() { signal(SIGSTOP) }
    public func thaw() { signal(SIGCONT) }

    /// A fast shutdown; SIGKILL when it takes longer.
    public func stop(within deadline: Duration = .seconds(20)) async throws {
        guard let running = process.withLock({ $0 }) else { return }
        running.thaw()
        running.signal(SIGINT)
        do { try await running.wait(within: deadline) } catch {
            try await running.end()
            throw error
        }
    }

    /// SIGKILL of the postmaster, and waits until none of its children holds the data directory.
    public func kill(within deadline: Duration = .seconds(20)) async throws {
        guard let running = process.withLock({ $0 }) else { return }
        try await running.end()
        try await eventually("the backends of \(dataDirectory) end", within: deadline) { leftovers().isEmpty }
    }

    /// Ends the server and removes its folder. For `defer` in a test's last line of defence.
    public func discard() async {
        try? await stop()
        folder.remove()
    }

    /// The end of the server's log.
    public var logTail: String {
        let lines = (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n") ?? []
        return lines.suffix(12).joined(separator: "\n")
    }

    /// Processes that work in the data directory.
    private func leftovers() -> [String] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.filter { entry in
            guard Int32(entry) != nil else { return false }
            return (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(entry)/cwd")) == dataDirectory
        }
    }

    /// Runs a program as the unprivileged user to its end.
    /// - Throws: `SupportError` with the end of its output when it fails.
    public static func run(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], log: String,
        within deadline: Duration = .seconds(60)
    ) async throws {
        let process = try UnprivilegedProcess.start(executable, arguments, environment: environment, output: log)
        let status = try await process.wait(within: deadline)
        guard status == .exited(0) else {
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            throw SupportError("\(executable): \(status): \(text.suffix(2_000))")
        }
    }
}

/// Clusters to copy from: one for each folder of binaries.
private actor ClusterTemplate {
    static let shared = ClusterTemplate()
    private var making: [String: Task<String, any Error>] = [:]

    func path(_ binaries: String) async throws -> String {
        if let task = making[binaries] { return try await task.value }
        let task = Task { try await Self.make(binaries) }
        making[binaries] = task
        return try await task.value
    }

    private static func make(_ binaries: String) async throws -> String {
        let folder = try TemporaryFolder("cluster")
        let passwords = try folder.write("password", PostgresInstance.password + "\n", mode: 0o600)
        let data = folder.path("data")
        var arguments = ["--pgdata=\(data)", "--username=\(PostgresInstance.superuser)", "--pwfile=\(passwords)"]
        arguments += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        try await PostgresInstance.run("\(binaries)/initdb", arguments, log: folder.path("initdb.log"))
        return data
    }
}
