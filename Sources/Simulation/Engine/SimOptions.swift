public import HACore

/// One guard made weak on purpose: the simulation has to find a schedule that shows why the guard exists.
public enum Weakness: String, Sendable, CaseIterable {
    /// The lease counts from the moment an acknowledgement is processed.
    case countFromAcknowledgement
    /// The lease counts from the sending of an acknowledged write, whose touch may never have reached the leader.
    case countFromSending
    /// The anchored lease without the pause for a ping between j and i.
    case noGap
    /// The anchored lease that trusts i without k.
    case noThirdLeg
    /// The keeper does not act at its deadline.
    case keeperDeadline
    /// A dead postmaster counts as an empty directory, and nothing refuses.
    case remainsUnseen
    /// Renewals do not check `epoch` and the mark.
    case renewUnchecked
    /// Replacing one's own older lock in two transactions.
    case deleteThenCreate
    /// An absent lock proves that nobody leads.
    case absenceUnproved
    /// Each promotion takes the number after its own timeline's, whoever may have used it before: two histories of one
    /// number, which neither PostgreSQL nor pg_rewind can tell apart.
    case timelineUnreserved
    /// The lock moves to a session with a shorter timeout, and the keeper's deadline stays as it is.
    case deadlineKept
    /// Taking the lock does not check that `sync` is what the decision read (rulings, Lock 2).
    case eligibilityUnchecked
    /// PostgreSQL takes longer to die than the lease's margin allows.
    case slowKill
}

/// What kind of world a seed makes.
public struct SimOptions: Sendable {
    public var nodes = 3
    public var tick: Int64 = 500 * millisecond
    public var sessionTimeout: Int64 = 6 * second
    public var tickTimeKnown = true
    /// The first node has a cluster's data already; else all are empty.
    public var hasData = false
    /// All nodes have it, and on the first a primary runs that no keeper started, as a killed Patroni leaves it.
    public var foundPrimary = false
    public var offersClones = false
    public var chaosStart: Int64 = 4 * second
    public var chaosEnd: Int64 = 34 * second
    /// How long after the last fault the cluster may take until it is whole.
    public var patience: Int64 = 75 * second
    public var faultCount = 8
    public var checksPurity = false
    /// Whether a timeline number that two promotions made counts as broken.
    public var timelinesUnique = true
    public var keepsTrace = false
    public var weakness: Weakness?
    /// Whether a broken promise ends the run, or only a broken invariant does.
    public var checksPromises = true
    /// What operators may expect of this world's faults, once the cluster came up.
    public enum Calm: Sendable {
        /// Only agents die, and come back at once: PostgreSQL goes on.
        case nothingEnds
        /// A primary that may take its time crashes: it starts again where it is.
        case nobodyIsPromoted
    }
    public var calm: Calm?
    /// Rules of the table that the agents do without.
    public var removedRules: Set<RuleID> = []
    /// A cut begins with the leader's direction and goes on with the follower's.
    public var flipsCuts = false
    /// A killed agent comes back at once into its session, and is killed again, a few times.
    public var restartsAtOnce = false
    /// The faults to choose from; nil = the seed chooses.
    public var kinds: [Fault.Kind]?
    public var policy = ClusterPolicy()

    public init() {}

    /// A world for the lease alone: one primary, long freezes, a follower that is cut off together with its client.
    public static func lease(seed: UInt64) -> SimOptions {
        let dice = Dice(seed: seed &+ 0x1EA5E)
        var options = SimOptions()
        let timing: (tick: Int64, timeout: Int64) = dice.pick([(2000, 4000), (3000, 8000), (3000, 8000), (500, 16000)])
        options.tick = timing.tick * millisecond
        options.sessionTimeout = timing.timeout * millisecond
        options.flipsCuts = timing.timeout == 16000
        options.nodes = 2
        options.hasData = true
        options.chaosEnd = 54 * second
        options.faultCount = 6
        options.kinds = dice.chance(50) ? [.freezeThenCut] : [.freezeThenCut, .freezeThenCut, .slowNetwork]
        options.policy.loopWait = .seconds(10)
        options.policy.primaryStartTimeout = .seconds(300)
        return options
    }

    /// A world of agents that are killed and come back into their sessions, while requests of the dead are under way.
    /// - Parameter alone: nothing else fails.
    public static func restarts(seed: UInt64, alone: Bool) -> SimOptions {
        var options = SimOptions(seed: seed)
        options.restartsAtOnce = true
        options.faultCount = 10
        options.kinds =
            alone
            ? [.agentCrash]
            : [.agentCrash, .agentCrash, .lostReplies, .slowNetwork, .leaderChange, .agentPause, .leaderDeleted]
        return options
    }

    /// A world in which somebody changes `ttl` again and again.
    /// - Parameter alone: nothing else fails.
    public static func timeouts(seed: UInt64, alone: Bool) -> SimOptions {
        let dice = Dice(seed: seed &+ 0x771)
        var options = SimOptions(seed: seed)
        let timing: (tick: Int64, timeout: Int64) = dice.pick([(200, 2000), (500, 3000), (1000, 4000)])
        options.tick = timing.tick * millisecond
        options.sessionTimeout = timing.timeout * millisecond
        options.tickTimeKnown = true
        options.faultCount = 12
        options.kinds =
            alone
            ? [.timeoutChange]
            : [.timeoutChange, .timeoutChange, .timeoutChange, .agentPause, .agentPause, .agentCrash, .nodeFromStore]
                + [.leaderChange, .lostReplies, .slowNetwork, .keeperKill]
        return options
    }

    /// The world of a seed.
    public init(seed: UInt64) {
        let dice = Dice(seed: seed &* 0x2545_F491_4F6C_DD1D &+ 1)
        let timing: (tick: Int64, timeout: Int64) = dice.pick([
            (500, 6000), (2000, 10000), (2000, 4000), (200, 2000), (1000, 4000), (500, 3000), (200, 2000),
        ])
        tick = timing.tick * millisecond
        sessionTimeout = timing.timeout * millisecond
        nodes = dice.pick([2, 3, 3, 3, 4])
        // Of two seconds too little would be left with the gap that an unknown tick needs.
        tickTimeKnown = dice.chance(70) || sessionTimeout < 3 * second
        hasData = dice.chance(50)
        offersClones = dice.chance(30)
        faultCount = dice.below(14)
        // Existing data have to be up first: an empty member would make a cluster of its own.
        chaosStart = hasData || dice.chance(60) ? 4 * second : 300 * millisecond
        chaosEnd = chaosStart + Int64(10 + dice.below(25)) * second
        checksPurity = dice.chance(5)
        policy.loopWait = .seconds(dice.pick([1, 2, 10]))
        policy.primaryStartTimeout = .seconds(dice.pick([0, 0, 3, 10, 300]))
        policy.useRewind = dice.chance(70)
        policy.cloneOnRewindFailure = dice.chance(60)
        policy.cloneOnDivergence = dice.chance(60)
        policy.checkTimeline = dice.chance(20)
        policy.maximumLagOnFailover = dice.pick([2000, 100_000, 1_048_576])
        policy.synchronous = dice.chance(40)
        policy.synchronousStrict = policy.synchronous && dice.chance(60)
        policy.synchronousCount = dice.pick([1, 1, 2])
        policy.ttl = .nanoseconds(sessionTimeout)
        policy.asksBeforePromotion = seed % 16 == 7
    }
}
