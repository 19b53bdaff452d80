/// The sources of PostgreSQL's parameters, and how they become one set (contract/patroni.md 3.5, 3.6, 3.7). Pure.
public struct ParameterLayers: Hashable, Sendable {
    /// `postgresql.parameters` of the dynamic configuration.
    public var dynamic: [String: String]
    /// `postgresql.parameters` of the local file: wins over `dynamic`, except for what is enforced.
    public var local: [String: String]
    /// From `listen`; never from parameters.
    public var listenAddresses: String
    public var port: Int
    public var clusterName: String
    /// nil: not in synchronous mode, the user's value counts. Empty: synchronous mode without a standby.
    public var synchronousStandbyNames: String?
    /// Set when something of ours needs it, such as logical slots that fail over.
    public var forceHotStandbyFeedback: Bool
    /// What a mesh needs; nil: this cluster is in none.
    public var mesh: MeshParameters?
    public var majorVersion: Int
    /// What the server knows; nil leaves names and ranges unchecked.
    public var known: KnownParameters?

    public init(
        dynamic: [String: String] = [:], local: [String: String] = [:], listenAddresses: String, port: Int,
        clusterName: String, synchronousStandbyNames: String? = nil, forceHotStandbyFeedback: Bool = false,
        mesh: MeshParameters? = nil, majorVersion: Int, known: KnownParameters? = nil
    ) {
        self.dynamic = dynamic
        self.local = local
        self.listenAddresses = listenAddresses
        self.port = port
        self.clusterName = clusterName
        self.synchronousStandbyNames = synchronousStandbyNames
        self.forceHotStandbyFeedback = forceHotStandbyFeedback
        self.mesh = mesh
        self.majorVersion = majorVersion
        self.known = known
    }

    /// Never from parameters: they come from `listen` and `scope`.
    private static let computedNames: Set<String> = ["listen_addresses", "port", "cluster_name"]

    /// The parameters whose values the agent makes itself: nothing of a user's is in them.
    public var ownNames: Set<String> {
        var names = Self.computedNames
        if synchronousStandbyNames != nil { names.insert("synchronous_standby_names") }
        return names.union(mesh?.own(majorVersion).keys.map { $0 } ?? [])
    }

    /// The effective parameters, with a warning for each value that was not taken.
    public func resolve() -> ServerParameters {
        var values = defaults()
        var recovery: [String: String] = [:]
        var warnings: [String] = []
        add(dynamic, enforcedCounts: true, &values, &recovery, &warnings)
        add(local, enforcedCounts: false, &values, &recovery, &warnings)
        mesh?.settle(&values, majorVersion, known, &warnings)
        if let names = synchronousStandbyNames { values["synchronous_standby_names"] = names }
        if forceHotStandbyFeedback { values["hot_standby_feedback"] = "on" }
        values["listen_addresses"] = listenAddresses
        values["port"] = String(port)
        values["cluster_name"] = clusterName
        var fallbacks = defaults()
        var ignored: [String] = []
        mesh?.settle(&fallbacks, majorVersion, known, &ignored)
        return ServerParameters(values: values, recovery: recovery, warnings: warnings, fallbacks: fallbacks)
    }

    /// What holds where the user says nothing, before lists are merged.
    private func defaults() -> [String: String] {
        let values = EnforcedParameter.byName.mapValues(\.fallback)
        return values.merging(mesh?.defaults(majorVersion, known) ?? [:]) { $1 }
    }

    private func add(
        _ layer: [String: String], enforcedCounts: Bool, _ values: inout [String: String],
        _ recovery: inout [String: String], _ warnings: inout [String]
    ) {
        for (given, text) in layer.sorted(by: { $0.key < $1.key }) {
            var (name, value) = (given.lowercased(), text)
            if name == "wal_keep_segments" {
                guard let segments = ParameterText.integer(value), layer["wal_keep_size"] == nil else { continue }
                (name, value) = ("wal_keep_size", "\(segments * 16)MB")
            }
            if Self.computedNames.contains(name) { continue }
            guard Self.isName(name) else {
                warnings.append("'\(given)' is no name of a parameter: it is left out")
                continue
            }
            if name == "promote_trigger_file" {
                warnings.append("promote_trigger_file is not used: a file there would promote past the lock")
            } else if let enforced = EnforcedParameter.byName[name] {
                guard enforcedCounts else { continue }
                if let accepted = enforced.accept(value) {
                    values[name] = accepted
                } else {
                    let fallback = defaults()[name] ?? enforced.fallback
                    warnings.append("\(name) = '\(value)' is not accepted: '\(fallback)' is used")
                }
            } else if RecoverySettings.names.contains(name) {
                recovery[name] = value
            } else if let checked = check(name, value, &warnings) {
                values[name] = checked
            }
        }
    }

    /// What may stand before the `=` of a line; anything else could smuggle in a line of its own.
    private static func isName(_ name: String) -> Bool {
        name.first.map { $0.isLetter || $0 == "_" } == true
            && name.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == 95 || $0 == 46 || $0 == 36
            }
    }

    /// nil for a name that the server would refuse to start with.
    private func check(_ name: String, _ value: String, _ warnings: inout [String]) -> String? {
        guard let known, !name.contains(".") else { return value }
        guard let parameter = known.parameters[name] else {
            if known.hidden.contains(name) { return value }
            warnings.append("\(name) is unknown to PostgreSQL \(majorVersion): it is left out")
            return nil
        }
        // Without a unit the range is in the same unit as the value; with one it is the server's to judge.
        guard let range = parameter.range, let number = Double(value.trimmed), !range.contains(number) else {
            return value
        }
        let limit = number < range.lowerBound ? parameter.minimum : parameter.maximum
        warnings.append("\(name) = '\(value)' is out of range: '\(limit)' is used")
        return limit
    }
}
