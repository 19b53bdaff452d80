import HACore

/// One thing that goes wrong at one time. A list of them and a seed are a whole run.
public struct Fault: Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        /// A node does not reach one ZooKeeper server, or any.
        case nodeFromServer, nodeFromStore
        /// Two nodes do not reach each other; a node reaches nobody.
        case peers, isolation
        /// A follower is cut off from the ensemble's leader; the leader from both followers; another one is elected.
        case followerCut, leaderIsolated, leaderChange
        /// The agent's process is stopped and goes on; the same, and then its ZooKeeper server is cut off.
        case agentPause, freezeThenCut
        case agentCrash, postmasterKill, keeperKill, nodeKill, allNodesKill
        /// Replies get lost with their connections; everything is slow.
        case lostReplies, slowNetwork
        /// A person deletes znodes, or another program left a lock of this node's name.
        case leaderDeleted, epochDeleted, initializeDeleted, legacyLock
        case wakes
        /// The data directory vanishes while nothing runs; is damaged, or another cluster's, for a while.
        case directoryLost, directoryDamaged, foreignData
        case startFailures
        /// An operator asks for another leader; the agent's process is asked to end, and is started again.
        case switchover, agentTerm
        /// A person changes `ttl`; switches synchronous mode on or off for a while. Only where a world asks for it.
        case timeoutChange, modeChange
        /// An operator restarts or reinitializes a member, now or later; takes its PostgreSQL back for a while; pauses the
        /// cluster for a while. Likewise.
        case restartOrder, reinitializeOrder, detachOrder, pauseChange
        /// In a pause the leader loses ZooKeeper for longer than its session; after a pause its agent is frozen.
        case pauseAndCut, pauseThenFreeze

        static let usual = allCases.filter {
            ![
                .timeoutChange, .modeChange, .restartOrder, .reinitializeOrder, .detachOrder, .pauseChange,
                .pauseAndCut, .pauseThenFreeze,
            ]
            .contains($0)
        }
    }

    public var kind: Kind
    public var at: Int64
    public var duration: Int64
    /// A node, or -1 for whoever holds the lock then.
    public var target: Int
    public var other: Int
    /// Strikes when the next lock is taken after `at`, within moments: bad times are where the bugs are.
    public var isTrap = false

    public init(kind: Kind, at: Int64, duration: Int64, target: Int, other: Int, isTrap: Bool = false) {
        self.kind = kind
        self.at = at
        self.duration = duration
        self.target = target
        self.other = other
        self.isTrap = isTrap
    }

    public var description: String {
        let who = target < 0 ? "leader" : "n\(target + 1)"
        let when = isTrap ? "at the first lock after" : "at"
        return "\(kind.rawValue)(\(who), \(other)) \(when) \(at / millisecond) ms for \(duration / millisecond) ms"
    }
}

extension Fault {
    static func list(seed: UInt64, _ options: SimOptions) -> [Fault] {
        let dice = Dice(seed: seed ^ 0xFA17)
        // A run has a theme: a few kinds of fault that meet often find more than all kinds that meet seldom.
        var kinds = options.kinds ?? (0..<dice.pick([1, 2, 3, 30])).map { _ in dice.pick(Kind.usual) }
        if options.kinds == nil, dice.chance(options.policy.synchronous ? 20 : 5) { kinds.append(.modeChange) }
        return (0..<options.faultCount).map { _ in
            let kind = dice.pick(kinds)
            let at = dice.between(options.chaosStart, options.chaosEnd - 200 * millisecond)
            let longest = min(options.chaosEnd - at, kind.longest(options))
            let isTrap = dice.chance(25)
            return Fault(
                kind: kind, at: at, duration: dice.between(min(20 * millisecond, longest), longest),
                target: isTrap || dice.chance(60) ? -1 : dice.below(options.nodes), other: dice.below(6), isTrap: isTrap
            )
        }.sorted { $0.at < $1.at }
    }
}

extension Fault.Kind {
    fileprivate func longest(_ options: SimOptions) -> Int64 {
        switch self {
        case .agentPause, .nodeFromStore, .isolation, .nodeFromServer: options.sessionTimeout * 2
        case .freezeThenCut: min(6 * second, options.sessionTimeout * 19 / 20)
        case .followerCut, .leaderIsolated: options.tick * 8
        case .agentCrash, .nodeKill: options.sessionTimeout * 2
        case .leaderChange: 3 * second
        default: 6 * second
        }
    }
}
