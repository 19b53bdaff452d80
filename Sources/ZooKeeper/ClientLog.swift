import CPlatform
import CZooKeeper
import Dispatch
public import Logging
import NIOConcurrencyHelpers

/// Where the lines of the C library go.
///
/// The library has one log level for the process and no context in its callback, so there is one relay for all
/// sessions. With two servers that both refuse it writes 8000 lines a second: the relay lets through a burst, then a
/// few lines a second, and says how many it left out. It never shows more than warnings and errors.
public enum ClientLog {
    /// Lines let through at once before the limit applies.
    public static let burst = 20
    /// Lines a second after that.
    public static let linesPerSecond = 2

    private struct State {
        var logger: Logger?
        var tokens = Double(burst)
        var refilledAt: Int64 = 0
        var suppressed = 0
    }

    private static let state = NIOLockedValueBox(State())
    /// The library's threads only queue: a slow log must not delay a ping.
    private static let queue = DispatchQueue(label: "zookeeper.log")

    /// Sends the lines to this logger from now on.
    public static func install(_ logger: Logger) { state.withLockedValue { $0.logger = logger } }

    /// Sends the lines to this logger unless one is installed.
    static func installIfMissing(_ logger: Logger) {
        state.withLockedValue { if $0.logger == nil { $0.logger = logger } }
    }

    private static let level: Void = zoo_set_debug_level(ZOO_LOG_LEVEL_WARN)

    /// Sets the library's level, once.
    static func prepare() { _ = level }

    static let callback: log_callback_fn = { line in
        if let line { relay(String(cString: line), at: matriarch_boottime_ns()) }
    }

    private static func relay(_ line: String, at now: Int64) {
        let admitted = state.withLockedValue { state -> (Logger, Int)? in
            let elapsed = Double(max(0, now - state.refilledAt)) / 1_000_000_000
            state.tokens = min(Double(burst), state.tokens + elapsed * Double(linesPerSecond))
            state.refilledAt = now
            guard let logger = state.logger else { return nil }
            guard state.tokens >= 1 else {
                state.suppressed += 1
                return nil
            }
            state.tokens -= 1
            defer { state.suppressed = 0 }
            return (logger, state.suppressed)
        }
        guard let (logger, suppressed) = admitted else { return }
        queue.async { write(line, suppressed, to: logger) }
    }

    /// A line is "TIME:PID(THREAD):LEVEL@FUNCTION@NUMBER: TEXT".
    private static func write(_ line: String, _ suppressed: Int, to logger: Logger) {
        let isError = line.contains(":ZOO_ERROR@")
        let text = line.firstRange(of: "@").flatMap { at in
            line[at.upperBound...].firstRange(of: ": ").map { line[$0.upperBound...] }
        }
        var metadata: Logger.Metadata = ["client": "\(text ?? line[...])"]
        if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
        logger.log(level: isError ? .error : .warning, "ZooKeeper client", metadata: metadata)
    }
}
