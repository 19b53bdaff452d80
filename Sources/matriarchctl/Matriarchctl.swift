import AdminModel
import ArgumentParser
import Control
import Glibc

/// The command line of a cluster: what `patronictl` is for Patroni's, with its commands, options and output.
struct Matriarchctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "matriarchctl",
        abstract:
            "Shows and changes a highly available PostgreSQL cluster, through ZooKeeper and the members' REST API.",
        subcommands: commands)

    static let commands: [any ClusterCommand.Type] = [
        List.self, Topology.self, History.self, Version.self, DSN.self, Query.self, ShowConfig.self, EditConfig.self,
        Reload.self, Restart.self, Reinit.self, Detach.self, Switchover.self, Failover.self, Flush.self, Pause.self,
        Resume.self,
        Remove.self, Spock.self, DemoteCluster.self, PromoteCluster.self,
    ]

    /// As they are typed: those below another with its name before theirs.
    static var commandNames: [String] {
        commands.flatMap { command in
            command == Spock.self ? Spock.commands.map { "spock \($0.name)" } : [command.name]
        }
    }

    @OptionGroup var global: GlobalOptions

    func run() throws {
        guard global.version else { throw CleanExit.helpRequest(self) }
        Console.out("matriarchctl \(MatriarchVersion.own)")
    }
}

/// What stands before the command. Commands have options of the same names, such as `-c` of `query`.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: [.customShort("c", allowingJoined: true), .long],
        help: "Configuration file (PATRONICTL_CONFIG_FILE; ~/.config/patroni/patronictl.yaml if it is there)",
        completion: .file())
    var configFile: String?

    @Option(
        name: [.customShort("d", allowingJoined: true), .long, .customLong("dcs")],
        help: "Where ZooKeeper is: zookeeper://host:port/namespace (DCS_URL)")
    var dcsUrl: String?

    @Flag(name: [.customShort("k"), .long], help: "Accept any certificate of a member's REST API")
    var insecure = false

    @Flag(help: "Print the version and end")
    var version = false

    /// How many of the arguments stand before the command.
    static func count(in arguments: [String]) -> Int {
        var index = 0
        while index < arguments.count, arguments[index].hasPrefix("-") {
            index += ["-c", "--config-file", "-d", "--dcs-url", "--dcs"].contains(arguments[index]) ? 2 : 1
        }
        return min(index, arguments.count)
    }
}

@main
enum Main {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let split = GlobalOptions.count(in: arguments)
        let command = Matriarchctl.commands.first { split < arguments.count && $0.name == arguments[split] }
        do {
            guard let command else {
                // Help, the completion script, and what is no command.
                return try parse(Matriarchctl.self) {
                    var general = try Matriarchctl.parseAsRoot(arguments)
                    try general.run()
                }
            }
            let global = try parse(GlobalOptions.self) { try GlobalOptions.parse(Array(arguments[..<split])) }
            let parsed = try parse(command) { try self.command(command, Array(arguments[(split + 1)...])) }
            try await parsed.run(Context(global))
        } catch let code as ExitCode {
            // What there was to say is said.
            exit(code.rawValue)
        } catch is Console.Aborted {
            Console.error("Aborted!")
            exit(1)
        } catch {
            Console.error("Error: \(error)")
            exit(1)
        }
    }

    /// The command itself, or the one below it that the arguments name.
    /// - Throws: as ArgumentParser does, also for a request of help.
    static func command(_ type: any ClusterCommand.Type, _ arguments: [String]) throws -> any ClusterCommand {
        guard type.configuration.subcommands.isEmpty else {
            let parsed = try type.parseAsRoot(arguments)
            guard let command = parsed as? any ClusterCommand, !(command is Spock) else {
                throw CleanExit.helpRequest(type)
            }
            return command
        }
        return try type.parse(arguments)
    }

    /// Ends the process where the arguments are wrong, or ask for help.
    private static func parse<Value>(_ type: any ParsableArguments.Type, _ body: () throws -> Value) rethrows -> Value {
        do { return try body() } catch {
            let message = type.fullMessage(for: error)
            guard type.exitCode(for: error).isSuccess else {
                Console.error(message)
                exit(2)
            }
            Console.out(message)
            exit(0)
        }
    }
}
