import AdminModel
import CPlatform
import Glibc
import Logging

/// One thing that was said, before it becomes a line.
struct LogRecord: Sendable {
    var time: timespec
    var level: Logger.Level
    /// On one line.
    var message: String
    /// The logger's name.
    var name: String
    var file: String
    var function: String
    var line: UInt
    var thread: Int
    /// In the order of its keys.
    var metadata: [(key: String, value: String)]

    /// For what the log says about itself.
    static func warning(_ message: String) -> LogRecord {
        LogRecord(
            time: now(), level: .warning, message: message, name: "matriarch.log", file: #fileID, function: #function,
            line: #line, thread: Int(matriarch_gettid()), metadata: [])
    }

    static func now() -> timespec {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return now
    }

    /// As Python calls it.
    var levelName: String {
        switch level {
        case .trace, .debug: "DEBUG"
        case .info, .notice: "INFO"
        case .warning: "WARNING"
        case .error: "ERROR"
        case .critical: "CRITICAL"
        }
    }
}

/// The attributes of a log record that a format may name, as Python's `logging` has them.
public enum LogField: String, Hashable, Sendable, CaseIterable {
    case asctime, created, filename, funcName, levelname, levelno, lineno, message, module, msecs, name, pathname
    case process, processName, relativeCreated, taskName, thread, threadName

    private static let start = LogRecord.now()

    /// - Parameter dateFormat: strftime's; nil: `YYYY-MM-DD HH:MM:SS,mmm`.
    func value(of record: LogRecord, dateFormat: String?) -> JSONValue {
        switch self {
        case .asctime: .string(Self.text(of: record.time, dateFormat))
        case .created: .double(Self.seconds(record.time))
        case .filename: .string(Self.fileName(record.file))
        case .funcName: .string(String(record.function.prefix { $0 != "(" }))
        case .levelname: .string(record.levelName)
        case .levelno: .int(Self.number(record.levelName))
        case .lineno: .int(Int64(record.line))
        case .message: .string(record.message)
        case .module: .string(String(Self.fileName(record.file).prefix { $0 != "." }))
        case .msecs: .double(Double(record.time.tv_nsec / 1_000_000))
        case .name: .string(record.name)
        case .pathname: .string(record.file)
        case .process: .int(Int64(getpid()))
        case .processName: .string("MainProcess")
        case .relativeCreated: .double((Self.seconds(record.time) - Self.seconds(Self.start)) * 1000)
        case .taskName: .null
        case .thread: .int(Int64(record.thread))
        case .threadName: .string("Thread-\(record.thread)")
        }
    }

    private static func seconds(_ time: timespec) -> Double { Double(time.tv_sec) + Double(time.tv_nsec) / 1e9 }

    private static func fileName(_ path: String) -> String { String(path.split(separator: "/").last ?? "") }

    private static func number(_ name: String) -> Int64 {
        ["DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40][name] ?? 50
    }

    private static func text(of time: timespec, _ format: String?) -> String {
        var seconds = time.tv_sec
        var parts = tm()
        localtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 256)
        let length = strftime(&buffer, buffer.count, format ?? "%Y-%m-%d %H:%M:%S", &parts)
        let text = String(decoding: buffer[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard format == nil else { return text }
        let milliseconds = String(time.tv_nsec / 1_000_000)
        return text + "," + String(repeating: "0", count: 3 - milliseconds.count) + milliseconds
    }
}
