import AdminModel
import ArgumentParser
import Control
import Glibc
import Logging

/// A command on a cluster.
protocol ClusterCommand: ParsableCommand {
    func run(_ context: Context) async throws
}

extension ClusterCommand {
    static var name: String { configuration.commandName ?? "" }

    static func configure(_ name: String, _ abstract: String, usage: String? = nil) -> CommandConfiguration {
        CommandConfiguration(commandName: name, _superCommandName: "matriarchctl", abstract: abstract, usage: usage)
    }
}

/// Where a command works: the configuration, and the way to ZooKeeper and the members.
struct Context: Sendable {
    /// What cannot be read matters to the commands that need it.
    private let loaded: Result<ControlConfig, ControlError>
    private let logger: Logger

    init(_ global: GlobalOptions) {
        let environment = environment()
        logger = Logger(label: "matriarchctl") { _ in ConsoleLog(environment) }
        loaded = Result { () throws(ControlError) in
            try ControlConfig.load(
                path: global.configFile ?? environment["PATRONICTL_CONFIG_FILE"],
                url: global.dcsUrl ?? environment["DCS_URL"], isInsecure: global.insecure, environment: environment)
        }
    }

    var config: ControlConfig { get throws { try loaded.get() } }

    func warn(_ words: String) { logger.warning("\(words)") }

    /// The cluster that is named, or else the configuration's.
    func scope(_ name: String?) throws -> String {
        guard let scope = try name ?? config.scope, !scope.isEmpty else {
            throw ControlError("no cluster: name one, or set 'scope' in the configuration")
        }
        return scope
    }

    func store<Value: Sendable>(
        _ name: String?, _ body: (ClusterStore) async throws -> Value
    ) async throws -> Value {
        // The library's lines about each attempt to connect are for those who look for a fault.
        var quiet = logger
        if logger.logLevel > .info { quiet.logLevel = .critical }
        return try await ClusterStore.with(config, scope: scope(name), logger: quiet, body)
    }

    func rest<Value: Sendable>(_ body: (RestClient) async throws -> Value) async throws -> Value {
        try await RestClient.with(config.rest, body)
    }
}

/// A cluster's name, which the configuration's `scope` stands in for.
struct ClusterArgument: ParsableArguments {
    @Argument(help: "The cluster; the configuration's 'scope' unless given")
    var clusterName: String?

    @OptionGroup var group: GroupOption
}

/// Several members of a cluster.
struct MembersArgument: ParsableArguments {
    @Argument(help: "The cluster")
    var clusterName: String

    @Argument(help: "The members; all unless given")
    var memberNames: [String] = []

    @OptionGroup var group: GroupOption
}

struct GroupOption: ParsableArguments {
    @Option(help: "Not supported: there are no groups without Citus")
    var group: Int?

    func validate() throws {
        guard group == nil else { throw ValidationError("--group is not supported: there are no groups without Citus") }
    }
}

struct ForceOption: ParsableArguments {
    @Flag(help: "Do not ask for confirmation at any point")
    var force = false
}

/// Again and again, as `watch` does.
struct WatchOptions: ParsableArguments {
    @Flag(name: .customShort("W"), help: "Auto update the screen every 2 seconds")
    var everyTwoSeconds = false

    @Option(name: [.customShort("w", allowingJoined: true), .long], help: "Auto update the screen every X seconds")
    var watch: Double?

    /// Once, or until the process is ended.
    func repeating(clears: Bool, _ body: () async throws -> Void) async throws {
        let pace = watch.flatMap { $0 > 0 ? $0 : nil } ?? (everyTwoSeconds ? 2 : 0)
        while true {
            if pace > 0, clears { Console.clear() }
            let next = ContinuousClock.now + .seconds(pace)
            try await body()
            guard pace > 0 else { return }
            try await Task.sleep(until: next, clock: .continuous)
        }
    }
}

struct FormatOption: ParsableArguments {
    @Option(name: [.customShort("f", allowingJoined: true), .long], help: "Output format")
    var format = OutputFormat.pretty
}

extension OutputFormat: ExpressibleByArgument {}
extension RoleFilter: ExpressibleByArgument {}

/// The variables of this process.
func environment() -> [String: String] {
    var variables: [String: String] = [:]
    var next = unsafe environ
    while let entry = unsafe next.pointee {
        let text = unsafe String(cString: entry)
        if let equals = text.firstIndex(of: "=") {
            variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        unsafe next += 1
    }
    return variables
}
