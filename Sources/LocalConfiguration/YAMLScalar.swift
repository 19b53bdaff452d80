package import AdminModel

/// What a plain scalar means by the rules of YAML 1.1 as PyYAML has them, which the files of users are written for:
/// `on` and `yes` are booleans, `0640` is octal, `1:30` counts in sixties, dates stay text.
package enum YAMLScalar {
    package static func value(_ text: String) -> JSONValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON": return true
        case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF": return false
        default: break
        }
        guard let first = text.utf8.first, "+-.0123456789".utf8.contains(first) else { return .string(text) }
        return integer(text) ?? fraction(text) ?? .string(text)
    }

    private static func integer(_ text: String) -> JSONValue? {
        var digits = Substring(text)
        let sign = digits.first == "-" ? "-" : ""
        if digits.first == "-" || digits.first == "+" { digits.removeFirst() }
        if digits.hasPrefix("0b") { return number(digits.dropFirst(2), radix: 2, sign) }
        if digits.hasPrefix("0x") { return number(digits.dropFirst(2), radix: 16, sign) }
        if digits.hasPrefix("0") && digits.count > 1 && digits.dropFirst().first != ":" {
            return number(digits, radix: 8, sign)
        }
        if digits.contains(":") { return sixties(digits, sign) }
        return digits.first == "_" ? nil : number(digits, radix: 10, sign)
    }

    private static func number(_ digits: Substring, radix: Int, _ sign: String) -> JSONValue? {
        let digits = digits.filter { $0 != "_" }
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && ($0.hexDigitValue ?? 99) < radix }) else { return nil }
        if let number = Int64(sign + digits, radix: radix) { return .int(number) }
        return radix == 10 ? .bigInteger(sign + digits) : nil
    }

    private static func sixties(_ digits: Substring, _ sign: String) -> JSONValue? {
        let parts = digits.split(separator: ":", omittingEmptySubsequences: false)
        guard let head = parts.first, let first = head.first, ("1"..."9").contains(first),
            var total = Int64(head.filter { $0 != "_" })
        else { return nil }
        for part in parts.dropFirst() {
            guard part.count == 1 || part.count == 2, !part.hasPrefix("+"), !part.hasPrefix("-"),
                let digit = Int64(part),
                digit < 60
            else { return nil }
            let (product, overflow) = total.multipliedReportingOverflow(by: 60)
            guard !overflow, product <= Int64.max - digit else { return nil }
            total = product + digit
        }
        return .int(sign.isEmpty ? total : -total)
    }

    /// PyYAML wants a point, a sign behind the `e`, and none before a leading point: `1e3` and `-.5` are text to it.
    private static func fraction(_ text: String) -> JSONValue? {
        var rest = Substring(text)
        if rest.first == "-" || rest.first == "+" {
            rest.removeFirst()
            if rest.first == "." { return nil }
        }
        let mantissa = rest.prefix { $0 != "e" && $0 != "E" }
        let parts = mantissa.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.allSatisfy { "0123456789_".contains($0) } }) else { return nil }
        let whole = parts[0]
        let decimals = parts[1]
        guard whole.isEmpty ? decimals.first?.isNumber == true : whole.first != "_" else { return nil }
        let exponent = rest.dropFirst(mantissa.count)
        if !exponent.isEmpty {
            guard let sign = exponent.dropFirst().first, sign == "+" || sign == "-", exponent.count > 2,
                exponent.dropFirst(2).allSatisfy({ "0123456789".contains($0) })
            else { return nil }
        }
        var digits = whole.isEmpty ? "0" : String(whole)
        digits += decimals.isEmpty ? "" : "." + decimals
        digits = digits.filter { $0 != "_" } + exponent
        guard let number = Double((text.hasPrefix("-") ? "-" : "") + digits), number.isFinite else { return nil }
        return .double(number)
    }
}
