import AdminModel
import Agent
import ArgumentParser
import Glibc

/// The daemon's command line, as contract/patroni.md 6 has it for `patroni`.
@main
struct Matriarch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "matriarch",
        abstract: "Keeps one PostgreSQL server a member of a highly available cluster, through ZooKeeper.",
        discussion: "Reads a patroni.yml and PATRONI_* variables, runs until SIGTERM.")

    @Argument(help: "The configuration: a file, or a folder of *.yml files.")
    var configfile: String?

    @Flag(help: "Print the version and end.")
    var version = false

    @Flag(help: "Check the configuration, print what is wrong, and end.")
    var validateConfig = false

    @Flag(name: .shortAndLong, help: "With --validate-config: ports that are in use are no problem.")
    var ignoreListenPort = false

    @Flag(name: .shortAndLong, help: "With --validate-config: print what was read, without passwords, when it holds.")
    var print = false

    @Flag(help: "Print a configuration to begin with, or write it to the file, and end.")
    var generateSampleConfig = false

    @Flag(help: "Print a configuration for a PostgreSQL that runs here, or write it to the file, and end.")
    var generateConfig = false

    @Option(help: "With --generate-config: how to connect as a superuser, as far as PG* variables do not say it.")
    var dsn: String?

    /// What the supervisor starts; the user's own process becomes the supervisor.
    @Flag(help: .hidden)
    var agentProcess = false

    func validate() throws {
        guard [validateConfig, generateSampleConfig, generateConfig].filter({ $0 }).count < 2 else {
            throw ValidationError(
                "--validate-config, --generate-sample-config and --generate-config exclude each other")
        }
        guard validateConfig || !(ignoreListenPort || print) else {
            throw ValidationError("--ignore-listen-port and --print go with --validate-config")
        }
        guard generateConfig || dsn == nil else { throw ValidationError("--dsn goes with --generate-config") }
    }

    func run() async throws {
        if version {
            Swift.print("matriarch \(MatriarchVersion.own)")
        } else if generateSampleConfig {
            Launch.deliver(Launch.sample(), to: configfile)
        } else if generateConfig {
            Launch.deliver(await Launch.generated(dsn), to: configfile)
        } else if validateConfig {
            await Launch.validate(configfile, ignoresListenPorts: ignoreListenPort, prints: print)
        } else if agentProcess {
            try await AgentProcess.run(Launch.load(configfile, checksDisk: false), Launch.loader(configfile))
        } else {
            let config = Launch.load(configfile, checksDisk: true)
            Launch.becomeSupervisor(configfile, config)
        }
    }
}
