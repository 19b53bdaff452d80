/// A JSON value that keeps the order of its keys and the kind of its numbers.
///
/// Other programs read what we write and compare it by its printed form (contract/patroni.md 0.1 and 0.2), so a value
/// must survive YAML, znode and REST with its order and its types; Foundation's coder keeps neither.
public enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    /// An integer outside of `Int64`, as its decimal digits: kept as it came, never computed with.
    case bigInteger(String)
    /// Finite: the parser refuses what is not.
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// The member of an object; nil for a missing key and for anything that is no object.
    public subscript(key: String) -> JSONValue? { asObject?[key] }

    public var isNull: Bool { self == .null }

    /// The text of a JSON string; nil for every other kind.
    public var asString: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The value of a JSON integer; nil for every other kind, also for text that looks like a number.
    public var asInt: Int64? {
        if case .int(let number) = self { number } else { nil }
    }

    /// `true` or `false`; nil for every other kind, also for the text forms of `boolText`.
    public var asBool: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }

    public var asArray: [JSONValue]? {
        if case .array(let items) = self { items } else { nil }
    }

    public var asObject: JSONObject? {
        if case .object(let object) = self { object } else { nil }
    }

    /// A boolean in any of the spellings that a configuration may use (contract/patroni.md 3.1): `true`, `1`, `"on"`,
    /// `"Yes"` and so on; nil for anything else.
    public var boolText: Bool? {
        switch self {
        case .bool(let flag): flag
        case .int, .string: SettingText.bool(pythonText)
        case .null, .bigInteger, .double, .array, .object: nil
        }
    }

    /// An integer, also when a tool wrote it as text in decimal digits; nil for anything else.
    public var looseInt: Int64? {
        switch self {
        case .int(let number): number
        case .string(let text): Int64(text)
        case .null, .bool, .bigInteger, .double, .array, .object: nil
        }
    }

    /// Whether Python counts the value as true: everything but null, false, zero and the empty text, list and map.
    /// Tags are judged so (contract/patroni.md 1.3.3), which makes the text `"false"` true.
    public var isTruthy: Bool {
        switch self {
        case .null: false
        case .bool(let flag): flag
        case .int(let number): number != 0
        case .bigInteger: true
        case .double(let number): number != 0
        case .string(let text): !text.isEmpty
        case .array(let items): !items.isEmpty
        case .object(let object): !object.isEmpty
        }
    }

    /// The kind in words, for messages to people.
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .int, .bigInteger: "an integer"
        case .double: "a number"
        case .string: "text"
        case .array: "a list"
        case .object: "a map"
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
}
