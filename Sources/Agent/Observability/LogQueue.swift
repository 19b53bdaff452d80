import Dispatch
import Glibc
import HACore
import NIOConcurrencyHelpers
import Waiting

/// Records on their way to a file or to stderr, on a thread of its own. Bounded: what does not fit, or cannot be written,
/// is counted and said later.
final class LogQueue: Sendable {
    private struct State {
        var records: [LogRecord] = []
        var lost = 0
        var writing = false
        var config: LogConfig
    }

    private let state: NIOLockedValueBox<State>
    private let ready = DispatchSemaphore(value: 0)
    private let descriptor: Int32

    /// - Parameter descriptor: where the lines go without `log.dir`.
    init(_ config: LogConfig, descriptor: Int32 = 2) {
        state = NIOLockedValueBox(State(config: config))
        self.descriptor = descriptor
        startThread(named: "log") { [self] in run() }
    }

    /// Holds for what is written from here on.
    func configure(_ config: LogConfig) { state.withLockedValue { $0.config = config } }

    var backlog: (waiting: Int, lost: Int) { state.withLockedValue { ($0.records.count, $0.lost) } }

    func add(_ record: LogRecord) {
        state.withLockedValue { state in
            if state.records.count < state.config.maxQueueSize {
                state.records.append(record)
            } else {
                state.lost += 1
            }
        }
        ready.signal()
    }

    func flush(within patience: Duration) -> Bool {
        let tries = max(1, Int(patience.milliseconds / 5))
        for _ in 0..<tries {
            if state.withLockedValue({ $0.records.isEmpty && !$0.writing }) { return true }
            usleep(5000)
        }
        return false
    }

    private func run() {
        var output = LogOutput(descriptor: descriptor)
        while true {
            ready.wait()
            var (records, lost, config): ([LogRecord], Int, LogConfig) = state.withLockedValue { state in
                defer {
                    state.records = []
                    state.lost = 0
                    state.writing = true
                }
                return (state.records, state.lost, state.config)
            }
            if lost > 0 {
                records.append(.warning("\(lost) log lines were lost: what takes them is too slow or full"))
            }
            let unwritten = output.write(records.map { config.line($0) }, config)
            state.withLockedValue { state in
                state.writing = false
                // The line about the lost ones comes last: it is among those that were not written.
                if unwritten > 0 { state.lost += unwritten + max(0, lost - 1) }
            }
        }
    }
}

extension LogConfig {
    func line(_ record: LogRecord) -> String {
        switch kind {
        case .plain: format.plain(record, dateFormat: dateFormat) + "\n"
        case .json: format.json(record, dateFormat: dateFormat, staticFields: staticFields) + "\n"
        }
    }
}
