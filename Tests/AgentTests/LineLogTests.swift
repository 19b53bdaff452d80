import Foundation
import Logging
import Support
import Testing

@testable import Agent

/// A pipe in place of stderr, with room for 4096 bytes and a reader that reads only when it is told to.
private final class LogPipe: Sendable {
    /// F_SETPIPE_SZ, which Glibc's module leaves out.
    private static let setSize: Int32 = 1024 + 7
    let writing: Int32
    private let reading: Int32
    private let received = Locked<[UInt8]>([])

    init() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        for end in ends { try #require(fcntl(end, F_SETFD, FD_CLOEXEC) == 0) }
        (reading, writing) = (ends[0], ends[1])
        try #require(fcntl(reading, Self.setSize, 4096) == 4096)
        try #require(fcntl(reading, F_SETFL, O_NONBLOCK) == 0)
    }

    /// The writer's thread lives as long as the process: its end stays open.
    deinit { close(reading) }

    var waiting: Int {
        var count: Int32 = 0
        guard ioctl(reading, UInt(FIONREAD), &count) == 0 else { return -1 }
        return Int(count)
    }

    /// All lines so far.
    func lines() -> [String] {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(reading, &chunk, chunk.count)
            guard count > 0 else { break }
            received.withLock { $0 += chunk[..<count] }
        }
        let text = received.withLock { String(decoding: $0, as: UTF8.self) }
        return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    func fill() async throws { try await eventually("the pipe is full") { waiting >= 4096 } }
}

@Suite("Log lines", .timeLimit(.minutes(1)))
struct LineLogTests {
    private func logger(_ queue: LogQueue, level: Logger.Level = .trace) -> Logger {
        Logger(label: "test", factory: { LineLog(name: $0, threshold: LogThreshold(level), queue: queue) })
    }

    @Test("a line is time, level and message")
    func format() async throws {
        let pipe = try LogPipe()
        let queue = LogQueue(LogConfig(), descriptor: pipe.writing)
        let before = Date()
        var logger = logger(queue)
        logger.critical("zwölf")
        logger.error("b")
        logger.warning("c")
        logger.notice("d")
        logger[metadataKey: "z"] = "1"
        logger.info("e", metadata: ["a": "2"])
        logger.debug("f")
        try await eventually("six lines") { pipe.lines().count == 6 }
        let lines = pipe.lines()
        let time = /(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (.*)/
        let found = try lines.map { try #require(try time.wholeMatch(in: $0)?.output) }
        #expect(
            found.map { String($0.2) } == [
                "CRITICAL: zwölf", "ERROR: b", "WARNING: c", "INFO: d", "INFO: e a=2 z=1", "DEBUG: f z=1",
            ])
        let reader = DateFormatter()
        reader.locale = Locale(identifier: "en_US_POSIX")
        reader.dateFormat = "yyyy-MM-dd HH:mm:ss,SSS"
        let said = try #require(reader.date(from: String(found[0].1)))
        #expect(abs(said.timeIntervalSince(before)) < 30, "local time")
    }

    @Test("what is below the level is not written")
    func level() async throws {
        let pipe = try LogPipe()
        let logger = logger(LogQueue(LogConfig(), descriptor: pipe.writing), level: .warning)
        logger.info("quiet")
        logger.warning("loud")
        try await eventually("a line") { !pipe.lines().isEmpty }
        #expect(pipe.lines().count == 1)
        #expect(pipe.lines()[0].hasSuffix("WARNING: loud"))
    }

    @Test("one event is one line, whatever it quotes", arguments: ["a\nb", "a\r\nb", "a\rb", "a\n\nb\n", "a\r\n\r\nb"])
    func oneLine(text: String) async throws {
        let pipe = try LogPipe()
        let logger = logger(LogQueue(LogConfig(), descriptor: pipe.writing))
        logger.info("\(text)")
        logger.info("end")
        try await eventually("the last line") { pipe.lines().last?.hasSuffix("INFO: end") == true }
        #expect(pipe.lines().count == 2)
        #expect(pipe.lines()[0].hasSuffix("INFO: a | b"))
    }

    @Test("a slow reader delays nobody; within the limit nothing is lost, beyond it what is lost is counted")
    func slowReader() async throws {
        let pipe = try LogPipe()
        let limit = 100
        var config = LogConfig()
        config.maxQueueSize = limit
        config.format = try LogFormat(template: "%(levelname)s %(message)s")
        let queue = LogQueue(config, descriptor: pipe.writing)
        let logger = logger(queue)
        logger.info("\(String(repeating: "x", count: 8191))")
        try await pipe.fill()
        // The writer is stuck in its first line: all these wait, and the last seven have no room.
        for number in 0..<limit + 7 { logger.info("line \(number)") }
        #expect(queue.backlog == (limit, 7))
        #expect(!queue.flush(within: .milliseconds(20)))
        try await eventually("the loss is said") { pipe.lines().last?.contains("lost") == true }
        let lines = pipe.lines()
        #expect(Array(lines[1...limit]) == (0..<limit).map { "INFO line \($0)" })
        #expect(lines.count == limit + 2)
        #expect(lines[limit + 1].hasPrefix("WARNING 7 log lines were lost"))
        #expect(queue.flush(within: .seconds(5)))
        logger.info("on it goes")
        try await eventually("it goes on") { pipe.lines().last == "INFO on it goes" }
        #expect(pipe.lines().count == limit + 3, "a loss is said once")
    }

    @Test("a descriptor that somebody made non-blocking loses nothing")
    func nonBlocking() async throws {
        let pipe = try LogPipe()
        try #require(fcntl(pipe.writing, F_SETFL, O_NONBLOCK) == 0)
        var config = LogConfig()
        config.format = try LogFormat(template: "%(message)s")
        let queue = LogQueue(config, descriptor: pipe.writing)
        let logger = logger(queue)
        let lines = (0..<500).map { "line \($0) " + String(repeating: "y", count: 100) }
        for line in lines { logger.info("\(line)") }
        #expect(!queue.flush(within: .milliseconds(50)), "the pipe holds a tenth of it")
        try await eventually("the last line") { pipe.lines().count >= lines.count }
        #expect(pipe.lines() == lines)
    }
}
