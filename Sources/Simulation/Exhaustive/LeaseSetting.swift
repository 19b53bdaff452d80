/// How the agent counts, and how large the world is, in the search over the lease. Times are whole units.
public struct LeaseSetting: Sendable {
    public enum Rule: String, Sendable {
        /// `AnchoredLease`, as it is.
        case anchored
        /// Two writes in flight, and "after" known by the order of the program, not by comparing clocks.
        case anchoredStrictly
        /// The link is taken for one to the ZooKeeper leader: count from the acknowledgement.
        case fromAcknowledgement
        /// Count from the sending of an acknowledged write.
        case fromSending
        /// The formula before the anchors: from the sending, less half a tick and the pause between renewals.
        case fromSendingLessPing
        /// Anchored, but i alone proves j.
        case withoutThirdLeg
        /// Anchored, but j, i, k one right after the other.
        case withoutGap
    }

    public var name: String
    public var rule = Rule.anchored
    public var timeout: UInt8 = 5
    /// The ZooKeeper leader pings at least this often; the lease waits as long between j's acknowledgement and i.
    public var gap: UInt8 = 1
    /// Between two renewals.
    public var pause: UInt8 = 1
    public var inFlight: UInt8 = 1
    public var leaderChanges: UInt8 = 0
    /// How often the agent may lose its connection and reconnect within the session.
    public var reconnects: UInt8 = 0
    /// What a reconnect may make of the timeout; 0 = it stays.
    public var shorterTimeout: UInt8 = 0
    /// The time between the leader's acceptance of a shorter timeout and the agent's learning of it counts as broken.
    public var countsUnknownShorter = false
    /// The agent's clock may lose one tick in each six.
    public var drifts = false
    /// Taken off each lease.
    public var margin: UInt8 = 0

    public init(_ name: String, _ change: (inout Self) -> Void = { _ in }) {
        self.name = name
        change(&self)
    }
}
