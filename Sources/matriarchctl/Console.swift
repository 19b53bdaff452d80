import Control
import Foundation
import Logging

/// The terminal, or what stands in for it.
enum Console {
    /// The input ended, or somebody pressed Ctrl-C at a question.
    struct Aborted: Error {}

    static let isTerminal = isatty(STDOUT_FILENO) == 1

    static func out(_ text: String, end: String = "\n") { write(text + end, STDOUT_FILENO) }
    static func error(_ text: String) { write(text + "\n", STDERR_FILENO) }

    /// Empties the screen, if there is one.
    static func clear() { if isTerminal { out("\u{1B}[2J\u{1B}[1;1H", end: "") } }

    /// Asks until the answer is yes or no; nothing means no.
    static func confirm(_ question: String) throws -> Bool {
        while true {
            switch try answer("\(question) [y/N]: ").lowercased() {
            case "y", "yes", "true", "t", "1", "on": return true
            case "", "n", "no", "false", "f", "0", "off": return false
            default: out("Error: invalid input")
            }
        }
    }

    /// Asks for text; without a default until there is some.
    static func prompt(_ question: String, default fallback: String? = nil) throws -> String {
        let shown = fallback.map { "\(question) [\($0)]: " } ?? "\(question): "
        while true {
            let text = try answer(shown)
            if !text.isEmpty { return text }
            if let fallback { return fallback }
        }
    }

    /// Asks for what the screen must not show.
    static func secret(_ question: String) throws -> String {
        var before = termios()
        let isTerminal = tcgetattr(STDIN_FILENO, &before) == 0
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        if isTerminal { tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) }
        defer {
            if isTerminal { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before) }
            write("\n", STDERR_FILENO)
        }
        write("\(question): ", STDERR_FILENO)
        guard let line = readLine() else { throw Aborted() }
        return line
    }

    /// Shows on a terminal that something is waited for, and for how long.
    static func waiting<Value>(_ words: String, _ body: () async throws -> Value) async rethrows -> Value {
        guard isatty(STDERR_FILENO) == 1, isTerminal else { return try await body() }
        let ticker = Task {
            for seconds in 1... {
                try await Task.sleep(for: .seconds(1))
                write("\r\(words) ... \(seconds) s", STDERR_FILENO)
            }
        }
        defer {
            ticker.cancel()
            write("\r\u{1B}[K", STDERR_FILENO)
        }
        return try await body()
    }

    private static func answer(_ prompt: String) throws -> String {
        out(prompt, end: "")
        guard let line = readLine() else { throw Aborted() }
        return line.trimmingCharacters(in: .whitespaces)
    }

    private static func write(_ text: String, _ descriptor: CInt) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}

/// Warnings on stderr, in the lines of `patronictl`.
struct ConsoleLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    /// The level comes from the variables that `patronictl` looks at, of which the last wins.
    init(_ environment: [String: String]) {
        let names = ["LOGLEVEL", "PATRONI_LOGLEVEL", "PATRONI_LOG_LEVEL"]
        logLevel =
            switch names.compactMap({ environment[$0] }).last?.uppercased() {
            case "DEBUG": .debug
            case "INFO": .info
            case "ERROR": .error
            case "CRITICAL", "FATAL": .critical
            default: .warning
            }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let more = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let time = WallClock.text(fraction: 3).replacing(".", with: ",")
        Console.error("\(time) - \(event.level.rawValue.uppercased()) - \(event.message)\(more)")
    }
}
