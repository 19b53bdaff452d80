import CPlatform
import Glibc
public import Logging
import Synchronization

/// Hands what is said to a queue: a slow reader or a full disk never holds up who says it (contract/patroni.md 6).
public struct LineLog: LogHandler {
    public var metadata: Logger.Metadata = [:]
    private let name: String
    private let threshold: LogThreshold
    /// A logger of its own may say less than the configuration allows, never more.
    private var own: Logger.Level?
    private let queue: LogQueue

    /// - Parameters:
    ///   - threshold: the level that the configuration gives this logger; it may change at any time.
    ///   - queue: shared by all loggers of the process.
    init(name: String, threshold: LogThreshold, queue: LogQueue) {
        self.name = name
        self.threshold = threshold
        self.queue = queue
    }

    public var logLevel: Logger.Level {
        get { own.map { max($0, threshold.level) } ?? threshold.level }
        set { own = newValue }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        queue.add(
            LogRecord(
                time: LogRecord.now(), level: event.level, message: Self.onOneLine("\(event.message)"), name: name,
                file: event.file, function: event.function, line: event.line, thread: Int(matriarch_gettid()),
                metadata: all.sorted { $0.key < $1.key }.map { ($0.key, Self.onOneLine("\($0.value)")) }))
    }

    /// One event, one line, whatever a message quotes. By scalars: to Swift a CR LF is one character, and no LF.
    private static func onOneLine(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) else { return text }
        return text.unicodeScalars.split { $0 == "\n" || $0 == "\r" }.map { String($0) }.joined(separator: " | ")
    }
}

/// The level of one logger, read at each attempt to say something: without a lock.
final class LogThreshold: Sendable {
    private let index: Atomic<Int>

    init(_ level: Logger.Level) { index = Atomic(Self.index(of: level)) }

    var level: Logger.Level {
        get { Logger.Level.allCases[index.load(ordering: .relaxed)] }
        set { index.store(Self.index(of: newValue), ordering: .relaxed) }
    }

    private static func index(of level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}
