import AdminModel
import Agent
import LocalConfiguration
import CPlatform
import Foundation
import LibPQ
import PostgresControl
import SystemPackage

/// From the user's command to a supervised agent: check everything first, then become the supervisor with the same pid.
enum Launch {
    /// Reads the configuration, and with `checksDisk` what it names on this machine; ends the process with code 1 and
    /// every problem on stderr when it does not hold.
    static func load(_ path: String?, checksDisk: Bool) -> AgentConfig {
        do throws(ConfigError) {
            let loaded = try loader(path).load()
            guard checksDisk else { return loaded.config }
            let problems = diskProblems(loaded.config, path)
            guard problems.isEmpty else { throw ConfigError(problems) }
            for notice in loaded.notices { complain("\(notice)") }
            return loaded.config
        } catch {
            fail(error.problems.map(\.description))
        }
    }

    /// `--validate-config`: silent when all of it holds; else a line for each problem, as Patroni writes them.
    /// - Parameter prints: what was read, without secrets, when it holds.
    static func validate(_ path: String?, ignoresListenPorts: Bool, prints: Bool) async {
        do throws(ConfigError) {
            let loader = loader(path)
            let config = try loader.load().config
            let source = path ?? "environment"
            var problems = ConfigValidator.checkAddresses(config, source: source) + diskProblems(config, path)
            problems += await ConfigValidator.checkVersion(config, source: source)
            problems += await ConfigValidator.checkNetwork(
                config, ignoresListenPorts: ignoresListenPorts, environment: environment, source: source)
            guard problems.isEmpty else { throw ConfigError(problems) }
            if prints { print(try loader.shown(), terminator: "") }
        } catch {
            fail(error.problems.map(\.validatorLine))
        }
    }

    private static func diskProblems(_ config: AgentConfig, _ path: String?) -> [ConfigProblem] {
        let source = path ?? "environment"
        return ConfigValidator.checkDisk(config, searchPath: environment["PATH"] ?? "", source: source)
            + ConfigValidator.checkFiles(config, source: source)
            + ConfigValidator.checkMesh(config, source: source)
    }

    /// Remembers the variables, so that each reload sees them.
    static func loader(_ path: String?) -> ConfigLoader {
        ConfigLoader(path: path, environment: environment, sealed: sealedVariables())
    }

    /// Puts the `PATRONI_*` variables into sealed memory, so that no child has them in its environment, and executes
    /// the supervisor, which starts this program again as the agent (design/rulings, Processes).
    static func becomeSupervisor(_ path: String?, _ config: AgentConfig) -> Never {
        let runtime = prepareRuntime(config)
        let secrets = seal(environment.filter { $0.key.hasPrefix("PATRONI_") })
        for name in environment.keys where name.hasPrefix("PATRONI_") { unsetenv(name) }
        var arguments = [keeper.string, "supervise", "--runtime", runtime.path.string]
        if let secrets { arguments += ["--secrets-fd", String(secrets)] }
        arguments += ["--", own.string, "--agent-process"] + (path.map { [absolute($0)] } ?? [])
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        execv(keeper.string, &pointers)
        fail(["cannot execute \(keeper): \(String(cString: strerror(errno)))"])
    }

    static func prepareRuntime(_ config: AgentConfig) -> RuntimeFolder {
        guard geteuid() != 0 else {
            fail(["PostgreSQL does not run as root: start matriarch as the user that owns the data directory"])
        }
        do throws(KeeperError) {
            return try RuntimeFolder.prepare(
                configured: config.matriarch.runtimeDir, dataDirectory: FilePath(config.postgresql.dataDir),
                environment: environment)
        } catch {
            fail([error.message])
        }
    }

    /// The programs of one version lie side by side.
    static var own: FilePath {
        FilePath(
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0])
    }
    static var keeper: FilePath { own.removingLastComponent().appending("matriarch-keeper") }

    static func sample() -> String {
        let folder = (try? Installation.find())?.binDir.string ?? "#FIXME"
        return SampleConfig.text(name: ProcessInfo.processInfo.hostName, address: address(), binDir: folder)
    }

    /// From the server that `dsn` names, and libpq's variables.
    static func generated(_ dsn: String?) async -> String {
        guard var connection = ConnectionInfo(parsing: dsn ?? "") else {
            fail(["Failed to parse DSN string: it must be KEYWORD=VALUE pairs or a postgresql:// URI"])
        }
        let variables = environment
        connection["user"] = connection["user"] ?? variables["PGUSER"] ?? variables["PATRONI_SUPERUSER_USERNAME"]
        if connection.password == nil {
            connection["password"] =
                variables["PGPASSWORD"] ?? variables["PATRONI_SUPERUSER_PASSWORD"] ?? Terminal.password()
        }
        do throws(ServerSurvey.Refused) {
            let survey = try await ServerSurvey(connection)
            return GeneratedConfig.text(
                survey, connection: connection, name: ProcessInfo.processInfo.hostName, address: address(),
                variables: variables)
        } catch {
            fail([error.description])
        }
    }

    /// The first address of this host's name, of IPv4 if it has one.
    private static func address() -> String {
        let addresses = Host(name: ProcessInfo.processInfo.hostName).addresses
        return addresses.first { !$0.contains(":") } ?? addresses.first.map { "[\($0)]" } ?? "#FIXME"
    }

    /// To standard output without a path; folders on the way are made.
    static func deliver(_ text: String, to path: String?) {
        guard let path else { return print(text, terminator: "") }
        do {
            let file = URL(filePath: absolute(path))
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            // Passwords may be in it.
            umask(0o077)
            try text.write(to: file, atomically: true, encoding: .utf8)
        } catch {
            fail(["\(path): \(error)"])
        }
    }

    static var environment: [String: String] { ProcessInfo.processInfo.environment }

    private static func sealedVariables() -> [String: String] {
        guard let descriptor = environment[SealedVariables.variable].flatMap({ CInt($0) }) else { return [:] }
        do throws(SealedVariables.Failure) {
            return try SealedVariables.read(descriptor)
        } catch {
            fail(["\(error)"])
        }
    }

    private static func seal(_ variables: [String: String]) -> CInt? {
        guard !variables.isEmpty else { return nil }
        let descriptor = matriarch_memfd_create("matriarch-variables")
        let bytes = SealedVariables.encode(variables)
        guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count,
            matriarch_memfd_seal(descriptor) == 0
        else { fail(["cannot put the PATRONI_ variables into sealed memory: \(String(cString: strerror(errno)))"]) }
        return descriptor
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }

    static func complain(_ line: String) { FileHandle.standardError.write(Data("matriarch: \(line)\n".utf8)) }

    static func fail(_ lines: [String]) -> Never {
        for line in lines { FileHandle.standardError.write(Data((line + "\n").utf8)) }
        exit(1)
    }
}
