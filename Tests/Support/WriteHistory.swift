/// What a writer asked for and what it was told.
public struct WriteHistory: Sendable {
    /// A row whose commit was acknowledged.
    public struct Acknowledged: Hashable, Sendable {
        public let id: Int64
        public let node: String
        /// The timeline on which the row was written, told by the same statement.
        public let timeline: UInt32
        /// Taken before the request was handed over.
        public let sent: ContinuousClock.Instant
        /// Taken after the reply was read.
        public let acknowledged: ContinuousClock.Instant

        public init(
            id: Int64, node: String, timeline: UInt32, sent: ContinuousClock.Instant,
            acknowledged: ContinuousClock.Instant
        ) {
            self.id = id
            self.node = node
            self.timeline = timeline
            self.sent = sent
            self.acknowledged = acknowledged
        }
    }

    /// In the order of acknowledgement.
    public var acknowledged: [Acknowledged] = []
    /// Rows that may or may not exist: the reply was lost, or was an error that leaves it open.
    public var unknown: Set<Int64> = []
    /// Rows that the server refused for certain.
    public var refused: Set<Int64> = []

    public init() {}

    /// Acknowledged rows that the cluster does not have.
    public func lost(present: Set<Int64>) -> [Acknowledged] { acknowledged.filter { !present.contains($0.id) } }

    /// Rows that the cluster has although nobody wrote them, or although they were refused.
    public func invented(present: Set<Int64>) -> Set<Int64> {
        present.subtracting(acknowledged.map(\.id)).subtracting(unknown)
    }

    /// The longest time between two acknowledgements that follow each other.
    public var longestGap: Duration {
        let times = acknowledged.map(\.acknowledged).sorted()
        return zip(times, times.dropFirst()).map { $0.duration(to: $1) }.max() ?? .zero
    }

    public var summary: String {
        let timelines = Set(acknowledged.map { "\($0.node)/\($0.timeline)" }).sorted().joined(separator: " ")
        return "\(acknowledged.count) rows acknowledged on \(timelines), \(unknown.count) unknown, "
            + "\(refused.count) refused, longest gap \(longestGap)"
    }
}
