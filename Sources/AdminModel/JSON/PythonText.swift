extension JSONValue {
    /// What Python's `str` prints: `None`, `True`, `1.0`, text as it is, lists and maps by the printed form of their
    /// items. Values are compared in this form (contract/patroni.md 0.1), and settings of PostgreSQL are written in it.
    public var pythonText: String {
        if case .string(let text) = self { text } else { pythonRepresentation }
    }

    /// What Python's `repr` prints: as `pythonText`, with text in quotes.
    public var pythonRepresentation: String {
        switch self {
        case .null: "None"
        case .bool(let flag): flag ? "True" : "False"
        case .int(let number): String(number)
        case .bigInteger(let digits): digits
        case .double(let number): number.pythonText
        case .string(let text): Self.quoted(text)
        case .array(let items): "[" + items.map(\.pythonRepresentation).joined(separator: ", ") + "]"
        case .object(let object):
            "{" + object.map { Self.quoted($0.key) + ": " + $0.value.pythonRepresentation }.joined(separator: ", ")
                + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        let quote: Unicode.Scalar =
            text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
        var quoted = String(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": quoted += "\\\\"
            case quote: quoted += "\\" + String(quote)
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            default:
                if isPrintable(scalar) {
                    quoted.unicodeScalars.append(scalar)
                } else if scalar.value < 0x100 {
                    quoted += "\\x" + padded(scalar.value, 2)
                } else if scalar.value < 0x10000 {
                    quoted += "\\u" + padded(scalar.value, 4)
                } else {
                    quoted += "\\U" + padded(scalar.value, 8)
                }
            }
        }
        return quoted + String(quote)
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar == " " { return true }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return true
        }
    }

    private static func padded(_ number: UInt32, _ width: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Whether writing this over the other may be skipped (contract/patroni.md 0.1): maps by their keys, in any
    /// order, everything else by its printed form, so that 20 equals "20".
    public func deepEquals(_ other: JSONValue) -> Bool {
        switch (self, other) {
        case (.object(let left), .object(let right)):
            return left.count == right.count
                && left.allSatisfy { member in right[member.key].map(member.value.deepEquals) ?? false }
        case (.object, _), (_, .object): return false
        default:
            // Byte by byte: Swift's own comparison takes composed and decomposed characters for equal.
            return pythonText.utf8.elementsEqual(other.pythonText.utf8)
        }
    }
}

extension JSONObject {
    public func deepEquals(_ other: JSONObject) -> Bool { JSONValue.object(self).deepEquals(.object(other)) }
}

extension Double {
    /// The shortest digits that read back as this number, laid out as Python does: `1.0`, `1e-05`, `1e+16`.
    var pythonText: String {
        guard isFinite else { return isNaN ? "nan" : self < 0 ? "-inf" : "inf" }
        let parts = description.split(separator: "e")
        let mantissa = parts[0].drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        let whole = String(mantissa[0])
        let fraction = mantissa.count > 1 ? String(mantissa[1]) : ""
        let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let written = whole + fraction
        var digits = written.drop { $0 == "0" }
        // Where the decimal point stands, counted from the first digit that is not zero.
        let point = whole.count + exponent - (written.count - digits.count)
        while digits.last == "0" { digits.removeLast() }
        let sign = self.sign == .minus ? "-" : ""
        if digits.isEmpty { return sign + "0.0" }
        if point > 16 || point < -3 {
            let power = point - 1
            let head = digits.prefix(1) + (digits.count > 1 ? "." + digits.dropFirst() : "")
            let magnitude = String(abs(power))
            return sign + head + "e" + (power < 0 ? "-" : "+") + (magnitude.count < 2 ? "0" : "") + magnitude
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        if digits.count <= point { return sign + digits + String(repeating: "0", count: point - digits.count) + ".0" }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }
}
