package import AdminModel
internal import Yams

/// YAML as PyYAML's `safe_dump` writes it: keys in order, lines of at most 200 characters where a blank allows it.
package enum YAMLWriter {
    /// - Parameter flow: `{a: 1}` on one line in place of one key a line.
    /// - Returns: text with a line break at its end.
    package static func text(_ value: JSONValue, flow: Bool = false) -> String {
        // The writer refuses no tree that is made of these nodes.
        (try? Yams.serialize(node: node(value, flow), width: 200, allowUnicode: true)) ?? ""
    }

    private static func node(_ value: JSONValue, _ flow: Bool) -> Node {
        switch value {
        case .null: return Node("null", Tag(.null), .plain)
        case .bool(let flag): return Node(flag ? "true" : "false", Tag(.bool), .plain)
        case .int(let number): return Node(String(number), Tag(.int), .plain)
        case .bigInteger(let digits): return Node(digits, Tag(.int), .plain)
        case .double: return Node(number(value.pythonText), Tag(.float), .plain)
        case .string(let text): return Node(text, Tag(.str), isText(text) ? .plain : .singleQuoted)
        case .array(let items):
            return .sequence(Node.Sequence(items.map { node($0, flow) }, Tag(.seq), flow ? .flow : .block))
        case .object(let object):
            let sorted = object.sorted { $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars) }
            return .mapping(
                Node.Mapping(
                    sorted.map { (node(.string($0.key), flow), node($0.value, flow)) }, Tag(.map),
                    flow ? .flow : .block))
        }
    }

    /// Whether the text without quotes would be read as text again.
    private static func isText(_ text: String) -> Bool {
        guard case .string = YAMLScalar.value(text) else { return false }
        if ["=", "<<", ".nan", ".NaN", ".NAN"].contains(text) { return false }
        return text.wholeMatch(of: /[-+]?\.(inf|Inf|INF)/) == nil && text.wholeMatch(of: date) == nil
            && text.wholeMatch(of: moment) == nil
    }

    nonisolated(unsafe) private static let date = /[0-9]{4}-[0-9]{2}-[0-9]{2}/
    nonisolated(unsafe) private static let moment =
        /[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?([Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(\.[0-9]*)?([ \t]*(Z|[-+][0-9][0-9]?(:[0-9]{2})?))?/

    /// YAML 1.1 wants a point before the exponent.
    private static func number(_ text: String) -> String {
        text.contains(".") ? text : text.replacing("e", with: ".0e", maxReplacements: 1)
    }
}
