import AdminModel
import Foundation
import LocalConfiguration
import Logging
import Testing

@testable import Agent

@Suite("Forms of log lines")
struct LogFormatTests {
    private static let record = LogRecord(
        time: timespec(tv_sec: 86_400 * 365, tv_nsec: 7_900_000), level: .warning, message: "it is \"so\"",
        name: "matriarch.rest", file: "Agent/Some.swift", function: "look(at:)", line: 7, thread: 42,
        metadata: [("rule", "L1")])

    private func config(_ yaml: String) throws -> LogConfig {
        try ConfigFixture.load(try ConfigFixture.changed(["log:\n  level: DEBUG": "log:\n  \(yaml)"])).config.log
    }

    @Test(
        "Python's placeholders, with flags, width and precision",
        arguments: [
            ("%(message)s", "it is \"so\""), ("%(asctime)s|", "1971|"),
            ("%(levelname)-9s|%(levelno)04d", "WARNING  |0030"),
            ("%(msecs)03d %(levelname).4s", "007 WARN"), ("%(name)s %(lineno)d", "matriarch.rest 7"),
            ("%(filename)s %(module)s %(pathname)s", "Some.swift Some Agent/Some.swift"),
            ("%(funcName)12s", "        look"), ("100%% %(created).1f", "100% 31536000.0"),
            ("%(message)r", "'it is \"so\"'"),
            ("%(taskName)s %(processName)s", "None MainProcess"), ("%(thread)d %(threadName)s", "42 Thread-42"),
        ])
    func template(_ format: String, _ expected: String) throws {
        let line = try LogFormat(template: format).plain(Self.record, dateFormat: "%Y")
        #expect(line == expected + " rule=L1")
    }

    @Test("the standard line")
    func standard() {
        let line = LogConfig().line(Self.record)
        #expect(
            line.wholeMatch(of: /197\d-\d\d-\d\d \d\d:\d\d:\d\d,007 WARNING: it is "so" rule=L1\n/) != nil, "\(line)")
    }

    @Test("JSON with the fields of a template, of a list, under other names, and with fixed ones")
    func json() throws {
        let standard = try config("type: json").line(Self.record)
        #expect(standard.hasSuffix(#""levelname": "WARNING", "message": "it is \"so\"", "rule": "L1"}"# + "\n"))
        let named = try config(
            "type: json\n  format: [message, {levelname: level, lineno: at}, thread]\n"
                + "  static_fields: {app: gold, zone: 3}"
        ).line(Self.record)
        #expect(
            named
                == #"{"message": "it is \"so\"", "level": "WARNING", "at": 7, "thread": 42, "app": "gold", "zone": 3, "#
                + #""rule": "L1"}"# + "\n")
        #expect(try JSONParser.parse(standard)["message"] == "it is \"so\"")
        let template = try config("type: json\n  format: '%(name)s and %(message)s'").line(Self.record)
        #expect(template.hasPrefix(#"{"name": "matriarch.rest", "message": "#))
    }

    @Test(
        "what is no format is refused",
        arguments: [
            ("format: '%(nonsense)s'", "names 'nonsense', which is no field"), ("format: plain", "at least one field"),
            ("format: '%(message)'", "in one of the kinds"), ("format: '%s'", "with %(name)s"),
            ("format: [message]", "with type: json a list"), ("type: json\n  format: [{message: 1}]", "by text"),
            ("type: json\n  format: [x]", "names 'x'"), ("type: json\n  format: {message: m}", "must be text"),
        ])
    func refused(yaml: String, reason: String) throws {
        let problems = try ConfigFixture.problems(
            try ConfigFixture.changed(["log:\n  level: DEBUG": "log:\n  \(yaml)"]))
        #expect(problems.map(\.path.description) == ["log.format"])
        #expect(problems.first?.message.contains(reason) == true, "\(problems)")
    }

    @Test("levels by logger, the nearest name counts; a reload changes loggers that exist")
    func levels() throws {
        var config = LogConfig()
        config.level = .warning
        config.loggers = ["matriarch": .info, "matriarch.rest": .debug]
        let log = AgentLog(config)
        let handlers = ["other", "matriarch", "matriarch.rest", "matriarch.rest.tls"].map(log.handler)
        #expect(handlers.map(\.logLevel) == [.warning, .info, .debug, .debug])
        config.loggers = [:]
        config.level = .error
        config.deduplicateHeartbeats = true
        log.apply(config)
        #expect(handlers.map(\.logLevel) == [.error, .error, .error, .error])
        #expect(log.dropsHeartbeats)
        var quiet = Logger(label: "x", factory: log.handler)
        quiet.logLevel = .critical
        #expect(quiet.logLevel == .critical)
        quiet.logLevel = .trace
        #expect(quiet.logLevel == .error, "never more than the configuration allows")
    }
}
