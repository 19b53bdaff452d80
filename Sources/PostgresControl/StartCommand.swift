import SystemPackage

/// What the keeper executes to start a server.
public struct StartCommand: Hashable, Sendable {
    /// Begins with the program's path.
    public let arguments: [String]
    public let environment: [String: String]

    /// The contract's command line (3.7): data directory, configuration file, then the enforced parameters in order.
    public init(
        installation: Installation, config: ServerConfig, parameters: ServerParameters,
        environment: ChildEnvironment = .inherited
    ) {
        arguments =
            [
                installation.path(of: .postgres).string, "-D", config.dataDirectory.string,
                "--config-file=\(config.configFile.string)",
            ] + parameters.commandLine
        self.environment = environment.variables
    }
}
