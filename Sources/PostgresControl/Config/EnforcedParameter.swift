/// A parameter on which replication depends: the cluster's value goes on the postmaster's command line, where nobody's
/// file can change it on one member alone (contract/patroni.md 3.7).
struct EnforcedParameter: Sendable {
    let name: String
    let fallback: String
    /// Before the command line ends: the two that the contract keeps in the file only do not.
    let onCommandLine: Bool
    /// The value in the form to be used; nil when it is not accepted.
    let accept: @Sendable (String) -> String?

    /// In the command line's order, after listen_addresses, port and cluster_name.
    static let all: [EnforcedParameter] = [
        EnforcedParameter(name: "wal_level", fallback: "replica") { value in
            switch value.lowercased() {
            case "hot_standby", "replica": "replica"
            case "logical": "logical"
            default: nil
            }
        },
        EnforcedParameter(name: "hot_standby", fallback: "on") { ParameterText.bool($0) == true ? "on" : nil },
        number("max_connections", 100, atLeast: 25),
        number("max_wal_senders", 10, atLeast: 3),
        number("max_prepared_transactions", 0, atLeast: 0),
        number("max_locks_per_transaction", 64, atLeast: 32),
        EnforcedParameter(name: "track_commit_timestamp", fallback: "off", accept: bool),
        number("max_replication_slots", 10, atLeast: 4),
        number("max_worker_processes", 8, atLeast: 2),
        EnforcedParameter(name: "wal_log_hints", fallback: "on", accept: bool),
        EnforcedParameter(name: "wal_keep_size", fallback: "128MB", onCommandLine: false) { value in
            // Kept as written: only its size in megabytes, the parameter's unit, is checked.
            ParameterText.megabytes(value).flatMap { $0 >= 16 ? value : nil }
        },
    ]

    static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    private init(
        name: String, fallback: String, onCommandLine: Bool = true, accept: @escaping @Sendable (String) -> String?
    ) {
        self.name = name
        self.fallback = fallback
        self.onCommandLine = onCommandLine
        self.accept = accept
    }

    private static func number(_ name: String, _ fallback: Int, atLeast minimum: Int) -> EnforcedParameter {
        EnforcedParameter(name: name, fallback: String(fallback)) { value in
            ParameterText.integer(value).flatMap { $0 >= minimum && $0 <= Int(Int32.max) ? String($0) : nil }
        }
    }

    private static func bool(_ value: String) -> String? { ParameterText.bool(value).map { $0 ? "on" : "off" } }
}

/// Reading of parameter values as PostgreSQL and the contract (3.1) write them.
enum ParameterText {
    /// on/true/yes/1 and off/false/no/0, in any case.
    static func bool(_ text: String) -> Bool? {
        switch text.lowercased().trimmed {
        case "on", "true", "yes", "1": true
        case "off", "false", "no", "0": false
        default: nil
        }
    }

    /// Decimal, hexadecimal (0x) or octal (leading 0), or a decimal fraction, rounded.
    static func integer(_ text: String) -> Int? {
        let text = text.trimmed
        let digits = text.hasPrefix("-") || text.hasPrefix("+") ? String(text.dropFirst()) : text
        let sign = text.hasPrefix("-") ? -1 : 1
        if digits.lowercased().hasPrefix("0x") { return Int(digits.dropFirst(2), radix: 16).map { sign * $0 } }
        if digits.count > 1, digits.hasPrefix("0"), let octal = Int(digits.dropFirst(), radix: 8) {
            return sign * octal
        }
        if let number = Int(digits) { return sign * number }
        guard let number = Double(digits), number.isFinite, number.magnitude < 1e15 else { return nil }
        return sign * Int(number.rounded())
    }

    /// A size with or without a unit (megabytes when without), in megabytes.
    static func megabytes(_ text: String) -> Double? {
        let text = text.trimmed
        let unit = String(text.reversed().prefix { $0.isLetter }.reversed())
        guard let number = Double(text.dropLast(unit.count).trimmingSpaces) else { return nil }
        switch unit {
        case "": return number
        case "B": return number / 1_048_576
        case "kB": return number / 1024
        case "MB": return number
        case "GB": return number * 1024
        case "TB": return number * 1_048_576
        default: return nil
        }
    }
}

extension String {
    var trimmed: String { self[...].trimmingSpaces }
}

extension Substring {
    fileprivate var trimmingSpaces: String {
        var text = drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
