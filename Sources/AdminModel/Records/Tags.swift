/// The tags of a member and what they mean (contract/patroni.md 1.3.3).
public struct Tags: Hashable, Sendable {
    /// As written, in order: what is published and shown.
    public var map: JSONObject

    public init(_ map: JSONObject = [:]) { self.map = map }

    /// The tags that a member publishes for the `tags` of its configuration: switches that are off are left out, except
    /// where an off switch overrides the priority beside it.
    public static func effective(configured: JSONObject) -> Tags {
        var off: Set<String> = []
        for member in configured where !member.value.isTruthy {
            switch member.key {
            case "clonefrom", "noloadbalance", "nostream": off.insert(member.key)
            case "nofailover" where !configured.contains("failover_priority"): off.insert(member.key)
            case "nosync" where !configured.contains("sync_priority"): off.insert(member.key)
            default: continue
            }
        }
        var map = configured
        map.removeAll(off)
        return Tags(map)
    }

    /// Never to become leader.
    public var nofailover: Bool { isOff("nofailover", priority: "failover_priority") }
    /// 0 with `nofailover`, else the tag's value, 1 without one; higher is preferred among equals.
    public var failoverPriority: Int { priority("failover_priority", off: "nofailover") }
    /// Never to be a synchronous standby.
    public var nosync: Bool { isOff("nosync", priority: "sync_priority") }
    public var syncPriority: Int { priority("sync_priority", off: "nosync") }
    /// `/replica` answers 503.
    public var noloadbalance: Bool { map["noloadbalance"]?.isTruthy ?? false }
    /// Preferred as the source of a new replica.
    public var clonefrom: Bool { map["clonefrom"]?.isTruthy ?? false }
    /// Replays from the archive only.
    public var nostream: Bool { map["nostream"]?.boolText ?? false }
    /// The member to stream from in place of the leader.
    public var replicatefrom: String? {
        guard let name = map["replicatefrom"], !name.isNull else { return nil }
        return name.pythonText.isEmpty ? nil : name.pythonText
    }

    /// A contradiction between a switch and the priority beside it, worded for the log.
    public var conflicts: [String] {
        [("nofailover", "failover_priority"), ("nosync", "sync_priority")].compactMap { flag, priority in
            guard let off = map[flag], !off.isNull, let number = map[priority]?.settingInteger() else { return nil }
            guard off.isTruthy != (number <= 0) else { return nil }
            let flagText = off.pythonText
            return "Conflicting configuration between \(flag): \(flagText) and \(priority): \(number)."
                + " Defaulting to \(flag): \(flagText)"
        }
    }

    private func isOff(_ flag: String, priority: String) -> Bool {
        if let explicit = map[flag], !explicit.isNull { return explicit.isTruthy }
        return map[priority]?.settingInteger().map { $0 <= 0 } ?? false
    }

    private func priority(_ key: String, off flag: String) -> Int {
        if let explicit = map[flag], explicit.isTruthy { return 0 }
        return map[key]?.settingInteger().map { Int($0) } ?? 1
    }
}

extension JSONValue {
    /// The value of an integer setting in any spelling that is allowed (`SettingText.integer`); nil for others.
    public func settingInteger(in unit: SettingText.Unit? = nil) -> Int64? {
        switch self {
        case .int(let number): number
        case .double, .string: SettingText.integer(pythonText, in: unit)
        case .null, .bool, .bigInteger, .array, .object: nil
        }
    }

    /// A length of time in any spelling that is allowed (`SettingText.duration`); nil for others.
    public var settingDuration: Duration? {
        switch self {
        case .int, .double, .string: SettingText.duration(pythonText)
        case .null, .bool, .bigInteger, .array, .object: nil
        }
    }
}
