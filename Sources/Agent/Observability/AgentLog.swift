public import Logging
import NIOConcurrencyHelpers

/// The log of the process, as the section `log` wants it; a reload changes all of it (contract/patroni.md 3.2).
public final class AgentLog: Sendable {
    private struct State {
        var config: LogConfig
        var thresholds: [String: LogThreshold] = [:]
    }

    private let queue: LogQueue
    private let state: NIOLockedValueBox<State>

    public init(_ config: LogConfig) {
        queue = LogQueue(config)
        state = NIOLockedValueBox(State(config: config))
    }

    /// For `LoggingSystem.bootstrap`.
    public func handler(_ name: String) -> any LogHandler {
        let threshold = state.withLockedValue { state in
            let known = state.thresholds[name] ?? LogThreshold(state.config.level(of: name))
            state.thresholds[name] = known
            return known
        }
        return LineLog(name: name, threshold: threshold, queue: queue)
    }

    public func apply(_ config: LogConfig) {
        state.withLockedValue { state in
            state.config = config
            for (name, threshold) in state.thresholds { threshold.level = config.level(of: name) }
        }
        queue.configure(config)
    }

    /// Whether a decision that repeats the one before is said at no level.
    var dropsHeartbeats: Bool { state.withLockedValue { $0.config.deduplicateHeartbeats } }

    /// Records that wait to be written, and those that were lost and of whom nothing was written yet.
    public var backlog: (waiting: Int, lost: Int) { queue.backlog }

    /// Waits until everything is written, at most `patience`; false when records are left.
    public func flush(within patience: Duration) -> Bool { queue.flush(within: patience) }
}

extension LogConfig {
    /// Of the nearest name at or above this one in `loggers`, else the level of all.
    func level(of name: String) -> Logger.Level {
        var parts = name.split(separator: ".")
        while !parts.isEmpty {
            if let level = loggers[parts.joined(separator: ".")] { return level.loggerLevel }
            parts.removeLast()
        }
        return level.loggerLevel
    }
}

extension LogConfig.Level {
    fileprivate var loggerLevel: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}
