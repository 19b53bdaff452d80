import AdminModel
import Testing

import LocalConfiguration

@Suite("YAML as other members read it")
struct YAMLTests {
    @Test(
        "plain scalars mean what they mean to PyYAML",
        arguments: [
            ("on", true), ("Off", false), ("yes", true), ("NO", false), ("y", "y"), ("oN", "oN"), ("~", nil),
            ("Null", nil), ("", nil),
            ("12", 12), ("0640", 416), ("0x1F", 31), ("0b101", 5), ("1_000", 1000), ("-7", -7), ("+3", 3), ("09", "09"),
            ("1:30", 90),
            ("190:20:30", 685_230), ("1:60", "1:60"), ("0:30", "0:30"), ("1.5", 1.5), (".5", 0.5), ("1.", 1.0),
            ("1e3", "1e3"),
            ("1.0e+3", 1000.0), ("1.0e3", "1.0e3"), ("1.2.3", "1.2.3"), ("10.0.0.1:5432", "10.0.0.1:5432"),
            ("2026-01-02", "2026-01-02"),
            (".inf", ".inf"), ("-", "-"), ("-.5", "-.5"), ("0_", 0), ("+", "+"), ("1MB", "1MB"), ("00", 0),
            ("99999999999999999999", .bigInteger("99999999999999999999")),
        ] as [(String, JSONValue)])
    func scalars(text: String, value: JSONValue) {
        #expect(YAMLScalar.value(text) == value)
    }

    @Test("quotes make text, order stays, block scalars are text")
    func document() throws {
        let document = try YAMLDocument.parse(
            """
            z: 'on'
            a: "0640"
            m: {y: on, x: [1, '1', ~]}
            t: |
              12
            e:
            s: !!str 5
            """, source: "f.yml")
        #expect(
            document.value.text(.compact)
                == #"{"z":"on","a":"0640","m":{"y":true,"x":[1,"1",null]},"t":"12\n","e":null,"s":"5"}"#)
        #expect(document.origins.source(of: ["m", "x", "1"]) == "f.yml:3")
        #expect(document.origins.source(of: ["m", "missing"]) == "f.yml:3")
        #expect(document.origins.source(of: ["nowhere"]) == "f.yml")
    }

    @Test("merge keys are laid below what the map itself says")
    func mergeKey() throws {
        let document = try YAMLDocument.parse(
            """
            base: &b {user: a, port: 1}
            more: &m {port: 2, host: h}
            one: {<<: *b, port: 3}
            two: {<<: [*b, *m]}
            """, source: "f.yml")
        #expect(document.value["one"]?.deepEquals(["user": "a", "port": 3]) == true)
        #expect(document.value["two"]?.deepEquals(["user": "a", "port": 1, "host": "h"]) == true)
    }

    @Test(
        "what is no YAML is refused with file and line, and without its text",
        arguments: [
            ("a: 1\nb: 'canary\n", "f.yml:3"), ("a: 1\n\tb: canary\n", "f.yml:2"), ("a: {x: canary\nb: 2\n", "f.yml"),
            ("a: canary\na: 2\n", "f.yml:1"), ("a:\n  b: 1\n  c: canary\n  b: 2\n", "f.yml:2"),
            ("a: *canary2\n", "f.yml:1"),
            ("a: canary: b\n", "f.yml:1"), ("a: !!python/object:x canary\n", "f.yml:1"),
            ("a: canary\n---\nb: 1\n", "f.yml"),
            ("? [canary]\n: 1\n", "f.yml:1"), ("a: canary\u{1}\n", "f.yml"), ("a: 1\n'on': 1\non: canary\n", "f.yml:3"),
        ])
    func refused(text: String, place: String) throws {
        let error = #expect(throws: ConfigError.self) { try YAMLDocument.parse(text, source: "f.yml") }
        let problem = try #require(error?.problems.first)
        #expect(problem.code == .unreadable)
        #expect(problem.source.hasPrefix(place))
        #expect(!"\(problem)".contains("canary"), "\(problem)")
        var dumped = ""
        dump(error, to: &dumped)
        #expect(!dumped.contains("canary"))
    }

    @Test("neither depth nor aliases that multiply exhaust the agent")
    func bounds() {
        let deep = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
        #expect(throws: ConfigError.self) { try YAMLDocument.parse("a: " + deep, source: "f.yml") }
        #expect(throws: ConfigError.self) {
            try YAMLDocument.parse(String(repeating: "[", count: 100_000), source: "f.yml")
        }
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...8 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(throws: ConfigError.self) { try YAMLDocument.parse(bomb, source: "f.yml") }
    }
}
