/// Where everything stands in the lease's world. Times are ages in whole units, by the clock that counts them.
struct LeaseState {
    /// The ZooKeeper leader: since the session's timer was restarted, and whether the session is over.
    var touchAge: UInt8 = 0
    var expired: UInt8 = 0
    /// Since the leader's last ping.
    var pingAge: UInt8 = 0
    /// The follower has a touch in its table that it has not passed on.
    var table: UInt8 = 0
    /// Writes on their way from the agent to the follower, and answers that the agent has not looked at.
    var requests: UInt8 = 0
    var answers: UInt8 = 0
    /// Ticks since the agent's clock lost one.
    var ticksSinceLost: UInt8 = 0
    var leaderChanges: UInt8 = 0
    var reconnects: UInt8 = 0
    /// Where the present handshake is.
    var handshake = Handshake.none
    var handshakeAge: UInt8 = 0
    /// The handshake asks for the shorter timeout; the leader counts with it; the agent knows of it.
    var asksShorter: UInt8 = 0
    var leaderHasShorter: UInt8 = 0
    var agentHasShorter: UInt8 = 0
    /// The send time of the last request that was acknowledged: what a reconnect anchors.
    var acknowledgedAge: UInt8 = 0
    /// Since the agent's last write was sent.
    var sendAge: UInt8 = 0
    /// What is left of the lease: writable while it is not zero.
    var leaseLeft: UInt8 = 0
    /// Writes without an answer, oldest first.
    var outstanding: [2 of UInt8] = [0, 0]
    var outstandingCount: UInt8 = 0
    /// Acknowledged writes that can still become i or j, oldest first: age of the sending, age of the acknowledgement.
    var sent: [5 of UInt8] = [0, 0, 0, 0, 0]
    var acknowledged: [5 of UInt8] = [0, 0, 0, 0, 0]
    var renewals: UInt8 = 0
    /// Messages between follower and leader, first in the lowest bits, behind the last a single one.
    var toLeader: UInt32 = 1
    var toFollower: UInt32 = 1

    enum Handshake: UInt8 {
        case none
        /// Disconnected; the request for the session is on its way to the follower and the leader.
        case sent
        /// The leader has touched the session; the answer is on its way.
        case accepted
    }

    /// From the follower to the leader.
    enum Upward {
        static let request: UInt32 = 0
        /// The reply to a ping, with what the follower's table held.
        static let touch: UInt32 = 1
    }

    /// From the leader to the follower.
    enum Downward {
        static let ping: UInt32 = 0
        static let commit: UInt32 = 1
    }
}
