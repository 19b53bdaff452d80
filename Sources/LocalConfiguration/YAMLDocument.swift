package import AdminModel
internal import Yams

/// A YAML text as ordered JSON, with the line of each value.
package struct YAMLDocument {
    package let value: JSONValue
    package let origins: ConfigOrigins

    /// Bounds against a file that is no configuration, and against aliases that multiply.
    static let maximumBytes = 4 << 20
    private static let maximumValues = 200_000
    private static let maximumDepth = 64

    /// Reads one document. `source` is the name that messages give it. Messages never quote the text.
    package static func parse(_ text: String, source: String) throws(ConfigError) -> YAMLDocument {
        guard text.utf8.count <= maximumBytes else {
            throw unreadable(source, "must not be longer than \(maximumBytes) bytes")
        }
        let root: Node?
        do {
            root = try Parser(yaml: text, encoding: .utf8).singleRoot()
        } catch {
            throw unreadable(source, error as? YamlError)
        }
        var reader = NodeReader(source: source, origins: ConfigOrigins(document: source))
        let value = try reader.read(root ?? Node(""), at: [], depth: 0)
        return YAMLDocument(value: value, origins: reader.origins)
    }

    private static func unreadable(_ source: String, _ message: String) -> ConfigError {
        ConfigError([ConfigProblem(.unreadable, source: source, message: message)])
    }

    /// The library's own description quotes the line, and a line may hold a password.
    private static func unreadable(_ source: String, _ error: YamlError?) -> ConfigError {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let place = context.map { " (\($0.text))" } ?? ""
            return unreadable("\(source):\(mark.line)", "is not valid YAML: \(problem)\(place), column \(mark.column)")
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "'\($0)'" }.joined(separator: ", ")
            return unreadable("\(source):\(context.mark.line)", "must not have a key twice: \(names)")
        case .reader(let problem, let offset, _, _):
            return unreadable(source, "is not valid YAML: \(problem)" + (offset.map { " at character \($0)" } ?? ""))
        default:
            return unreadable(source, "is not valid YAML")
        }
    }

    private struct NodeReader {
        let source: String
        var origins: ConfigOrigins
        var count = 0

        mutating func read(_ node: Node, at path: ConfigPath, depth: Int) throws(ConfigError) -> JSONValue {
            count += 1
            let place = node.mark.map { "\(source):\($0.line)" } ?? source
            guard count <= maximumValues else {
                throw unreadable(place, "must not hold more than \(maximumValues) values")
            }
            guard depth <= maximumDepth else {
                throw unreadable(place, "must not be nested deeper than \(maximumDepth)")
            }
            // Parents first: a value that an alias puts into several places keeps the line of the original.
            if !path.components.isEmpty { origins.set(path, place) }
            switch node {
            case .scalar(let scalar): return try value(of: scalar, place)
            case .sequence(let sequence):
                var items: [JSONValue] = []
                for (position, item) in sequence.enumerated() {
                    items.append(try read(item, at: path + position, depth: depth + 1))
                }
                return .array(items)
            case .mapping(let mapping): return .object(try members(of: mapping, at: path, depth: depth, place))
            case .alias: throw unreadable(place, "has an alias that is not resolved")
            }
        }

        private func value(of scalar: Node.Scalar, _ place: String) throws(ConfigError) -> JSONValue {
            let tag = scalar.tag.description.split(separator: ":").last.map(String.init) ?? ""
            switch tag {
            case "str", "!": return .string(scalar.string)
            case "", "int", "float", "bool", "null", "timestamp", "merge", "value":
                return scalar.style == .plain || !tag.isEmpty ? YAMLScalar.value(scalar.string) : .string(scalar.string)
            default: throw unreadable(place, "must not use the YAML tag \(scalar.tag.description)")
            }
        }

        private mutating func members(
            of mapping: Node.Mapping, at path: ConfigPath, depth: Int, _ place: String
        ) throws(ConfigError) -> JSONObject {
            var object = JSONObject()
            var inherited = JSONObject()
            for (key, value) in mapping {
                guard let name = key.scalar else {
                    throw unreadable(place, "must have plain text as the keys of a map")
                }
                if name.string == "<<", name.style == .plain {
                    try inherit(value, into: &inherited, at: path, depth: depth, place)
                    continue
                }
                let line = key.mark.map { "\(source):\($0.line)" } ?? place
                guard !object.contains(name.string) else {
                    throw unreadable(line, "must not have a key twice: '\(name.string)'")
                }
                object[name.string] = try read(value, at: path + name.string, depth: depth + 1)
                origins.set(path + name.string, line)
            }
            for member in inherited where !object.contains(member.key) { object[member.key] = member.value }
            return object
        }

        /// The merge key of YAML 1.1: what the map itself says wins, then the map that is named first.
        private mutating func inherit(
            _ node: Node, into inherited: inout JSONObject, at path: ConfigPath, depth: Int, _ place: String
        ) throws(ConfigError) {
            let value = try read(node, at: path + "<<", depth: depth + 1)
            for item in value.asArray ?? [value] {
                guard let map = item.asObject else { throw unreadable(place, "must have a map behind '<<'") }
                for member in map where !inherited.contains(member.key) { inherited[member.key] = member.value }
            }
        }
    }
}
