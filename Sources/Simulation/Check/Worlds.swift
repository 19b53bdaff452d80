import HACore

/// Kinds of worlds that a seed can make, each with the faults that belong together: what a rule is for shows sooner where
/// its faults are frequent.
public enum WorldKind: String, Sendable, CaseIterable {
    case mixed, failovers, thirdParties, directories, strangers, bootstraps, planned, agentsDie, crashes, found, orders,
        paused, pausedCuts

    public func options(seed: UInt64) -> SimOptions {
        var options = SimOptions(seed: seed)
        if self == .mixed { return options }
        options.faultCount = 6
        switch self {
        case .mixed: break
        case .failovers:
            options.kinds = [.postmasterKill, .nodeKill, .keeperKill, .leaderIsolated]
            options.policy.maximumLagOnFailover = 500
            options.policy.checkTimeline = seed % 2 == 1
        case .thirdParties: options.kinds = [.leaderDeleted, .legacyLock, .epochDeleted, .agentPause, .agentCrash]
        case .directories:
            options.kinds = [
                .foreignData, .directoryDamaged, .directoryLost, .startFailures, .postmasterKill, .nodeKill,
            ]
        case .strangers: options.kinds = [.foreignData, .allNodesKill, .nodeKill]
        case .bootstraps:
            options.hasData = false
            options.chaosStart = 300 * millisecond
            options.chaosEnd = 12 * second
            options.kinds = [.leaderIsolated, .nodeFromStore, .agentCrash, .nodeKill, .leaderDeleted, .lostReplies]
        case .planned: options.kinds = [.switchover, .agentTerm, .agentTerm, .peers, .postmasterKill]
        case .orders:
            options.kinds = [
                .restartOrder, .restartOrder, .reinitializeOrder, .detachOrder, .switchover, .postmasterKill,
                .agentCrash,
            ]
        case .paused:
            // A pause that ends where an agent is dead or cut off is nobody's to save (design/keeper.md).
            options.faultCount = 10
            options.kinds = [
                .pauseChange, .pauseChange, .pauseChange, .pauseChange, .postmasterKill, .leaderDeleted, .switchover,
                .restartOrder, .reinitializeOrder, .lostReplies, .wakes, .leaderChange,
            ]
        case .pausedCuts:
            // A pause that ends in the next one's outage is nobody's to save.
            options.faultCount = 1
            options.calm = seed % 2 == 0 ? .nothingEnds : nil
            options.kinds = seed % 2 == 0 ? [.pauseAndCut] : [.pauseThenFreeze]
        case .found:
            options.hasData = true
            options.foundPrimary = true
            // What was acknowledged before waited for nobody.
            options.policy.synchronousStrict = false
            options.chaosStart = 3 * second
            // Without its keeper and its agent nothing stops a server that is not the keeper's child.
            options.kinds =
                [.nodeFromStore, .isolation, .leaderDeleted, .peers]
                + (seed % 2 == 0 ? [.agentPause, .agentCrash] : [.keeperKill])
        case .agentsDie:
            options.calm = .nothingEnds
            options.kinds = [.agentCrash]
        case .crashes:
            options.calm = .nobodyIsPromoted
            options.kinds = [.postmasterKill]
            options.faultCount = 2
            options.policy.primaryStartTimeout = .seconds(300)
        }
        if options.calm != nil {
            // Long enough a lease that a restart fits into it.
            options.tick = 500 * millisecond
            options.sessionTimeout = 6 * second
            options.chaosStart = 12 * second
            options.chaosEnd = 40 * second
        }
        return options
    }
}
