package import AdminModel
internal import Glibc

/// Where a configuration comes from: a file or a folder of files, and `PATRONI_*` over it (contract/patroni.md 3.1).
package struct ConfigSource: Sendable {
    private let path: String?
    private let variables: [String: String]

    /// - Parameter path: a file or a folder of `*.yml` and `*.yaml`; nil when none was named.
    package init(path: String?, variables: [String: String]) {
        self.path = path
        self.variables = variables
    }

    /// The file with the environment over it, before any check.
    package func merged() throws(ConfigError) -> (JSONObject, ConfigOrigins, [ConfigProblem]) {
        let (document, origins, problems) = try mergedOrEmpty()
        guard !document.isEmpty || !problems.isEmpty else { throw Self.empty }
        return (document, origins, problems)
    }

    /// As `merged`, also when there is neither a file nor a variable.
    package func mergedOrEmpty() throws(ConfigError) -> (JSONObject, ConfigOrigins, [ConfigProblem]) {
        let environment = ConfigEnvironment(variables)
        var file = JSONObject()
        var origins = ConfigOrigins(document: path ?? "environment")
        if let path, access(path, F_OK) == 0 {
            (file, origins) = try Self.read(path)
        } else if let text = variables["PATRONI_CONFIGURATION"], !text.isEmpty {
            let document = try YAMLDocument.parse(text, source: "environment variable PATRONI_CONFIGURATION")
            return (try Self.map(document), document.origins, [])
        } else if let path, environment.isEmpty {
            throw ConfigError([ConfigProblem(.unreadable, source: path, message: "must be an existing file or folder")])
        }
        origins.lay(environment.origins)
        return (file.merging(environment.document), origins, environment.problems)
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
}
