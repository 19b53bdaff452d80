internal import AdminModel
internal import Glibc

/// Finds, reads and checks an agent's configuration (contract/patroni.md 3.1).
public struct ConfigLoader: Sendable {
    public struct Loaded: Sendable {
        public let config: AgentConfig
        /// To be logged once each.
        public let notices: [ConfigNotice]
    }

    private let path: String?
    private let variables: [String: String]

    /// - Parameters:
    ///   - path: a file or a folder of `*.yml` and `*.yaml`; nil when none was named.
    ///   - environment: of the process at start. It is remembered, so that a reload sees the same variables.
    ///   - sealed: what `SealedVariables` holds; wins over the environment.
    public init(path: String?, environment: [String: String], sealed: [String: String] = [:]) {
        self.path = path
        self.variables = environment.merging(sealed) { _, sealed in sealed }
    }

    /// Reads everything anew. Throws all problems at once; nothing of the configuration holds then.
    public func load() throws(ConfigError) -> Loaded {
        let (document, origins, problems) = try merged()
        let findings = ConfigFindings(origins: origins)
        findings.append(problems)
        let home = variables["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? Self.homeOfUser()
        let config = AgentConfig(reading: document, home: home, findings)
        guard findings.problems.isEmpty, let config else { throw ConfigError(findings.problems) }
        return Loaded(config: config, notices: findings.notices)
    }

    /// The file with the environment over it, before any check.
    func merged() throws(ConfigError) -> (JSONObject, ConfigOrigins, [ConfigProblem]) {
        let exists = path.map { access($0, F_OK) == 0 } ?? false
        if let path, exists {
            let (file, origins) = try Self.read(path)
            return try overlaid(file, origins)
        }
        if let text = variables["PATRONI_CONFIGURATION"], !text.isEmpty {
            let document = try YAMLDocument.parse(text, source: "environment variable PATRONI_CONFIGURATION")
            return (try Self.map(document), document.origins, [])
        }
        let isSet = variables.contains { $0.key.hasPrefix(ConfigEnvironment.prefix) && !$0.value.isEmpty }
        if let path, !isSet {
            throw ConfigError([ConfigProblem(.unreadable, source: path, message: "must be an existing file or folder")])
        }
        let (document, origins, problems) = try overlaid([:], ConfigOrigins(document: path ?? "environment"))
        guard !document.isEmpty || !problems.isEmpty else { throw Self.empty }
        return (document, origins, problems)
    }

    private func overlaid(
        _ file: JSONObject, _ origins: ConfigOrigins
    ) throws(ConfigError) -> (JSONObject, ConfigOrigins, [ConfigProblem]) {
        let environment = ConfigEnvironment(variables)
        var origins = origins
        origins.lay(environment.origins)
        let document = file.merging(environment.document)
        guard !document.isEmpty || !environment.problems.isEmpty else { throw Self.empty }
        return (document, origins, environment.problems)
    }

    /// The sentence is part of the contract.
    private static let empty = ConfigError([ConfigProblem(.unreadable, source: "", message: "Config is empty.")])

    private static func read(_ path: String) throws(ConfigError) -> (JSONObject, ConfigOrigins) {
        guard let names = ConfigFile.yamlFiles(inFolder: path) else {
            let document = try YAMLDocument.parse(try ConfigFile.text(of: path), source: path)
            return (try map(document), document.origins)
        }
        var merged = JSONObject()
        var origins = ConfigOrigins(document: path)
        var problems: [ConfigProblem] = []
        for name in names {
            do throws(ConfigError) {
                let file = path + (path.hasSuffix("/") ? "" : "/") + name
                let document = try YAMLDocument.parse(try ConfigFile.text(of: file), source: file)
                merged.merge(try map(document))
                origins.lay(document.origins)
            } catch {
                problems += error.problems
            }
        }
        guard problems.isEmpty else { throw ConfigError(problems) }
        return (merged, origins)
    }

    private static func map(_ document: YAMLDocument) throws(ConfigError) -> JSONObject {
        switch document.value {
        case .object(let object): return object
        case .null: return [:]
        default:
            throw ConfigError([
                ConfigProblem(.unreadable, source: document.origins.document, message: "must be a map of sections")
            ])
        }
    }

    private static func homeOfUser() -> String {
        guard let entry = getpwuid(geteuid()), let home = entry.pointee.pw_dir else { return "/" }
        return String(cString: home)
    }
}
