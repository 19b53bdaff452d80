import Glibc
public import SystemPackage

/// Has the server's own program judge parameters before they reach a file that a server reads: with one that it refuses
/// it would not start.
///
/// Values go through a private file, not through arguments: a command among them may hold a secret.
public actor ParameterCheck {
    private struct Parameter: Hashable {
        let name: String
        let value: String
    }

    private let installation: Installation
    private let folder: FilePath
    /// Nil: taken.
    private var verdicts: [Parameter: String?] = [:]
    private var known: (names: Set<String>, parameters: KnownParameters)?

    /// - Parameter folder: of the agent alone (mode 0700).
    public init(installation: Installation, folder: FilePath) {
        self.installation = installation
        self.folder = folder
    }

    /// Names and ranges of the server; nil when it could not be asked.
    public func known(including names: Set<String>) async -> KnownParameters? {
        if let known, names.isSubset(of: known.names) { return known.parameters }
        guard let parameters = try? await installation.knownParameters(including: names) else {
            return known?.parameters
        }
        known = (names, parameters)
        return parameters
    }

    /// Where files are is not asked: they need not be here yet.
    private static let exempt: Set<String> = ["hba_file", "ident_file", "config_file", "data_directory"]

    /// - Returns: by name, why the server would not take the value. Empty when it could not be asked.
    public func refused(_ values: [String: String]) async -> [String: String] {
        let asked = values.filter { !Self.exempt.contains($0.key) }.map { Parameter(name: $0.key, value: $0.value) }
        var open = asked.filter { verdicts[$0] == nil }.sorted { $0.name < $1.name }
        if verdicts.count > 10_000 { verdicts = [:] }
        // Each round names at least one; unknown names are all named before any value is looked at.
        while !open.isEmpty {
            guard let complaints = await judge(open) else { return [:] }
            for parameter in open where complaints.isEmpty || complaints[parameter.name] != nil {
                verdicts[parameter] = .some(complaints[parameter.name])
            }
            if complaints.isEmpty { break }
            open.removeAll { complaints[$0.name] != nil }
        }
        return Dictionary(
            uniqueKeysWithValues: asked.compactMap { parameter in
                verdicts[parameter].flatMap { $0 }.map { (parameter.name, $0) }
            })
    }

    /// What the program says of them; nil when it says nothing that can be understood.
    private func judge(_ parameters: [Parameter]) async -> [String: String]? {
        let file = folder.appending("parameters.conf")
        let text = parameters.map { "\($0.name) = \(ServerConfig.quoted($0.value))\n" }.joined()
        do {
            try await Disk.run { () throws(PostgresControlError) in
                try AtomicFile.write(text, to: file, mode: 0o600)
            }
            let output = try await QuickCommand.run(
                installation.path(of: .postgres),
                ["-C", "server_version_num", "-D", folder.string, "--config-file=\(file.string)"],
                deadline: .seconds(5))
            if output.succeeded { return [:] }
            let complaints = Self.complaints(output.standardError, among: Set(parameters.map(\.name)))
            return complaints.isEmpty ? nil : complaints
        } catch { return nil }
    }

    /// By name; `"name"` stands in each line that complains of it.
    static func complaints(_ text: String, among names: Set<String>) -> [String: String] {
        var found: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let start = ["LOG:  ", "FATAL:  ", "ERROR:  "].compactMap({ line.firstRange(of: $0) }).first,
                let word = line[start.upperBound...].firstRange(of: "parameter \"")
            else { continue }
            let name = line[word.upperBound...].prefix { $0 != "\"" }.lowercased()
            guard names.contains(name) else { continue }
            let message = line[start.upperBound...]
            found[name] = String(message[..<(message.firstRange(of: " in file \"")?.lowerBound ?? message.endIndex)])
        }
        return found
    }
}
