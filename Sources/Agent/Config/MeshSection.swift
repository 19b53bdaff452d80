public import AdminModel
internal import HACore
internal import LocalConfiguration

/// What one server's file says of the section `spock`.
public struct LocalMesh: Hashable, Sendable {
    /// The own cluster.
    public var scope: String
    /// Checked when it was read; nil: the file has none.
    public var section: JSONObject?

    public init(scope: String = "", section: JSONObject? = nil) {
        self.scope = scope
        self.section = section
    }

    /// Whether the section by itself asks for a mesh. One that does not only completes what the cluster's document says.
    var asksForMesh: Bool {
        guard let section else { return false }
        return section["enabled"]?.boolText == true
            || ["mesh", "databases"].contains { section[$0].map { !$0.isNull } ?? false }
            || section["node"]?["name"].map { !$0.isNull } ?? false
    }
}

/// The section `spock` as it holds on this server: the cluster's document with the local file over it, key by key; lists
/// replace each other.
struct MeshSection {
    private(set) var settings: MeshSettings?
    private(set) var problems: [ConfigProblem] = []
    /// What `MeshSettings.check` says; each layer's own notices were given when it was read.
    private(set) var notices: [ConfigNotice] = []

    /// - Parameter document: the section of the cluster's document.
    init(document: JSONObject?, local: LocalMesh, source: String) {
        guard document != nil || local.asksForMesh else { return }
        let section = Self.lay(local.section ?? [:], over: Self.withoutLocalKeys(document ?? [:]))
        guard section["enabled"]?.boolText != false else { return }
        func read<Result>(_ body: (SectionReader) -> Result) -> (Result, ConfigFindings) {
            let findings = ConfigFindings(origins: ConfigOrigins(document: source))
            return (body(SectionReader(section, ["spock"], findings)), findings)
        }
        let (settings, keys) = read { MeshSettings(reading: $0, isShared: false) }
        let (_, whole) = read { settings.check(scope: local.scope, $0) }
        problems = keys.problems + whole.problems.filter { new in !keys.problems.contains { $0.path == new.path } }
        notices = whole.notices
        if problems.isEmpty { self.settings = settings }
    }

    private static func withoutLocalKeys(_ section: JSONObject) -> JSONObject {
        guard var dsn = section["dsn"]?.asObject else { return section }
        var section = section
        dsn.removeAll(Set(MeshSettings.Connection.localKeys))
        if var options = dsn["options"]?.asObject {
            options.removeAll(MeshOption.files)
            dsn["options"] = .object(options)
        }
        section["dsn"] = .object(dsn)
        return section
    }

    /// Null in the upper one says nothing, as everywhere in the file.
    private static func lay(_ upper: JSONObject, over lower: JSONObject) -> JSONObject {
        var result = lower
        for member in upper where !member.value.isNull {
            if let inner = member.value.asObject, let below = lower[member.key]?.asObject {
                result[member.key] = .object(lay(inner, over: below))
            } else {
                result[member.key] = member.value
            }
        }
        return result
    }
}

extension MeshSection {
    /// Reads a local file's own section, and checks it together with `bootstrap.dcs`, which the document of a new cluster
    /// is made from.
    static func read(_ root: SectionReader, dcs: JSONObject?, scope: String?) -> JSONObject? {
        let findings = root.findings
        let reader = root.section("spock")
        _ = MeshSettings(reading: reader, isShared: false)
        let section = root.section["spock"]?.asObject
        let document = dcs?["spock"]?.asObject
        let places: [ConfigPath] = [["spock"], ["bootstrap", "dcs", "spock"]]
        let known = findings.problems.map(\.path).filter { path in places.contains { path.starts(with: $0) } }
        let whole = MeshSection(document: document, local: LocalMesh(scope: scope ?? "", section: section), source: "")
        for problem in whole.problems {
            let key = Array(problem.path.components.dropFirst())
            let isShared = section?.value(at: key) == nil && (section == nil || document?.value(at: key) != nil)
            let path = isShared ? ConfigPath(["bootstrap", "dcs"] + problem.path.components) : problem.path
            // What excludes what is only known of values that hold.
            let isNamed = known.contains { path.starts(with: $0) || $0.starts(with: path) }
            guard known.isEmpty || (problem.code == .missing && !isNamed) else { continue }
            findings.append(problem, at: path)
        }
        findings.append(whole.notices)
        return section
    }
}

extension DynamicConfig {
    /// The mesh that the document and the local file ask for together. Where they contradict each other, or leave out what
    /// must be there, the section holds that was accepted last, and without one what is in force: a slip must not take a
    /// cluster out of its mesh.
    /// - Parameter standing: in force until now.
    mutating func followMesh(last: JSONObject?, local: LocalMesh, standing: MeshSettings?, source: String) {
        let first = MeshSection(document: accepted["spock"]?.asObject, local: local, source: source)
        guard !first.problems.isEmpty else {
            mesh = first.settings
            notices += first.notices
            return
        }
        for problem in first.problems where !rejected.contains(where: { $0.key == problem.path }) {
            rejected.append(Rejection(problem: problem, key: problem.path))
        }
        let former = last?["spock"]
        let second = MeshSection(document: former?.asObject, local: local, source: source)
        mesh = second.settings ?? standing
        accepted["spock"] = mesh == nil ? nil : former
    }
}
