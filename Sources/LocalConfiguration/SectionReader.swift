package import AdminModel
package import LibPQ

/// Reads the keys of one map of the configuration. Each wrong value becomes a finding and reads as absent, so that one
/// pass names them all; `finish` names the keys that nobody asked for.
package final class SectionReader {
    package let section: JSONObject
    package let path: ConfigPath
    package let findings: ConfigFindings
    private var known: Set<String> = []

    package init(_ section: JSONObject, _ path: ConfigPath, _ findings: ConfigFindings) {
        self.section = section
        self.path = path
        self.findings = findings
    }

    /// The value of a key; null counts as absent, as it does where files are merged.
    package func value(_ key: String) -> JSONValue? {
        known.insert(key)
        findings.asks(path + key)
        guard let value = section[key], !value.isNull else { return nil }
        return value
    }

    package func knows(_ key: String) -> Bool { known.contains(key) }

    package func wrong(_ key: String, _ value: JSONValue?, _ message: String) {
        findings.wrong(path + key, value, message)
    }

    package func text(_ key: String) -> String? {
        guard let value = value(key) else { return nil }
        if let text = value.asString, !text.isEmpty, !text.contains("\0") { return text }
        wrong(key, value, "must be text that is not empty")
        return nil
    }

    package func requiredText(_ key: String) -> String? {
        guard value(key) != nil else {
            findings.missing(path + key, "is required: text")
            return nil
        }
        return text(key)
    }

    /// Text in which YAML may have seen a number, such as a password of digits; empty text is allowed.
    package func looseText(_ key: String) -> String? {
        guard let value = value(key) else { return nil }
        switch value {
        case .string(let text) where !text.contains("\0"): return text
        case .int, .bigInteger, .double: return value.pythonText
        default:
            wrong(key, value, "must be text")
            return nil
        }
    }

    package func secret(_ key: String) -> Secret? { looseText(key).map(Secret.init(_:)) }

    package func bool(_ key: String) -> Bool? {
        guard let value = value(key) else { return nil }
        if let flag = value.boolText { return flag }
        wrong(key, value, "must be true or false (also on/off, yes/no, 1/0)")
        return nil
    }

    package func integer(_ key: String, _ range: ClosedRange<Int64>, in unit: SettingText.Unit? = nil) -> Int64? {
        guard let value = value(key) else { return nil }
        if let number = value.settingInteger(in: unit), range.contains(number) { return number }
        let bounds: String
        switch (range.lowerBound, range.upperBound) {
        case (.min, .max): bounds = ""
        case (.min, let high): bounds = " of at most \(high)"
        case (let low, .max): bounds = " of at least \(low)"
        case (let low, let high): bounds = " from \(low) to \(high)"
        }
        wrong(key, value, "must be an integer\(bounds)" + (unit.map { " (units: \($0.names))" } ?? ""))
        return nil
    }

    /// A length of time, in seconds where no unit stands.
    package func duration(_ key: String, _ range: ClosedRange<Duration>) -> Duration? {
        guard let value = value(key) else { return nil }
        if let duration = value.settingDuration, range.contains(duration) { return duration }
        let bounds = "from \(range.lowerBound) to \(range.upperBound)"
        wrong(key, value, "must be a time \(bounds) (units: \(SettingText.Unit.seconds.names); seconds without one)")
        return nil
    }

    /// One of the given words, in any case of letters.
    package func word(_ key: String, _ allowed: [String]) -> String? {
        guard let value = value(key) else { return nil }
        if let word = value.asString?.lowercased(), allowed.contains(word) { return word }
        wrong(key, value, "must be one of " + allowed.joined(separator: ", "))
        return nil
    }

    package func absolutePath(_ key: String) -> String? {
        guard let text = text(key) else { return nil }
        if text.hasPrefix("/") { return text }
        wrong(key, .string(text), "must be an absolute path")
        return nil
    }

    package func hostPort(_ key: String, defaultPort: Int? = nil) -> HostPort? {
        guard let value = value(key) else { return nil }
        if let address = value.asString.flatMap({ HostPort($0, defaultPort: defaultPort) }) { return address }
        wrong(key, value, "must be host:port with a port from 1 to 65535")
        return nil
    }

    package func map(_ key: String) -> JSONObject? {
        guard let value = value(key) else { return nil }
        if let map = value.asObject { return map }
        wrong(key, value, "must be a map")
        return nil
    }

    /// A reader for a map below this one; of an empty map when there is none.
    package func section(_ key: String) -> SectionReader { SectionReader(map(key) ?? [:], path + key, findings) }

    package func list(_ key: String) -> [JSONValue]? {
        guard let value = value(key) else { return nil }
        if let list = value.asArray { return list }
        wrong(key, value, "must be a list")
        return nil
    }

    package func texts(_ key: String) -> [String]? {
        list(key)?.enumerated().compactMap { position, item in
            if let text = item.asString, !text.contains("\0") { return text }
            findings.wrong(path + key + position, item, "must be text")
            return nil
        }
    }

    /// A key of Patroni's that has no effect here: named once when it is set.
    package func withoutEffect(_ keys: String...) {
        for key in keys where value(key) != nil {
            findings.notice(.withoutEffect, path + key, "has no effect in this agent")
        }
    }

    package func unsupported(_ key: String, _ message: String) {
        guard let value = value(key) else { return }
        findings.unsupported(path + key, value, message)
    }

    /// Names the keys that were not asked for.
    package func finish() {
        for key in section.keys where !known.contains(key) {
            findings.notice(.unknownKey, path + key, "is not known to this agent; kept")
        }
    }
}
