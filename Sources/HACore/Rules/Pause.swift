/// Rules that switch the keeper's deadline off and on with the pause: first of all, so that it stops nothing meanwhile.
let pauseSwitch: [Rule] = [
    Rule("pause.begin", "The cluster is paused: the keeper enforces no deadline.", inPause: .only) { s in
        guard !s.local.keeperPaused, s.ready("pause-keeper") else { return nil }
        return Conclusion("the cluster is paused: PostgreSQL is left to its operator", .pauseKeeper(true))
    },
    Rule("pause.end", "The pause is over: the deadline counts again, for a primary once its lock is proved.") { s in
        guard s.store != nil, s.local.keeperPaused, s.ready("pause-keeper") else { return nil }
        if s.local.mayBeWritable {
            guard let leadership = s.leadership, s.local.armedZxid == leadership.epochZxid, s.leaseSuffices else {
                return nil
            }
        }
        return Conclusion("the pause is over", .pauseKeeper(false))
    },
    Rule("pause.leave", "Asked to end in pause: PostgreSQL and the lock stay (contract 4.17).", inPause: .only) { s in
        guard s.view.leaving, !s.local.isUnkept else { return nil }
        return Conclusion("Leader key is not deleted and Postgresql is not stopped due paused state", ends: true)
    },
]

/// Rules of a paused cluster (contract 4.18): what runs goes on, and nothing begins without an operator's word.
let pauseRules: [Rule] = [
    Rule("pause.system-identifier", "Other data than the cluster's do not lead it.", inPause: .only) { s in
        guard let leadership = s.leadership, case .done(let cluster)? = s.store?.initialize,
            let control = s.local.control, control.systemIdentifier != cluster, s.memory.bootstrap == nil,
            !s.local.mayBeWritable
        else { return nil }
        return Conclusion(
            "released leader key voluntarily due to the system ID mismatch", .release(leadership.term))
    },
    Rule(
        "pause.stopped", "PostgreSQL is down and stays so; its lock is for whoever runs as a primary.", inPause: .only
    ) { s in
        guard s.local.process == .absent, !s.isOwed else { return nil }
        guard let leadership = s.leadership else {
            return Conclusion(
                s.local.directory == .empty ? "running with empty data directory" : "postgres is not running")
        }
        return s.giveUp(leadership, "removed leader lock because postgres is not running")
    },
    Rule("pause.starting", "PostgreSQL does not answer yet.", inPause: .only) { s in
        guard s.local.isRunning, s.local.sql == nil, s.otherLeader == nil, !s.isOwed else { return nil }
        return Conclusion("PostgreSQL is still starting up", recheckAfter: s.startingPause)
    },
    Rule("pause.standby", "The lock is ours and nobody wants this standby to lead.", inPause: .only) { s in
        guard let leadership = s.leadership, s.local.sql?.inRecovery == true, !s.local.promoteRequested,
            !s.isOwed
        else { return nil }
        return s.giveUp(leadership, "removed leader lock because postgres is not running as primary")
    },
    Rule("pause.other-leader", "A primary beside another's lock is the operator's matter.", inPause: .only) { s in
        guard s.otherLeader != nil, s.local.mayBeWritable else { return nil }
        return Conclusion("continue to run as primary without lock")
    },
    Rule("pause.no-race", "Only who is a primary already, or whom an operator named, takes the lock.", inPause: .only) {
        s in
        guard case .nobody = s.holder, !s.isOwed, !s.isPausedPrimary else { return nil }
        return Conclusion("no action. I am (\(s.view.me))")
    },
]

extension Situation {
    fileprivate func giveUp(_ leadership: Leadership, _ reason: String) -> Conclusion {
        guard ready("release") else {
            return Conclusion(
                "waiting to release the leader lock again" + lastFailure(of: "release"),
                recheckAfter: .milliseconds(100))
        }
        return Conclusion(reason, .release(leadership.term))
    }
}
