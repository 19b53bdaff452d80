package import AdminModel

/// The values of a query as `patronictl` shows them, which gets them from Python: `True`, `None`, `[1, 2]`.
package enum SQLValue {
    package static func row(_ values: [String?], _ types: [UInt32]) -> [JSONValue] {
        zip(values, types).map { text, type in text.map { value($0, type) } ?? .null }
    }

    /// - Parameter type: the OID of its type.
    static func value(_ text: String, _ type: UInt32) -> JSONValue {
        if let element = elements[type] { return array(text, element) ?? .string(text) }
        switch type {
        case 16: return .bool(text == "t")
        case 20, 21, 23, 26: return Int64(text).map(JSONValue.int) ?? .string(text)
        case 700, 701: return Double(text).flatMap { $0.isFinite ? .double($0) : nil } ?? .string(text.lowercased())
        case 114, 3802: return (try? JSONParser.parse(text)) ?? .string(text)
        case 1083, 1114: return .string(time(text))
        case 1184, 1266: return .string(zoned(text))
        default: return .string(text)
        }
    }

    /// Arrays by the type of their elements.
    private static let elements: [UInt32: UInt32] = [
        1000: 16, 1005: 21, 1007: 23, 1016: 20, 1028: 26, 1021: 700, 1022: 701, 1009: 25, 1015: 1043, 1002: 18,
    ]

    /// Python writes all six digits of a fraction, or none.
    private static func time(_ text: String) -> String {
        guard let point = text.lastIndex(of: ".") else { return text }
        let digits = text.distance(from: point, to: text.endIndex) - 1
        return text + String(repeating: "0", count: max(0, 6 - digits))
    }

    /// PostgreSQL leaves out minutes that are zero from an offset.
    private static func zoned(_ text: String) -> String {
        guard let sign = text.lastIndex(where: { $0 == "+" || $0 == "-" }), text[..<sign].contains(":") else {
            return text
        }
        let offset = text[sign...]
        return time(String(text[..<sign])) + (offset.count == 3 ? offset + ":00" : offset)
    }

    /// One with a single dimension; nil for others, which stay as the server wrote them.
    private static func array(_ text: String, _ element: UInt32) -> JSONValue? {
        guard text.first == "{", text.last == "}" else { return nil }
        var items: [JSONValue] = []
        var item = ""
        var (isQuoted, wasQuoted, isEscaped) = (false, false, false)
        func end() { items.append(!wasQuoted && item == "NULL" ? .null : value(item, element)) }
        for character in text.dropFirst().dropLast() {
            switch character {
            case _ where isEscaped:
                item.append(character)
                isEscaped = false
            case "\\": isEscaped = true
            case "\"":
                isQuoted.toggle()
                wasQuoted = true
            case "," where !isQuoted:
                end()
                (item, wasQuoted) = ("", false)
            case "{" where !isQuoted: return nil
            default: item.append(character)
            }
        }
        if text.utf8.count > 2 { end() }
        return .array(items)
    }
}
