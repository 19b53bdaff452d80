public import SystemPackage

/// What the keeper executes to start a server.
public struct StartCommand: Hashable, Sendable {
    static let serviceFileVariable = "PGSERVICEFILE"

    /// Begins with the program's path.
    public let arguments: [String]
    public let environment: [String: String]

    /// The contract's command line (3.7): data directory, configuration file, then the enforced parameters in order.
    /// - Parameters:
    ///   - serviceFile: where background workers find the services of a mesh; nil: none.
    ///   - passfile: where they find the passwords for these; nil: none is needed.
    public init(
        installation: Installation, config: ServerConfig, parameters: ServerParameters,
        serviceFile: FilePath? = nil, passfile: FilePath? = nil, environment: ChildEnvironment = .inherited
    ) {
        arguments =
            [
                installation.path(of: .postgres).string, "-D", config.dataDirectory.string,
                "--config-file=\(config.configFile.string)",
            ] + parameters.commandLine
        var files: [String: String] = [:]
        files[Self.serviceFileVariable] = serviceFile?.string
        files["PGPASSFILE"] = passfile?.string
        self.environment = environment.adding(files).variables
    }
}
