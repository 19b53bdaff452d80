import AdminModel
import Foundation

/// How a record becomes a line: Python's `%(name)s` template, or, for JSON, its fields under their own or other names.
public struct LogFormat: Hashable, Sendable {
    struct Problem: Error { let message: String }

    /// A field with the flags, width, precision and kind of its place in the template.
    private struct Placeholder: Hashable {
        var field: LogField
        var flags = ""
        var width = 0
        var precision: Int?
        var kind: Character = "s"
    }

    private enum Piece: Hashable {
        case text(String)
        case placeholder(Placeholder)
    }

    private struct Named: Hashable {
        var field: LogField
        var name: String
    }

    private let pieces: [Piece]
    private let fields: [Named]

    private init(pieces: [Piece], fields: [Named]) {
        self.pieces = pieces
        self.fields = fields
    }

    /// `%(asctime)s %(levelname)s: %(message)s`
    static let standard = LogFormat(
        pieces: [
            .placeholder(Placeholder(field: .asctime)), .text(" "), .placeholder(Placeholder(field: .levelname)),
            .text(": "), .placeholder(Placeholder(field: .message)),
        ], fields: [.asctime, .levelname, .message].map { Named(field: $0, name: $0.rawValue) })

    /// - Parameter template: Python's %-style.
    init(template: String) throws(Problem) {
        var pieces: [Piece] = []
        var text = ""
        var rest = Substring(template)
        while let character = rest.popFirst() {
            guard character == "%" else {
                text.append(character)
                continue
            }
            if rest.first == "%" {
                rest.removeFirst()
                text.append("%")
                continue
            }
            if !text.isEmpty { pieces.append(.text(text)) }
            text = ""
            pieces.append(.placeholder(try Self.placeholder(&rest)))
        }
        if !text.isEmpty { pieces.append(.text(text)) }
        let fields = pieces.compactMap { piece -> Named? in
            guard case .placeholder(let found) = piece else { return nil }
            return Named(field: found.field, name: found.field.rawValue)
        }
        guard !fields.isEmpty else { throw Problem(message: "must name at least one field: %(message)s") }
        self.init(pieces: pieces, fields: fields)
    }

    /// - Parameter fields: names, or maps of a name to the one it gets.
    init(fields: [JSONValue]) throws(Problem) {
        var named: [Named] = []
        for item in fields {
            switch item {
            case .string(let name): named.append(Named(field: try Self.field(name), name: name))
            case .object(let map):
                for member in map.members {
                    guard let name = member.value.asString else {
                        throw Problem(message: "must name fields by text: {levelname: level}")
                    }
                    named.append(Named(field: try Self.field(member.key), name: name))
                }
            default: throw Problem(message: "must be a list of field names, or of {field: other name}")
            }
        }
        self.init(pieces: Self.standard.pieces, fields: named.isEmpty ? Self.standard.fields : named)
    }

    private static func field(_ name: some StringProtocol) throws(Problem) -> LogField {
        if let field = LogField(rawValue: String(name)) { return field }
        let known = LogField.allCases.map(\.rawValue).joined(separator: ", ")
        throw Problem(message: "names '\(name)', which is no field of a log record; there are \(known)")
    }

    /// What follows a percent sign: `(name)`, flags, width, precision, kind.
    private static func placeholder(_ rest: inout Substring) throws(Problem) -> Placeholder {
        guard rest.popFirst() == "(", let end = rest.firstIndex(of: ")") else {
            throw Problem(message: "must be text with %(name)s, and %% for a percent sign")
        }
        var found = Placeholder(field: try field(rest[..<end]))
        rest = rest[rest.index(after: end)...]
        func number() -> Int? {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest[digits.endIndex...]
            return digits.count > 4 ? nil : Int(digits)
        }
        let flags = rest.prefix { "#0- +".contains($0) }
        rest = rest[flags.endIndex...]
        found.flags = String(flags)
        found.width = number() ?? 0
        if rest.first == "." {
            rest.removeFirst()
            found.precision = number() ?? 0
        }
        guard let kind = rest.popFirst(), "srdif".contains(kind) else {
            throw Problem(message: "must end each %(name) in one of the kinds s, r, d, i, f")
        }
        found.kind = kind
        return found
    }

    // MARK: Lines

    func plain(_ record: LogRecord, dateFormat: String?) -> String {
        var line = ""
        for piece in pieces {
            switch piece {
            case .text(let text): line += text
            case .placeholder(let place):
                line += Self.text(place, place.field.value(of: record, dateFormat: dateFormat))
            }
        }
        for (key, value) in record.metadata { line += " \(key)=\(value)" }
        return line
    }

    func json(_ record: LogRecord, dateFormat: String?, staticFields: JSONObject) -> String {
        var object = JSONObject()
        for field in fields { object[field.name] = field.field.value(of: record, dateFormat: dateFormat) }
        for member in staticFields.members { object[member.key] = member.value }
        for (key, value) in record.metadata { object[key] = .string(value) }
        return JSONValue.object(object).text(.spaced)
    }

    private static func text(_ place: Placeholder, _ value: JSONValue) -> String {
        var text: String
        switch (place.kind, value) {
        case ("d", .double(let number)), ("i", .double(let number)): text = String(Int64(number))
        case ("f", .double(let number)): text = String(format: "%.\(place.precision ?? 6)f", number)
        case ("f", .int(let number)): text = String(format: "%.\(place.precision ?? 6)f", Double(number))
        case ("d", _), ("i", _): text = value.pythonText
        case ("r", _): text = value.pythonRepresentation
        default: text = place.precision.map { String(value.pythonText.prefix($0)) } ?? value.pythonText
        }
        let missing = place.width - text.count
        guard missing > 0 else { return text }
        if place.flags.contains("-") { return text + String(repeating: " ", count: missing) }
        let zeros = place.flags.contains("0") && "dif".contains(place.kind)
        return String(repeating: zeros ? "0" : " ", count: missing) + text
    }
}
