import AdminModel
import Testing

@Suite("Comparing and merging JSON")
struct JSONCompareTests {
    @Test(
        "values are compared by their printed form",
        arguments: [
            ("20", "\"20\"", true), ("20", "20.0", false), ("true", "\"True\"", true), ("true", "\"true\"", false),
            ("null", "\"None\"", true), ("[1,\"a\"]", "\"[1, 'a']\"", true), ("[1,2]", "[2,1]", false),
            ("{\"a\":1,\"b\":2}", "{\"b\":\"2\",\"a\":1}", true), ("{\"a\":1}", "{\"a\":1,\"b\":null}", false),
            ("{\"a\":{\"b\":1}}", "{\"a\":{\"b\":\"1\"}}", true), ("{}", "\"{}\"", false),
            ("[{\"a\":1}]", "[{\"a\":1}]", true),
            ("\"é\"", "\"e\\u0301\"", false),
        ])
    func deepEquality(left: String, right: String, equal: Bool) throws {
        let left = try JSONParser.parse(left)
        let right = try JSONParser.parse(right)
        #expect(left.deepEquals(right) == equal)
        #expect(right.deepEquals(left) == equal)
    }

    @Test(
        "printed forms are Python's",
        arguments: [
            ("[null,true,1.5,\"it's\"]", #"[None, True, 1.5, "it's"]"#), (#"["both ' and \""]"#, #"['both \' and "']"#),
            (#"["a\nb\\c\u0000\u00a0\u200bé"]"#, #"['a\nb\\c\x00\xa0\u200bé']"#),
            (#"{"k":{"n":[]}}"#, "{'k': {'n': []}}"),
            ("\"plain\"", "plain"),
        ])
    func pythonText(json: String, printed: String) throws {
        #expect(try JSONParser.parse(json).pythonText == printed)
    }

    @Test(
        "PATCH: null removes, maps merge, others replace by printed form",
        arguments: [
            (#"{"a":1,"b":2}"#, #"{"a":null}"#, #"{"b":2}"#, true), (#"{"a":1}"#, #"{"b":null}"#, #"{"a":1}"#, false),
            (#"{"a":{"x":1,"y":2}}"#, #"{"a":{"x":null,"z":3}}"#, #"{"a":{"y":2,"z":3}}"#, true),
            (#"{"ttl":20}"#, #"{"ttl":"20"}"#, #"{"ttl":20}"#, false),
            (#"{"a":1}"#, #"{"a":{"b":null}}"#, #"{"a":{"b":null}}"#, true),
            (#"{"a":{"b":1}}"#, #"{"a":5}"#, #"{"a":5}"#, true),
            (#"{"a":1}"#, #"{"n":{"b":null}}"#, #"{"a":1,"n":{"b":null}}"#, true),
            (#"{"a":1,"b":2}"#, #"{"b":3,"c":4,"a":5}"#, #"{"a":5,"b":3,"c":4}"#, true),
            (#"{"a":[1]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#, false),
        ])
    func merge(document: String, patch: String, result: String, changes: Bool) throws {
        var object = try #require(try JSONParser.parse(document).asObject)
        let changed = object.merge(try #require(try JSONParser.parse(patch).asObject))
        #expect(object.text(.compact) == result)
        #expect(changed == changes)
    }

    @Test("an object keeps order through removals and beyond the size where it begins to index")
    func objectOrder() {
        var object = JSONObject((0..<40).map { ("k\($0)", .int(Int64($0))) })
        for number in stride(from: 0, to: 40, by: 2) { object["k\(number)"] = nil }
        object["k1"] = "new"
        object["last"] = true
        #expect(object.keys == stride(from: 1, to: 40, by: 2).map { "k\($0)" } + ["last"])
        #expect(object["k1"] == "new")
        #expect(object["k0"] == nil)
        #expect(object["k39"] == 39)
    }
}

@Suite("Settings as text")
struct SettingTextTests {
    @Test(
        "integers",
        arguments: [
            ("10", 10), (" 10 ", 10), ("-5", -5), ("+5", 5), ("0x1F", 31), ("0600", 384), ("1.5", 2), ("2.5", 2),
            (".6", 1),
            ("1e3", 1000), ("08", nil), ("", nil), ("abc", nil), ("1 2", nil), ("1kB", nil),
            ("99999999999999999999", nil),
            ("1e300", nil), ("--1", nil), ("0x", nil), ("1_0", nil), ("１", nil),
        ] as [(String, Int64?)])
    func integers(text: String, number: Int64?) {
        #expect(SettingText.integer(text) == number)
    }

    @Test(
        "units of memory and time",
        arguments: [
            ("1kB", .bytes, 1024), ("1 MB", .bytes, 1_048_576), ("1.5GB", .megabytes, 1536), ("512B", .kilobytes, 0),
            ("2TB", .bytes, 2_199_023_255_552),
            ("30min", .seconds, 1800), ("1h", .seconds, 3600), ("1d", .minutes, 1440), ("1500ms", .seconds, 2),
            ("1500us", .milliseconds, 2),
            ("10", .seconds, 10), ("1KB", .bytes, nil), ("1m", .seconds, nil), ("1MB", .seconds, nil),
            ("1s", .bytes, nil),
        ] as [(String, SettingText.Unit, Int64?)])
    func units(text: String, unit: SettingText.Unit, number: Int64?) {
        #expect(SettingText.integer(text, in: unit) == number)
    }

    @Test(
        "times, in seconds without a unit",
        arguments: [
            ("3s", .seconds(3)), ("500ms", .milliseconds(500)), ("10", .seconds(10)), ("0.25", .milliseconds(250)),
            (" 1.5 min ", .seconds(90)), ("7us", .microseconds(7)), ("0", .zero), ("-2h", .seconds(-7200)),
            ("1d", .seconds(86400)), ("", nil), ("s", nil), ("3 parsecs", nil), ("5kB", nil), ("1e300", nil),
            ("99999999999999999999", nil), ("9223372036854775807", nil),
        ] as [(String, Duration?)])
    func durations(text: String, duration: Duration?) {
        #expect(SettingText.duration(text) == duration)
        #expect(JSONValue.string(text).settingDuration == duration)
    }

    @Test("times as numbers")
    func durationsOfNumbers() {
        #expect(JSONValue.int(3).settingDuration == .seconds(3))
        #expect(JSONValue.double(0.5).settingDuration == .milliseconds(500))
        for value: JSONValue in [.null, true, .bigInteger("9"), [], [:]] { #expect(value.settingDuration == nil) }
    }

    @Test("booleans in every spelling")
    func booleans() {
        for text in ["on", "True", "YES", "1"] { #expect(SettingText.bool(text) == true) }
        for text in ["off", "False", "NO", "0"] { #expect(SettingText.bool(text) == false) }
        for text in ["", "2", "y", "t", "enabled", " on"] { #expect(SettingText.bool(text) == nil) }
        #expect(JSONValue.int(1).boolText == true)
        #expect(JSONValue.bool(false).boolText == false)
        #expect(JSONValue.double(1).boolText == nil)
        #expect(JSONValue.null.boolText == nil)
    }
}
