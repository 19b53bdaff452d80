/// How settings are read from text, everywhere alike (contract/patroni.md 3.1).
public enum SettingText {
    /// What a bare number of a setting counts.
    public struct Unit: Hashable, Sendable {
        /// The name of the unit and its factor to the smallest one of its family.
        let table: [String: Double]
        let base: Double

        static let memory: [String: Double] = [
            "B": 1, "kB": 1024, "MB": 1_048_576, "GB": 1_073_741_824, "TB": 1_099_511_627_776,
        ]
        static let time: [String: Double] = [
            "us": 1, "ms": 1000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000,
        ]

        public static let bytes = Unit(table: memory, base: 1)
        public static let kilobytes = Unit(table: memory, base: 1024)
        public static let megabytes = Unit(table: memory, base: 1_048_576)
        public static let milliseconds = Unit(table: time, base: 1000)
        public static let seconds = Unit(table: time, base: 1_000_000)
        public static let minutes = Unit(table: time, base: 60_000_000)
    }

    /// on, true, yes, 1 and off, false, no, 0 in any case; nil for anything else.
    public static func bool(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "on", "true", "yes", "1": true
        case "off", "false", "no", "0": false
        default: nil
        }
    }

    /// A whole number: decimal, octal (`0600`), hexadecimal (`0x180`) or a fraction, which is rounded to the even
    /// neighbour, followed by a unit when `unit` is given. Nil for anything else and for what does not fit.
    public static func integer(_ text: String, in unit: Unit? = nil) -> Int64? {
        let text = text.utf8.trimmed
        guard let (number, rest) = leadingNumber(text) else { return nil }
        let suffix = rest.trimmed
        if suffix.isEmpty {
            switch number {
            case .whole(let whole): return whole
            case .fraction(let fraction): return rounded(fraction)
            }
        }
        guard let unit, let factor = unit.table[String(decoding: suffix, as: UTF8.self)] else { return nil }
        return rounded(number.value * (factor / unit.base))
    }

    /// A length of time: a number as in `integer`, of seconds unless a unit follows. Nil for anything else, and beyond
    /// what fits into microseconds.
    public static func duration(_ text: String) -> Duration? {
        guard let (number, rest) = leadingNumber(text.utf8.trimmed) else { return nil }
        let suffix = String(decoding: rest.trimmed, as: UTF8.self)
        guard let factor = Unit.time[suffix.isEmpty ? "s" : suffix] else { return nil }
        return rounded(number.value * factor).map { .microseconds($0) }
    }

    private enum Number {
        case whole(Int64)
        case fraction(Double)

        var value: Double {
            switch self {
            case .whole(let whole): Double(whole)
            case .fraction(let fraction): fraction
            }
        }
    }

    private static func rounded(_ number: Double) -> Int64? { Int64(exactly: number.rounded(.toNearestOrEven)) }

    private static func leadingNumber(_ text: Substring.UTF8View) -> (Number, Substring.UTF8View)? {
        var rest = text
        var negative = false
        if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            negative = sign == UInt8(ascii: "-")
            rest = rest.dropFirst()
        }
        let sign = negative ? "-" : ""
        if rest.starts(with: "0x".utf8) || rest.starts(with: "0X".utf8) {
            let digits = rest.dropFirst(2).prefix { Character(Unicode.Scalar($0)).isHexDigit }
            guard let number = Int64(sign + String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
            return (.whole(number), rest.dropFirst(2 + digits.count))
        }
        let whole = rest.prefix(while: isDigit)
        var tail = rest.dropFirst(whole.count)
        let fractional = fraction(&tail)
        if let fractional {
            let digits = String(decoding: whole, as: UTF8.self)
            guard let number = Double(sign + (digits.isEmpty ? "0" : digits) + fractional) else { return nil }
            return (.fraction(number), tail)
        }
        guard let first = whole.first else { return nil }
        let radix = first == UInt8(ascii: "0") && whole.count > 1 ? 8 : 10
        guard let number = Int64(sign + String(decoding: whole, as: UTF8.self), radix: radix) else { return nil }
        return (.whole(number), tail)
    }

    /// Takes `.5`, `e3` or `.5e3` from the front of `rest`; nil, and nothing taken, when there is none.
    private static func fraction(_ rest: inout Substring.UTF8View) -> String? {
        var text = ""
        var tail = rest
        if tail.first == UInt8(ascii: ".") {
            let digits = tail.dropFirst().prefix(while: isDigit)
            guard !digits.isEmpty else { return nil }
            text += "." + String(decoding: digits, as: UTF8.self)
            tail = tail.dropFirst(1 + digits.count)
        }
        if tail.first == UInt8(ascii: "e") || tail.first == UInt8(ascii: "E") {
            var power = tail.dropFirst()
            var sign = ""
            if let byte = power.first, byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") {
                sign = String(Character(Unicode.Scalar(byte)))
                power = power.dropFirst()
            }
            let digits = power.prefix(while: isDigit)
            if !digits.isEmpty {
                text += "e" + sign + String(decoding: digits, as: UTF8.self)
                tail = power.dropFirst(digits.count)
            }
        }
        guard !text.isEmpty else { return nil }
        rest = tail
        return text
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}

extension BidirectionalCollection where Element == UInt8, SubSequence == Substring.UTF8View {
    /// Without the white space at both ends.
    fileprivate var trimmed: Substring.UTF8View {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }
        var rest = self[...]
        while let byte = rest.first, isSpace(byte) { rest = rest.dropFirst() }
        while let byte = rest.last, isSpace(byte) { rest = rest.dropLast() }
        return rest
    }
}

extension SettingText.Unit {
    /// The units that may follow a number, from small to large, for messages.
    public var names: String { table.sorted { $0.value < $1.value }.map(\.key).joined(separator: " ") }
}
