/// How values of one setting are written: by `vartype` and `unit` of pg_settings.
public struct SettingKind: Hashable, Sendable {
    public let type: String
    /// Such as `8kB` or `ms`; nil for a plain number.
    public let unit: String?

    public init(type: String, unit: String?) {
        self.type = type
        self.unit = unit.flatMap { $0.isEmpty ? nil : $0 }
    }

    private static let memory: [(String, Double)] = [
        ("B", 1), ("kB", 1024), ("MB", 1_048_576), ("GB", 1_073_741_824), ("TB", 1_099_511_627_776),
    ]
    private static let time: [(String, Double)] = [
        ("us", 1), ("ms", 1000), ("s", 1e6), ("min", 60e6), ("h", 3600e6), ("d", 86_400e6),
    ]

    /// As pg_settings shows it: numbers in the setting's unit, `on` and `off`; what cannot be read stays as it is.
    public func canonical(_ text: String) -> String {
        switch type {
        case "bool": return ParameterText.bool(text).map { $0 ? "on" : "off" } ?? text
        case "enum": return text.lowercased()
        case "integer":
            if let number = ParameterText.integer(text) { return String(number) }
            guard let base = inBase(text), base.magnitude < 1e15 else { return text }
            return String(Int(base.rounded()))
        case "real":
            guard let number = Double(text.trimmed) ?? inBase(text) else { return text }
            return number == number.rounded() && number.magnitude < 1e15 ? String(Int(number)) : String(number)
        default: return text
        }
    }

    /// In the largest unit that leaves a whole number, such as `128MB` for 16384 of 8 kB.
    public func readable(_ text: String) -> String {
        guard let number = Int(text), number > 0, let (table, factor) = base else { return text }
        let total = Double(number) * factor
        guard let (name, size) = table.last(where: { total >= $0.1 && (total / $0.1).rounded() == total / $0.1 }) else {
            return text
        }
        return "\(Int(total / size))\(name)"
    }

    /// The table that `unit` belongs to, and how many of its smallest units one of `unit` has.
    private var base: ([(String, Double)], Double)? {
        guard let unit else { return nil }
        let digits = unit.prefix { $0.isNumber }
        let name = String(unit.dropFirst(digits.count))
        let count = Double(digits) ?? 1
        for table in [Self.memory, Self.time] {
            if let found = table.first(where: { $0.0 == name }) { return (table, found.1 * count) }
        }
        return nil
    }

    private func inBase(_ text: String) -> Double? {
        let text = text.trimmed
        let name = String(text.reversed().prefix { $0.isLetter }.reversed())
        guard let (table, factor) = base, let size = table.first(where: { $0.0 == name })?.1,
            let number = Double(String(text.dropLast(name.count)).trimmed)
        else { return nil }
        return number * size / factor
    }
}
