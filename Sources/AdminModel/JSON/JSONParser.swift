/// Why a text is no JSON value that we accept, and where.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        public static let syntax = Code(rawValue: "syntax")
        public static let tooLarge = Code(rawValue: "too large")
        public static let tooDeep = Code(rawValue: "too deep")
        public static let notUTF8 = Code(rawValue: "not UTF-8")
    }

    public let code: Code
    /// Byte offset from the beginning of the text.
    public let offset: Int
    /// What was wrong there. Never quotes the text, which may hold a secret.
    public let reason: String

    public var description: String { "\(reason) at byte \(offset)" }
}

/// A strict JSON reader with bounds, for znodes and request bodies. No input makes it crash, and what it accepts
/// Python's reader accepts, too.
public struct JSONParser {
    public struct Limits: Hashable, Sendable {
        /// The longest text, in bytes.
        public var bytes: Int
        /// The deepest nesting of lists and objects.
        public var depth: Int

        public init(bytes: Int = 1 << 20, depth: Int = 64) {
            self.bytes = bytes
            self.depth = depth
        }
    }

    private let text: [UInt8]
    private let limits: Limits
    private var offset = 0
    private var depth = 0

    private init(_ text: [UInt8], _ limits: Limits) {
        self.text = text
        self.limits = limits
    }

    /// Reads one value that fills the whole text. Throws for anything else, and for a text beyond `limits`.
    public static func parse(_ text: [UInt8], limits: Limits = Limits()) throws(JSONError) -> JSONValue {
        var parser = JSONParser(text, limits)
        guard text.count <= limits.bytes else {
            throw JSONError(code: .tooLarge, offset: limits.bytes, reason: "longer than \(limits.bytes) bytes")
        }
        parser.skipSpace()
        let value = try parser.value()
        parser.skipSpace()
        guard parser.offset == text.count else { throw parser.error("expected the end of the text") }
        return value
    }

    public static func parse(_ text: String, limits: Limits = Limits()) throws(JSONError) -> JSONValue {
        try parse(Array(text.utf8), limits: limits)
    }

    private var next: UInt8? { offset < text.count ? text[offset] : nil }

    private func error(_ reason: String, _ code: JSONError.Code = .syntax) -> JSONError {
        JSONError(code: code, offset: offset, reason: reason)
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        switch next {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw error("expected a value, found the end of the text")
        case let byte? where byte == UInt8(ascii: "-") || (byte >= 0x30 && byte <= 0x39): return try number()
        default: throw error("expected a value")
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in word.description.utf8 where !take(byte) { throw error("expected \(word)") }
        return value
    }

    private mutating func enter() throws(JSONError) {
        depth += 1
        guard depth <= limits.depth else { throw error("nested deeper than \(limits.depth)", .tooDeep) }
        offset += 1
        skipSpace()
    }

    private mutating func object() throws(JSONError) -> JSONValue {
        try enter()
        var object = JSONObject()
        if take(UInt8(ascii: "}")) {
            depth -= 1
            return .object(object)
        }
        while true {
            guard next == UInt8(ascii: "\"") else { throw error("expected a key in double quotes") }
            let key = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("expected a colon") }
            skipSpace()
            object[key] = try value()
            skipSpace()
            if take(UInt8(ascii: "}")) { break }
            guard take(UInt8(ascii: ",")) else { throw error("expected a comma or the end of the object") }
            skipSpace()
        }
        depth -= 1
        return .object(object)
    }

    private mutating func array() throws(JSONError) -> JSONValue {
        try enter()
        var items: [JSONValue] = []
        if take(UInt8(ascii: "]")) {
            depth -= 1
            return .array(items)
        }
        while true {
            items.append(try value())
            skipSpace()
            if take(UInt8(ascii: "]")) { break }
            guard take(UInt8(ascii: ",")) else { throw error("expected a comma or the end of the list") }
            skipSpace()
        }
        depth -= 1
        return .array(items)
    }

    private mutating func digits() throws(JSONError) {
        guard let first = next, first >= 0x30, first <= 0x39 else { throw error("expected a digit") }
        while let byte = next, byte >= 0x30, byte <= 0x39 { offset += 1 }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        var isInteger = true
        if take(UInt8(ascii: ".")) {
            isInteger = false
            try digits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isInteger = false
            offset += 1
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        let digits = String(decoding: text[start..<offset], as: UTF8.self)
        if isInteger { return Int64(digits).map(JSONValue.int) ?? .bigInteger(digits) }
        guard let number = Double(digits), number.isFinite else {
            offset = start
            throw error("a number out of range")
        }
        return .double(number)
    }

    private mutating func string() throws(JSONError) -> String {
        let start = offset
        offset += 1
        var bytes: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                guard let string = String(validating: bytes, as: UTF8.self) else {
                    offset = start
                    throw error("text that is not UTF-8", .notUTF8)
                }
                return string
            case UInt8(ascii: "\\"):
                offset += 1
                try escape(into: &bytes)
            case 0..<0x20: throw error("a control character in text")
            default:
                bytes.append(byte)
                offset += 1
            }
        }
        throw error("text without an end")
    }

    private mutating func escape(into bytes: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw error("text without an end") }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(byte)
        case UInt8(ascii: "b"): bytes.append(0x08)
        case UInt8(ascii: "f"): bytes.append(0x0C)
        case UInt8(ascii: "n"): bytes.append(0x0A)
        case UInt8(ascii: "r"): bytes.append(0x0D)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "u"):
            offset += 1
            let scalar = try unicodeScalar()
            bytes.append(contentsOf: String(Character(scalar)).utf8)
            return
        default: throw error("an unknown escape")
        }
        offset += 1
    }

    private mutating func unicodeScalar() throws(JSONError) -> Unicode.Scalar {
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw error("half of a surrogate pair")
        }
        let second = try codeUnit()
        guard second >= 0xDC00, second < 0xE000,
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw error("half of a surrogate pair") }
        return scalar
    }

    private mutating func codeUnit() throws(JSONError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("expected four hexadecimal digits")
            }
            unit = unit << 4 | UInt32(digit)
            offset += 1
        }
        return unit
    }
}
