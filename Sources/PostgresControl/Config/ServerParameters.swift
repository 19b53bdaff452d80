/// The parameters that one server is to run with.
public struct ServerParameters: Hashable, Sendable {
    /// All of them, those on the command line included; not those of recovery.
    public private(set) var values: [String: String]
    /// Recovery settings that stood among the parameters; they win over `recovery_conf`.
    public let recovery: [String: String]
    /// One sentence each, for the log.
    public private(set) var warnings: [String]
    /// Parameters that a standby has to run with higher than configured, with the configured value.
    public private(set) var raised: [String: String] = [:]
    /// What holds without the user's, by name.
    private let fallbacks: [String: String]

    init(
        values: [String: String], recovery: [String: String], warnings: [String],
        fallbacks: [String: String] = EnforcedParameter.byName.mapValues(\.fallback)
    ) {
        self.values = values
        self.recovery = recovery
        self.warnings = warnings
        self.fallbacks = fallbacks
    }

    /// For the start of a standby: a hot standby refuses to run below what its primary had when it wrote the control
    /// file (contract 3.6 rule 3). What was raised stays pending for a restart.
    public func raised(to control: ControlData) -> ServerParameters {
        var copy = self
        for (name, floor) in control.standbyFloor {
            guard let own = copy.values[name], let value = Int(own), value < floor else { continue }
            copy.values[name] = String(floor)
            copy.raised[name] = own
        }
        return copy
    }

    /// With another value for one of them; nil takes it out.
    public func with(_ name: String, _ value: String?) -> ServerParameters {
        var copy = self
        copy.values[name] = value
        return copy
    }

    /// Without those that the server refuses, each with a warning.
    /// - Parameter refused: reasons by name.
    public func leavingOut(_ refused: [String: String]) -> ServerParameters {
        var copy = self
        for (name, reason) in refused.sorted(by: { $0.key < $1.key }) {
            let isDefault = EnforcedParameter.byName[name] == nil && fallbacks[name] == copy.values[name]
            copy.values[name] = isDefault ? nil : fallbacks[name]
            copy.warnings.append("PostgreSQL refuses a parameter, it is left out: \(reason)")
        }
        return copy
    }

    /// The folders in a `unix_socket_directories`, without abstract sockets.
    public static func socketFolders(_ setting: String) -> [String] {
        setting.split(separator: ",").map { $0.filter { !$0.isWhitespace } }.filter { $0.hasPrefix("/") }
    }

    /// What the archiver would run; nil when there is none.
    public var archiveCommand: String? {
        let mode = values["archive_mode"] ?? ""
        guard ParameterText.bool(mode) == true || mode.lowercased() == "always",
            let command = values["archive_command"], !command.isEmpty
        else { return nil }
        return command
    }

    /// What the cluster enforces on all its members.
    public static var enforcedNames: [String] { EnforcedParameter.all.map(\.name) }

    /// `--name=value` for the postmaster, in the contract's order.
    public var commandLine: [String] {
        let names =
            ["listen_addresses", "port", "cluster_name"]
            + EnforcedParameter.all.filter(\.onCommandLine).map(\.name)
        return names.compactMap { name in values[name].map { "--\(name)=\($0)" } }
    }
}
