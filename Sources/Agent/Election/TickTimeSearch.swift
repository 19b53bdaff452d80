import HACore
import Logging
import ZooKeeper

/// Finds out ZooKeeper's tickTime when the configuration does not name it (lock.md 2.3). Off the lease path: it asks
/// servers, and opens sessions of its own.
struct TickTimeSearch: Sendable {
    let configuration: ZooKeeperConfiguration
    let logger: Logger
    private static let patience = Duration.seconds(1)

    init(_ configuration: ZooKeeperConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// nil when it cannot be known: a session then counts as at least two ticks long, which is ZooKeeper's default.
    func find() async -> Duration? {
        if let told = await told() { return told }
        guard let (least, most) = await bounds() else {
            logger.warning(
                "cannot find out ZooKeeper's tickTime, assuming at most half a session: set matriarch.tick_time")
            return nil
        }
        let (tick, isSure) = Self.tick(least: least, most: most)
        if !isSure {
            logger.warning(
                "ZooKeeper's session bounds (\(least.milliseconds) to \(most.milliseconds) ms) are not 2 and 20 ticks, assuming a tickTime of \(tick.milliseconds) ms: set matriarch.tick_time if that is wrong"
            )
        }
        return tick
    }

    /// The shortest and the longest session that the servers grant. A wish for less than some 10 ms never connects: the
    /// library gives each attempt two thirds of it.
    func bounds() async -> (least: Duration, most: Duration)? {
        async let least = granted(asking: .milliseconds(100))
        async let most = granted(asking: .seconds(86_400))
        guard let least = await least, let most = await most else { return nil }
        return (least, most)
    }

    /// By the bounds of a session, which are 2 and 20 ticks unless somebody set them.
    static func tick(least: Duration, most: Duration) -> (tick: Duration, isSure: Bool) {
        most == least * 10 ? (least / 2, true) : (max(least / 2, most / 20), false)
    }

    /// The largest that any server tells: which of them leads is not known, nor does it matter.
    private func told() async -> Duration? {
        await withTaskGroup(of: Duration?.self) { group in
            for host in configuration.hosts.hosts {
                group.addTask {
                    await FourLetterWord.ask("conf", of: host, deadline: Self.patience).flatMap(Self.tick(in:))
                }
            }
            var longest: Duration?
            for await tick in group {
                if let tick { longest = max(tick, longest ?? tick) }
            }
            return longest
        }
    }

    /// The line `tickTime=2000` of the answer to `conf`.
    static func tick(in answer: String) -> Duration? {
        for line in answer.split(whereSeparator: \.isNewline) where line.hasPrefix("tickTime=") {
            guard let milliseconds = Int64(line.dropFirst("tickTime=".count)), milliseconds > 0 else { return nil }
            return .milliseconds(milliseconds)
        }
        return nil
    }

    private func granted(asking timeout: Duration) async -> Duration? {
        var probe = configuration
        probe.timeout = timeout
        probe.openDeadline = Self.patience
        guard let session = try? await ZooKeeperSession.open(probe, logger: logger) else { return nil }
        let connection = try? await session.connected(deadline: Self.patience)
        await session.close(deadline: Self.patience)
        return connection?.negotiatedTimeout
    }
}
