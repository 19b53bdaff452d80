extension JSONValue {
    /// How members are kept apart (contract/patroni.md 0.1).
    public struct Layout: Hashable, Sendable {
        let comma: String
        let colon: String

        /// `{"a":1,"b":2}`: every znode.
        public static let compact = Layout(comma: ",", colon: ":")
        /// `{"a": 1, "b": 2}`: every body of the REST API.
        public static let spaced = Layout(comma: ", ", colon: ": ")
    }

    /// The JSON text in ASCII: other characters as `\uXXXX`, slashes as they are.
    public func text(_ layout: Layout) -> String {
        var text = ""
        write(into: &text, layout)
        return text
    }

    /// The bytes of a znode.
    public var znode: [UInt8] { Array(text(.compact).utf8) }

    private func write(into text: inout String, _ layout: Layout) {
        switch self {
        case .null: text += "null"
        case .bool(let flag): text += flag ? "true" : "false"
        case .int(let number): text += String(number)
        case .bigInteger(let digits): text += digits
        case .double(let number): text += number.isFinite ? number.pythonText : "null"
        case .string(let string): Self.quote(string, into: &text)
        case .array(let items):
            text += "["
            for (position, item) in items.enumerated() {
                if position > 0 { text += layout.comma }
                item.write(into: &text, layout)
            }
            text += "]"
        case .object(let object):
            text += "{"
            for (position, member) in object.members.enumerated() {
                if position > 0 { text += layout.comma }
                Self.quote(member.key, into: &text)
                text += layout.colon
                member.value.write(into: &text, layout)
            }
            text += "}"
        }
    }

    private static func quote(_ string: String, into text: inout String) {
        text += "\""
        for unit in string.utf16 {
            switch unit {
            case 0x22: text += "\\\""
            case 0x5C: text += "\\\\"
            case 0x08: text += "\\b"
            case 0x0C: text += "\\f"
            case 0x0A: text += "\\n"
            case 0x0D: text += "\\r"
            case 0x09: text += "\\t"
            case 0x20..<0x7F: text.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            default:
                let digits = String(unit, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        text += "\""
    }
}

extension JSONObject {
    public func text(_ layout: JSONValue.Layout) -> String { JSONValue.object(self).text(layout) }
    public var znode: [UInt8] { JSONValue.object(self).znode }
}
