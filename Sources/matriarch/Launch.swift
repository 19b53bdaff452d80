import AdminModel
import Agent
import LocalConfiguration
import CPlatform
import Foundation
import PostgresControl
import SystemPackage

/// From the user's command to a supervised agent: check everything first, then become the supervisor with the same pid.
enum Launch {
    /// Reads and checks the configuration; ends the process with code 1 and every problem on stderr when it does not hold.
    static func load(_ path: String?, checksDisk: Bool) -> AgentConfig {
        do {
            let loaded = try loader(path).load()
            if checksDisk {
                let problems = ConfigValidator.checkDisk(
                    loaded.config, searchPath: environment["PATH"] ?? "", source: path ?? "environment")
                let asked = DynamicConfig(document: loaded.config.bootstrap.dcs ?? [:], local: loaded.config.postgresql)
                let unsupported = asked.notYetSupported.map {
                    "\(path ?? "environment"): bootstrap.dcs.\($0): true is not yet supported: must be false or left out"
                }
                if !problems.isEmpty || !unsupported.isEmpty { fail(problems.map(\.description) + unsupported) }
                for notice in loaded.notices { complain("\(notice)") }
            }
            return loaded.config
        } catch {
            fail(["\(error)"])
        }
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
        return SampleConfig.text(name: ProcessInfo.processInfo.hostName, address: "#FIXME", binDir: folder)
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
