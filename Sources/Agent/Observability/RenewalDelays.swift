/// How long after their time the lease's renewals were sent: a machine or a client that keeps the agent from its work
/// shows here first.
public struct RenewalDelays: Hashable, Sendable {
    public static let bounds = [1, 5, 10, 25, 50, 100, 250, 1000].map { Duration.milliseconds($0) }

    /// Renewals at most as late as each of the bounds, and all of them at the end.
    public private(set) var counts = Array(repeating: 0, count: bounds.count + 1)
    public private(set) var sum = Duration.zero

    public init() {}

    mutating func note(_ delay: Duration) {
        sum += delay
        for index in counts.indices where index == Self.bounds.count || delay <= Self.bounds[index] {
            counts[index] += 1
        }
    }
}
