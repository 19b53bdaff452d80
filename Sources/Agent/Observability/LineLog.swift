import CPlatform
import Dispatch
import Glibc
import HACore
public import Logging
import NIOConcurrencyHelpers

/// The contract's log line, `YYYY-MM-DD HH:MM:SS,mmm LEVEL: message`, to stderr through a queue: a slow reader of the
/// log never holds up who writes to it (contract/patroni.md 6).
public struct LineLog: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let queue: LogQueue

    /// - Parameter queue: shared by all loggers of the process.
    public init(level: Logger.Level, queue: LogQueue) {
        logLevel = level
        self.queue = queue
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var text = "\(Self.time()) \(Self.name(event.level)): \(event.message)"
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { text += " \(key)=\(value)" }
        queue.add(Self.onOneLine(text) + "\n")
    }

    /// One event, one line, whatever a message quotes. By scalars: to Swift a CR LF is one character, and no LF.
    private static func onOneLine(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) else { return text }
        return text.unicodeScalars.split { $0 == "\n" || $0 == "\r" }.map { String($0) }.joined(separator: " | ")
    }

    private static func name(_ level: Logger.Level) -> String {
        switch level {
        case .trace, .debug: "DEBUG"
        case .info, .notice: "INFO"
        case .warning: "WARNING"
        case .error: "ERROR"
        case .critical: "CRITICAL"
        }
    }

    fileprivate static func time() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var seconds = now.tv_sec
        var parts = tm()
        localtime_r(&seconds, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(parts.tm_year + 1900)-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2)) "
            + "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2)),"
            + padded(now.tv_nsec / 1_000_000, 3)
    }
}

/// Lines on their way to stderr. Bounded: what does not fit is counted and said later.
public final class LogQueue: Sendable {
    private struct State {
        var lines: [String] = []
        var lost = 0
        var writing = false
    }

    private let state = NIOLockedValueBox(State())
    private let ready = DispatchSemaphore(value: 0)
    private let limit: Int
    private let descriptor: Int32

    /// - Parameters:
    ///   - limit: lines that may wait (contract: `log.max_queue_size`).
    ///   - descriptor: where the lines go.
    public init(limit: Int = 1000, descriptor: Int32 = 2) {
        self.limit = limit
        self.descriptor = descriptor
        startThread(named: "log") { [self] in run() }
    }

    func add(_ line: String) {
        state.withLockedValue { state in
            if state.lines.count < limit { state.lines.append(line) } else { state.lost += 1 }
        }
        ready.signal()
    }

    /// Waits until everything is written, at most `patience`; false when lines are left.
    public func flush(within patience: Duration) -> Bool {
        let tries = max(1, Int(patience.milliseconds / 5))
        for _ in 0..<tries {
            if state.withLockedValue({ $0.lines.isEmpty && !$0.writing }) { return true }
            usleep(5000)
        }
        return false
    }

    private func run() {
        while true {
            ready.wait()
            var (lines, lost): ([String], Int) = state.withLockedValue { state in
                defer {
                    state.lines = []
                    state.lost = 0
                    state.writing = true
                }
                return (state.lines, state.lost)
            }
            if lost > 0 {
                lines.append(
                    "\(LineLog.time()) WARNING: \(lost) log lines were lost, the reader of the log is too slow\n")
            }
            write(lines.joined())
            state.withLockedValue { $0.writing = false }
        }
    }

    private func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EAGAIN {
                // Whoever shares the terminal or pipe with us may have made it non-blocking.
                var full = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&full, 1, 1000)
            } else if count < 0, errno != EINTR {
                return
            }
            bytes = bytes.dropFirst(max(0, count))
        }
    }
}
