import Foundation
import Logging
import Support
import Testing

@testable import Agent

@Suite("Log files", .timeLimit(.minutes(1)))
struct LogFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("logs") }

    private func config(_ dir: String? = nil) throws -> LogConfig {
        var config = LogConfig()
        config.format = try LogFormat(template: "%(message)s")
        config.dir = dir ?? folder.path
        return config
    }

    private func logger(_ queue: LogQueue) -> Logger {
        Logger(label: "test", factory: { LineLog(name: $0, threshold: LogThreshold(.info), queue: queue) })
    }

    private func permissions(_ file: String) -> Int? {
        (try? FileManager.default.attributesOfItem(atPath: folder.path(file)))?[.posixPermissions] as? Int
    }

    @Test("a file grows to its size, then begins anew; so many former ones are kept")
    func rotation() async throws {
        var config = try config()
        (config.fileSize, config.fileNumber, config.mode) = (100, 2, 0o640)
        let queue = LogQueue(config)
        let logger = logger(queue)
        // Four to a file.
        for number in 10..<31 { logger.info("line \(number) \(String(repeating: "x", count: 16))") }
        #expect(queue.flush(within: .seconds(5)))
        func numbers(_ file: String) -> [Int] {
            (folder.read(file) ?? "").split(separator: "\n").compactMap { Int($0.split(separator: " ")[1]) }
        }
        #expect(numbers("patroni.log") == [30])
        #expect(numbers("patroni.log.1") == [26, 27, 28, 29])
        #expect(numbers("patroni.log.2") == [22, 23, 24, 25])
        #expect(folder.read("patroni.log.3") == nil)
        #expect(permissions("patroni.log") == 0o640)
        #expect(queue.backlog == (0, 0))
        // The next process goes on where the file is.
        let next = LogQueue(config)
        self.logger(next).info("line 31 -")
        #expect(next.flush(within: .seconds(5)))
        #expect(numbers("patroni.log") == [30, 31])
    }

    @Test("a reload moves the log to another folder, and to stderr and back")
    func moving() async throws {
        let (first, second) = (try folder.makeFolder("first"), try folder.makeFolder("second"))
        let error = try #require(fopen(folder.path("stderr"), "w"))
        defer { fclose(error) }
        let queue = LogQueue(try config(first), descriptor: fileno(error))
        let logger = logger(queue)
        for (word, dir) in [("a", first), ("b", second), ("c", nil), ("d", first)] {
            var config = try config(first)
            config.dir = dir
            queue.configure(config)
            logger.info("\(word)")
            #expect(queue.flush(within: .seconds(5)))
        }
        #expect(folder.read("first/patroni.log") == "a\nd\n")
        #expect(folder.read("second/patroni.log") == "b\n")
        #expect(folder.read("stderr") == "c\n")
    }

    @Test("what a full disk or a missing folder does not take is counted, and said when it takes lines again")
    func full() async throws {
        let error = try #require(fopen(folder.path("stderr"), "w"))
        defer { fclose(error) }
        let missing = folder.path("later")
        let queue = LogQueue(try config(missing), descriptor: fileno(error))
        let logger = logger(queue)
        for number in 0..<3 {
            logger.info("lost \(number)")
            #expect(queue.flush(within: .seconds(5)))
        }
        #expect(queue.backlog == (0, 3))
        #expect(folder.read("stderr") == "log.dir: cannot write \(missing)/patroni.log: No such file or directory\n")
        // The kernel's own full disk.
        try folder.makeFolder("later")
        symlink("/dev/full", "\(missing)/patroni.log")
        logger.info("lost 3")
        #expect(queue.flush(within: .seconds(5)))
        #expect(queue.backlog == (0, 4))
        unlink("\(missing)/patroni.log")
        queue.configure(try config(folder.path))
        logger.info("on it goes")
        #expect(queue.flush(within: .seconds(5)))
        let lines = (folder.read("patroni.log") ?? "").split(separator: "\n")
        #expect(lines.count == 2 && lines[0] == "on it goes" && lines[1].hasPrefix("4 log lines were lost"))
        #expect(queue.backlog == (0, 0))
    }
}
