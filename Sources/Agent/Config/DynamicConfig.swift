public import AdminModel
public import HACore
public import LocalConfiguration

/// What holds for the whole cluster: the document in the znode `config` with its defaults, the bounds of
/// contract/patroni.md 3.1 applied, and the local sections `postgresql` and `spock` laid over it.
///
/// Each key stands by itself: one that is wrong keeps the value that was accepted last, so that a slip in one line does
/// not take the others away.
public struct DynamicConfig: Sendable {
    /// A key of the document that does not hold.
    public struct Rejection: Hashable, Sendable, CustomStringConvertible {
        public let problem: ConfigProblem
        /// The whole that is kept from the last accepted document, such as `postgresql.parameters.work_mem`; where keys of
        /// `spock` contradict each other the one of them to change, and the section is kept.
        public let key: ConfigPath

        /// Found at start, it keeps the agent from starting: going on would break what the cluster relies on.
        public var refusesStart: Bool {
            problem.code == .unsupported && ["standby_cluster", "synchronous_mode"].contains(key.components.first)
        }

        public var reason: String { problem.reason }
        public var description: String { "\(key): \(reason)" }
    }

    /// A parameter that PostgreSQL does not take, as it said itself.
    struct RefusedParameter: Hashable, Sendable {
        /// As it would have been written.
        let value: String
        let reason: String
    }

    /// What the document says, in the bounds.
    public var values: DynamicValues
    public var postgresql: EffectivePostgresConfig
    /// What is wanted of this cluster in a Spock mesh; nil: nothing.
    public internal(set) var mesh: MeshSettings?
    /// The document as it holds: wrong keys with their last accepted values. This is what the cache file keeps.
    public var accepted: JSONObject
    public var rejected: [Rejection]
    /// Numbers that were moved into their bounds, unknown keys.
    public var notices: [ConfigNotice]

    /// `rejected` as shown to people: reasons by key.
    public var rejectedJSON: JSONObject {
        JSONObject(rejected.map { ($0.key.description, .string($0.reason)) })
    }

    /// Adds a value that could be read and turned out not to hold here.
    /// - Parameter why: the rest of a sentence that begins with the value.
    mutating func reject(_ key: ConfigPath, _ value: JSONValue, _ why: String) {
        let problem = ConfigProblem(.wrongValue, source: "znode config", path: key, value: value, message: why)
        rejected.append(Rejection(problem: problem, key: key))
    }

    /// - Parameters:
    ///   - document: the znode's content.
    ///   - last: the document that was accepted last; nil without one, then defaults take the place of what is wrong.
    ///   - local: the section `postgresql` of the local file; it was checked when it was read, as was `mesh`.
    ///   - mesh: what the local file says of `spock`.
    ///   - source: how messages name the document.
    public init(
        document: JSONObject, last: JSONObject? = nil, local: LocalPostgresConfig, mesh: LocalMesh = LocalMesh(),
        source: String = "znode config"
    ) {
        self.init(document: document, last: last, local: local, mesh: mesh, source: source, standing: nil, refused: [:])
    }

    /// - Parameters:
    ///   - standing: the mesh in force until now, which holds on while there is nothing better.
    ///   - refused: parameters by name, in lower case.
    init(
        document: JSONObject, last: JSONObject?, local: LocalPostgresConfig, mesh: LocalMesh,
        source: String = "znode config", standing: MeshSettings?, refused: [String: RefusedParameter]
    ) {
        var accepted = document
        var rejected: [Rejection] = []
        var values = DynamicValues()
        var findings = ConfigFindings(origins: ConfigOrigins(document: source))
        // Round two: a last document that another version accepted. Round three: what only then gets read.
        for round in 0..<4 {
            findings = ConfigFindings(origins: ConfigOrigins(document: source))
            values = DynamicValues(reading: SectionReader(accepted, [], findings), bounds: .moved)
            Self.find(refused, in: accepted, findings)
            guard !findings.problems.isEmpty else { break }
            for problem in findings.problems {
                let key = Self.unit(of: problem.path)
                if !rejected.contains(where: { $0.key == key }) {
                    rejected.append(Rejection(problem: problem, key: key))
                }
                accepted.set(round == 0 ? last?.value(at: key.components) : nil, at: key.components[...])
            }
        }
        self.values = values
        self.accepted = accepted
        self.rejected = rejected
        self.notices = findings.notices
        self.postgresql = EffectivePostgresConfig(dynamic: accepted["postgresql"]?.asObject ?? [:], local: local)
        followMesh(last: last, local: mesh, standing: standing, source: source)
    }

    private static func find(
        _ refused: [String: RefusedParameter], in document: JSONObject, _ findings: ConfigFindings
    ) {
        guard !refused.isEmpty else { return }
        for member in document["postgresql"]?["parameters"]?.asObject?.members ?? [] {
            guard let refusal = refused[member.key.lowercased()], refusal.value == member.value.pythonText else {
                continue
            }
            findings.wrong(["postgresql", "parameters", member.key], member.value, "is refused: \(refusal.reason)")
        }
    }

    /// Problems of a document that somebody wants to store: what this agent refuses by name (contract: 400 to a PATCH).
    public static func unsupported(in document: JSONObject) -> [ConfigProblem] {
        let findings = ConfigFindings(origins: ConfigOrigins(document: "body"))
        _ = DynamicValues(reading: SectionReader(document, [], findings), bounds: .moved)
        return findings.problems.filter { $0.code == .unsupported }
    }

    /// Checks `bootstrap.dcs` of a local file, where a number outside of its bounds is an error.
    static func check(_ document: JSONObject, at path: ConfigPath, _ findings: ConfigFindings) {
        let values = DynamicValues(reading: SectionReader(document, path, findings), bounds: .required)
        if values.ttl < 20, document["ttl"] != nil {
            findings.notice(.doubtful, path + "ttl", "\(values.ttl) is accepted here; Patroni would use 20")
        }
    }

    /// The smallest whole that can be kept or taken without the rest.
    private static func unit(of path: ConfigPath) -> ConfigPath {
        let parts = path.components
        let depth: Int
        switch parts.first {
        case "postgresql" where parts.count > 2 && ["parameters", "recovery_conf"].contains(parts[1]): depth = 3
        case "spock" where parts.count > 3 && parts[1] == "dsn" && parts[2] == "options": depth = 4
        case "spock" where !["databases", "replication_sets"].contains(parts.dropFirst().first): depth = 3
        case "spock", "postgresql", "slots", "permanent_slots", "permanent_replication_slots": depth = 2
        default: depth = 1
        }
        return ConfigPath(Array(parts.prefix(depth)))
    }
}

extension DynamicConfig: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "DynamicConfig(\(values))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["values": values]) }
}

extension JSONObject {
    func value(at path: [String]) -> JSONValue? {
        guard let first = path.first else { return nil }
        if path.count == 1 { return self[first] }
        return self[first]?.asObject?.value(at: Array(path.dropFirst()))
    }

    /// Sets or removes a value below maps that exist; one whose parent is no map is left as it is.
    mutating func set(_ value: JSONValue?, at path: ArraySlice<String>) {
        guard let first = path.first else { return }
        if path.count == 1 {
            self[first] = value
        } else if var inner = self[first]?.asObject {
            inner.set(value, at: path.dropFirst())
            self[first] = .object(inner)
        }
    }
}
