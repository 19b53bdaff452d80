package import AdminModel
internal import LocalConfiguration

/// What `edit-config` makes of the cluster's configuration. Pure.
package enum ConfigEdit {
    /// Sets or, by null, removes what each `a.b.c=value` names; the value is YAML. Maps that become empty go, too.
    /// Below `postgresql.parameters` points belong to the name of the parameter.
    package static func set(_ pairs: [String], in config: JSONObject) throws(ControlError) -> JSONObject {
        var changed = JSONValue.object(config)
        for pair in pairs {
            guard let equals = pair.firstIndex(of: "=") else {
                throw ControlError("Invalid parameter setting \(pair)")
            }
            let key = String(pair[..<equals]).trimmed
            let value = try yaml(String(pair[pair.index(after: equals)...]), source: key)
            changed = .object(put(value, at: path(key)[...], into: changed.asObject ?? [:]))
        }
        return changed.asObject ?? [:]
    }

    /// Lays a document over the configuration by the rule of PATCH.
    package static func apply(_ text: String, source: String, to config: JSONObject) throws(ControlError) -> JSONObject
    {
        config.merging(try map(text, source: source))
    }

    /// The document of an editor: what it holds is the whole configuration.
    package static func map(_ text: String, source: String) throws(ControlError) -> JSONObject {
        guard let map = try yaml(text, source: source).asObject else {
            throw ControlError("\(source) must be a map of keys to values")
        }
        return map
    }

    /// As it is shown and edited.
    package static func text(_ config: JSONObject) -> String { YAMLWriter.text(.object(config)) }

    /// Whether both mean the same, whatever the order of their keys: `20` is not the text `'20'`.
    package static func isSame(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.object(let left), .object(let right)):
            return left.count == right.count
                && left.allSatisfy { member in right[member.key].map { isSame(member.value, $0) } ?? false }
        case (.array(let left), .array(let right)):
            return left.count == right.count && zip(left, right).allSatisfy { isSame($0, $1) }
        default: return left == right || number(left).map { $0 == number(right) } ?? false
        }
    }

    private static func number(_ value: JSONValue) -> Double? {
        switch value {
        case .int(let number): Double(exactly: number)
        case .double(let number): number
        default: nil
        }
    }

    private static func yaml(_ text: String, source: String) throws(ControlError) -> JSONValue {
        do { return try YAMLDocument.parse(text, source: source).value } catch { throw ControlError("\(error)") }
    }

    private static func path(_ key: String) -> [String] {
        let parts = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 3, parts[0] == "postgresql", parts[1] == "parameters" else { return parts }
        return parts[..<2] + [parts[2...].joined(separator: ".")]
    }

    private static func put(_ value: JSONValue, at path: ArraySlice<String>, into map: JSONObject) -> JSONObject {
        var map = map
        guard let key = path.first else { return map }
        if path.count == 1 {
            map[key] = value.isNull ? .none : .some(value)
        } else {
            let inner = put(value, at: path.dropFirst(), into: map[key]?.asObject ?? [:])
            map[key] = inner.isEmpty ? .none : .some(.object(inner))
        }
        return map
    }
}
