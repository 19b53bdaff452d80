import AdminModel
import Testing

@Suite("JSON text")
struct JSONTextTests {
    @Test("keys keep their order and values their types on the way through")
    func order() throws {
        let text = #"{"z":1,"a":"1","m":{"y":null,"b":[true,1.0,1e-05]},"0":false}"#
        #expect(try JSONParser.parse(text).text(.compact) == text)
    }

    @Test("the REST layout has a space behind comma and colon")
    func spaced() throws {
        let value = try JSONParser.parse(#"{"state":"running","l":[1,2],"e":{},"f":[]}"#)
        #expect(value.text(.spaced) == #"{"state": "running", "l": [1, 2], "e": {}, "f": []}"#)
    }

    @Test(
        "text is escaped as Python's json.dumps does",
        arguments: [
            ("é", #""\u00e9""#), ("😀", #""\ud83d\ude00""#), ("a/b", #""a/b""#), ("\u{7F}", #""\u007f""#),
            ("\u{0}\u{1F}\n\r\t\u{8}\u{C}", #""\u0000\u001f\n\r\t\b\f""#), (#"say "\""#, #""say \"\\\"""#),
            ("\r\n", #""\r\n""#), ("e\u{301}", #""e\u0301""#),
        ])
    func escapes(text: String, json: String) throws {
        #expect(JSONValue.string(text).text(.compact) == json)
        let read = try #require(try JSONParser.parse(json).asString)
        #expect(Array(read.utf8) == Array(text.utf8))
    }

    @Test("escapes that the writer never makes are read, too")
    func readsEscapes() throws {
        #expect(try JSONParser.parse(#""\/\u0041\u00C4""#) == "/AÄ")
        #expect(try JSONParser.parse(" \t\r\n[ ] ") == [])
    }

    @Test(
        "numbers are printed as Python prints them",
        arguments: [
            ("1.0", "1.0"), ("1", "1"), ("-0", "0"), ("-0.0", "-0.0"), ("1e5", "100000.0"), ("1E16", "1e+16"),
            ("123456789012345680.0", "1.2345678901234568e+17"), ("0.0001", "0.0001"), ("0.00001", "1e-05"),
            ("9007199254740993.0", "9007199254740992.0"), ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("9223372036854775807", "9223372036854775807"), ("92233720368547758070", "92233720368547758070"),
            ("0.1", "0.1"), ("-12.5", "-12.5"), ("100.25", "100.25"), ("1234567890123456.0", "1234567890123456.0"),
        ])
    func numbers(text: String, printed: String) throws {
        #expect(try JSONParser.parse(text).text(.compact) == printed)
    }

    @Test("a repeated key keeps its first place and its last value")
    func repeatedKey() throws {
        #expect(try JSONParser.parse(#"{"a":1,"b":2,"a":3}"#).text(.compact) == #"{"a":3,"b":2}"#)
    }

    @Test(
        "what is no JSON is refused with its place",
        arguments: [
            ("", 0), ("{", 1), ("[1,]", 3), ("[1 2]", 3), ("{\"a\" 1}", 5), ("{a:1}", 1), ("{\"a\":1,}", 7), ("01", 1),
            ("1.", 2),
            ("-", 1), ("1e", 2), (".5", 0), ("+1", 0), ("NaN", 0), ("Infinity", 0), ("1e999", 0), ("tru", 3),
            ("\"abc", 4),
            ("\"\\x\"", 2), ("\"\\u12\"", 5), ("\"\\ud83d\"", 7), ("\"\\ud83dx\"", 7), ("\"\\udc00\"", 7),
            ("\"a\nb\"", 2),
            ("1 1", 2), ("'a'", 0), ("[1]]", 3), ("\u{FEFF}1", 0),
        ])
    func syntax(text: String, offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(text) }
        #expect(error?.code == .syntax)
        #expect(error?.offset == offset)
    }

    @Test("depth and size are bounded")
    func bounds() throws {
        let limits = JSONParser.Limits(bytes: 1000, depth: 10)
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(try JSONParser.parse(nested(10), limits: limits).asArray?.count == 1)
        let tooDeep = #expect(throws: JSONError.self) { try JSONParser.parse(nested(11), limits: limits) }
        #expect(tooDeep?.code == .tooDeep)
        #expect(tooDeep?.offset == 10)
        #expect(
            try JSONParser.parse("\"" + String(repeating: "x", count: 998) + "\"", limits: limits).asString?.count
                == 998)
        let error = #expect(throws: JSONError.self) {
            try JSONParser.parse("\"" + String(repeating: "x", count: 999) + "\"", limits: limits)
        }
        #expect(error?.code == .tooLarge)
        let deep = #expect(throws: JSONError.self) { try JSONParser.parse(String(repeating: "[", count: 1_000_000)) }
        #expect(deep?.code == .tooDeep)
    }

    @Test("bytes that are not UTF-8 are refused")
    func notUTF8() {
        let error = #expect(throws: JSONError.self) { try JSONParser.parse([0x22, 0xC3, 0x28, 0x22]) }
        #expect(error?.code == .notUTF8)
    }

    @Test("an error does not quote the text")
    func secretText() {
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(#"{"password":"hunter2" "x"}"#) }
        #expect(error.map { !"\($0)\($0.reason)".contains("hunter2") } == true)
    }

    @Test("a body with very many keys is read, compared and emptied in a moment")
    func manyKeys() throws {
        let keys = (0..<60_000).map { "\"k\($0)\":1" }.joined(separator: ",")
        let nulls = (0..<60_000).map { "\"k\($0)\":null" }.joined(separator: ",")
        var object = try #require(try JSONParser.parse("{\(keys)}").asObject)
        #expect(object.count == 60_000)
        #expect(object.deepEquals(object))
        let patch = try #require(try JSONParser.parse("{\(nulls)}", limits: .init(bytes: 2 << 20)).asObject)
        let elapsed = ContinuousClock().measure { object.merge(patch) }
        #expect(object.isEmpty)
        #expect(elapsed < .seconds(5))
    }
}

/// Seeds are fixed: a failure repeats.
@Suite("JSON parser under random input")
struct JSONFuzzTests {
    struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    @Test("random bytes are read or refused, and what is read comes back the same", arguments: 1...8)
    func randomBytes(seed: UInt64) throws {
        var random = Random(state: seed)
        let alphabet = Array(#"{}[]":,\u0123456789abcdeftrun-+.eE dD8"#.utf8) + [0, 0x1F, 0x7F, 0xC3, 0xA9, 0xF0, 0xFF]
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? alphabet.randomElement(using: &random)! : UInt8.random(in: 0...255, using: &random)
            }
            try roundTrip(bytes)
        }
    }

    @Test("a real record with random damage is read or refused", arguments: 1...8)
    func damage(seed: UInt64) throws {
        var random = Random(state: seed)
        let record = #"{"conn_url":"postgres://h:5432/postgres","tags":{"a":[1,2.5,-3e2,"\ud83d\ude00"]},"x":null}"#
        for _ in 0..<2000 {
            var bytes = Array(record.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            try roundTrip(bytes)
        }
    }

    private func roundTrip(_ bytes: [UInt8]) throws {
        guard let value = try? JSONParser.parse(bytes) else { return }
        #expect(try JSONParser.parse(value.znode) == value)
        #expect(try JSONParser.parse(value.text(.spaced)) == value)
        #expect(value.deepEquals(value))
    }
}
