internal import AdminModel
public import LocalConfiguration
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
        let (document, origins, problems) = try ConfigSource(path: path, variables: variables).merged()
        let findings = ConfigFindings(origins: origins)
        findings.append(problems)
        let home = variables["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? Self.homeOfUser()
        let config = AgentConfig(reading: document, home: home, findings)
        guard findings.problems.isEmpty, let config else { throw ConfigError(findings.problems) }
        return Loaded(config: config, notices: findings.notices)
    }

    /// What `load` reads, as YAML; `***` stands for every secret.
    public func shown() throws(ConfigError) -> String {
        let (document, _, _) = try ConfigSource(path: path, variables: variables).merged()
        return YAMLWriter.text(Self.masked(.object(document), at: []))
    }

    private static func masked(_ value: JSONValue, at path: ConfigPath) -> JSONValue {
        switch value {
        case .object(let object): .object(JSONObject(object.map { ($0.key, masked($0.value, at: path + $0.key)) }))
        case .array(let items): .array(items.enumerated().map { masked($0.element, at: path + $0.offset) })
        default: path.isSecret ? "***" : value
        }
    }

    private static func homeOfUser() -> String {
        guard let entry = getpwuid(geteuid()), let home = entry.pointee.pw_dir else { return "/" }
        return String(cString: home)
    }
}
