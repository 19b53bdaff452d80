/// Why nobody may lead on a session with these terms (lock.md 2.2, 2.3). The text has the numbers, for the operator.
public enum LeaseProblem: Hashable, Sendable, CustomStringConvertible {
    /// The ZooKeeper leader may hear of a touch too late.
    case underTwoTicks(timeout: Duration, tickTime: Duration)
    /// At the worst moment of the steady state too little is left before PostgreSQL has to be stopped.
    case tooShort(LeaseTerms, interval: Duration, left: Duration)

    public var description: String {
        switch self {
        case .underTwoTicks(let timeout, let tickTime):
            "a session of \(timeout.milliseconds) ms is shorter than two ticks of ZooKeeper (\(tickTime.milliseconds) ms each): "
                + "raise ttl, or lower tickTime there"
        case .tooShort(let terms, let interval, let left):
            "of a session of \(terms.timeout.milliseconds) ms, renewed each \(interval.milliseconds) ms and with "
                + "\(terms.gap.milliseconds) ms for ZooKeeper's pings, at worst \(left.milliseconds) ms are left before "
                + "PostgreSQL has to be stopped, less than \(LeaseTerms.leastRemainder.milliseconds) ms: "
                + "raise ttl, or lower ZooKeeper's tickTime (and set matriarch.tick_time if it is not found out)"
        }
    }
}

extension LeaseTerms {
    /// What a stall of ZooKeeper may take at the worst moment before the agent begins to stop a healthy primary.
    public static let leastRemainder: Duration = .milliseconds(500)

    /// nil when these terms leave time enough to lead.
    public func problem(loopWait: Duration) -> LeaseProblem? {
        if let tickTime, timeout < tickTime * 2 { return .underTwoTicks(timeout: timeout, tickTime: tickTime) }
        let left = worstRemainder(loopWait: loopWait) - earlyStop
        guard left < Self.leastRemainder else { return nil }
        return .tooShort(self, interval: renewalInterval(loopWait: loopWait), left: left)
    }
}
