import Foundation
public import LibPQ

/// One member of a test's cluster, and the processes that come from its program.
///
/// They are found by what this harness started, by the node's own path of the program and by its data directory, never
/// by a name that another cluster on the machine may share.
public final class ClusterNode: Sendable {
    public let place: NodePlace
    public var name: String { place.name }
    public var port: UInt16 { place.port }
    public var restPort: UInt16 { place.restPort }
    public var dataDirectory: String { place.dataDirectory }

    private let cluster: TemporaryFolder
    private let ownCommand: AgentCommand
    /// What runs, or is to be started next.
    private let present: Locked<AgentCommand>
    private var command: AgentCommand { present.withLock { $0 } }
    private let superuser: ConnectionInfo
    private let probe: Certificates.Files?
    private let launcher: [String]
    private let environment: [String: String]
    private let process = Locked<UnprivilegedProcess?>(nil)

    /// Makes the folder and the YAML file; nothing is started.
    init(_ name: String, in cluster: TemporaryFolder, settings: ClusterSettings, zooKeeper: String) throws {
        let folder = try cluster.makeFolder(name)
        place = NodePlace(name: name, folder: folder, port: try FreePort.next(), restPort: try FreePort.next())
        self.cluster = cluster
        try cluster.makeFolder("\(name)/run", mode: 0o700)
        ownCommand = try AgentCommand.shared.get().linked(into: try cluster.makeFolder("\(name)/bin"))
        present = Locked(ownCommand)
        superuser = ConnectionInfo([
            ("dbname", "postgres"), ("user", "postgres"), ("password", settings.passwords.superuser),
            ("host", "127.0.0.1"), ("port", String(place.port)), ("application_name", "test"),
        ])
        environment = settings.environment(for: place)
        probe = settings.probe
        launcher = settings.launcher
        try write(configuration: try settings.yaml(for: place, zooKeeper: zooKeeper))
    }

    /// Replaces the YAML file.
    public func write(configuration: String) throws {
        try cluster.write("\(name)/\(name).yml", configuration, mode: 0o600)
    }

    /// The text of the YAML file.
    public var configuration: String { cluster.read("\(name)/\(name).yml") ?? "" }

    // MARK: The program

    /// Starts the program; returns at once.
    /// - Parameter other: instead of the program under test, such as Patroni.
    public func start(_ other: AgentCommand? = nil) throws {
        present.withLock { $0 = other ?? ownCommand }
        let line = launcher + [command.executable, place.configuration]
        let started = try UnprivilegedProcess.start(
            line[0], Array(line.dropFirst()), environment: environment, folder: place.folder, output: place.log
        )
        process.withLock { $0 = started }
    }

    /// SIGTERM, and waits for the program's end and for that of its PostgreSQL.
    @discardableResult
    public func stop(
        within deadline: Duration = AgentCommand.deadline()
    ) async throws -> UnprivilegedProcess.ExitStatus {
        guard let running = process.withLock({ $0 }) else { throw SupportError("\(name) was not started") }
        running.signal(SIGTERM)
        let status = try await running.wait(within: deadline)
        try await eventually("no process of \(name) is left", within: deadline, pace: .milliseconds(20)) {
            everything().isEmpty
        }
        return status
    }

    /// Puts new files in the place of the programs, as the upgrade of a package does, and tells the supervisor.
    public func upgrade() throws {
        guard let folder = command.folder, let supervisor else { throw SupportError("\(name) has no supervisor") }
        for program in AgentCommand.programs {
            let (path, new) = ("\(folder)/\(program)", "\(folder)/\(program).new")
            try FileManager.default.copyItem(atPath: path, toPath: new)
            guard rename(new, path) == 0 else {
                throw SupportError("rename \(new): \(String(cString: strerror(errno)))")
            }
        }
        ProcessTable.signal(SIGUSR2, supervisor)
    }

    /// Starts its PostgreSQL as it was last started, without the program.
    public func runAlone() throws -> UnprivilegedProcess {
        // One line: the program, and each argument in quotation marks.
        guard let line = cluster.read("\(name)/data/postmaster.opts")?.split(separator: "\n").first,
            let program = line.split(separator: " ").first
        else { throw SupportError("\(name) has no postmaster.opts") }
        let arguments = line.split(separator: "\"").dropFirst().filter { $0 != " " }.map(String.init)
        return try UnprivilegedProcess.start(String(program), arguments, folder: place.folder, output: place.log)
    }

    /// How the program ended; nil while it runs or before its start.
    public var exitStatus: UnprivilegedProcess.ExitStatus? { process.withLock { $0 }?.exitStatus }
    public var isRunning: Bool { process.withLock { $0 }?.isRunning ?? false }

    /// What the user started: with this project's program, the supervisor.
    public var supervisor: ProcessTable.Entry? {
        guard let running = process.withLock({ $0 }), running.isRunning else { return nil }
        // A launcher stays as the parent of what it launched.
        return launcher.isEmpty ? ProcessTable.entry(running.pid) : ProcessTable().children(of: running.pid).first
    }

    /// The supervisor's child that decides; for a foreign command the program itself.
    public var agent: ProcessTable.Entry? {
        guard let supervisor else { return nil }
        guard let folder = command.folder else { return supervisor }
        // As process 1 the supervisor has adopted the keeper, too.
        let table = ProcessTable()
        let own = Set(table.running("\(folder)/matriarch").map(\.pid))
        return table.children(of: supervisor.pid).first { own.contains($0.pid) && $0.state != "Z" }
    }

    /// PostgreSQL's parent; nil when there is none, and for a foreign command.
    public var keeper: ProcessTable.Entry? {
        guard let folder = command.folder else { return nil }
        let table = ProcessTable()
        let own = Set(supervisor.map { [$0.pid] } ?? [])
        // A child of the keeper that has not yet executed something else shows the same program.
        let found = table.running("\(folder)/matriarch-keeper").filter { !own.contains($0.pid) }
        return found.first { entry in !found.contains { $0.pid == entry.parent } }
    }

    /// The process that `postmaster.pid` names, if it works in the data directory.
    public var postmaster: ProcessTable.Entry? {
        guard let line = cluster.read("\(name)/data/postmaster.pid")?.split(separator: "\n").first,
            let pid = pid_t(line)
        else { return nil }
        return ProcessTable().working(in: dataDirectory).first { $0.pid == pid }
    }

    /// A child of the postmaster whose title contains these words, such as "walreceiver".
    public func backend(_ words: String) -> ProcessTable.Entry? {
        guard let postmaster else { return nil }
        return ProcessTable().children(of: postmaster.pid).first {
            ProcessTable.commandLine($0.pid)?.contains(words) == true
        }
    }

    /// Every process of this node, PostgreSQL's backends included.
    public func everything() -> Set<ProcessTable.Entry> {
        let table = ProcessTable()
        var found = Set(table.working(in: dataDirectory))
        if let folder = command.folder {
            for program in AgentCommand.programs { found.formUnion(table.running("\(folder)/\(program)")) }
        }
        if let supervisor { found.insert(supervisor) }
        return table.tree(Set(found.map(\.pid))).union(found).filter { $0.state != "Z" }
    }

    // MARK: Faults

    /// SIGKILL of the whole node at once, again until nothing is left: what a power failure leaves of it.
    public func kill() async throws {
        try await eventually("no process of \(name) is left", within: .seconds(20), pace: .milliseconds(10)) {
            let left = everything().union(supervisor.map { [$0] } ?? [])
            // The program first: nobody of the rest may start something in between.
            if let supervisor { ProcessTable.signal(SIGKILL, supervisor) }
            for entry in left.sorted(by: { $0.started < $1.started }) { ProcessTable.signal(SIGKILL, entry) }
            return left.isEmpty
        }
    }

    /// SIGKILL of one process.
    /// - Throws: `SupportError` when there is none.
    public func kill(_ part: KeyPath<ClusterNode, ProcessTable.Entry?>, _ words: String) throws {
        guard let entry = self[keyPath: part], ProcessTable.signal(SIGKILL, entry) else {
            throw SupportError("\(name) has no \(words)")
        }
    }

    // MARK: What it shows

    /// The superuser's connection, password included.
    public var conninfo: ConnectionInfo { superuser }

    /// One statement on a connection of its own.
    @discardableResult
    public func query(
        _ sql: String, _ parameters: [String?] = [], deadline: Duration = .seconds(5)
    ) async throws -> QueryResult {
        let connection = try await PostgresConnection.connect(superuser, deadline: deadline)
        do {
            let result = try await connection.query(sql, parameters, deadline: deadline)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    /// How the program, or what was put before it, ended.
    public func end(within deadline: Duration = AgentCommand.deadline()) async throws -> UnprivilegedProcess.ExitStatus
    {
        guard let running = process.withLock({ $0 }) else { throw SupportError("\(name) was not started") }
        return try await running.wait(within: deadline)
    }

    /// The status of a REST request; nil when nothing answers.
    public func rest(_ target: String, _ method: String = "GET") async -> Int? {
        guard let probe else { return await HTTPProbe.status(method, target, port: restPort) }
        return try? await HTTPProbe.secure(method, target, port: restPort, identity: probe).status
    }

    /// Everything the program and PostgreSQL said so far.
    public var logText: String { cluster.read("\(name)/\(name).log") ?? "" }

    /// What was said since `text` was taken with ``logText``.
    public func logText(since text: String) -> Substring { logText.dropFirst(text.count) }

    /// The end of the log, for a failed test's report.
    public func logTail(_ lines: Int = 60) -> String {
        let all = logText.split(separator: "\n", omittingEmptySubsequences: false)
        return all.suffix(lines).joined(separator: "\n")
    }
}
