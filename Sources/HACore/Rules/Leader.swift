/// Rules of the member that holds the lock.
let leaderRules = runningRules + synchronousRules + requestRules + roleRules

/// PostgreSQL runs, and what the tree and others need of it is there.
private let runningRules: [Rule] = [
    Rule(
        "leader.remains", "The postmaster is gone, its processes are not: nothing starts and nothing is released.",
        inPause: .always
    ) {
        s in
        guard let leadership = s.leadership, s.local.process == .remains else { return nil }
        let reason = "waiting for the last processes of the crashed PostgreSQL"
        // Whoever could take over is asked meanwhile.
        if s.failsOver(leadership), let at = s.crashedAt(leadership), s.failoverPossible(since: at) == nil {
            return Conclusion(reason, .askPeers, recheckAfter: .milliseconds(100))
        }
        return Conclusion(reason, recheckAfter: .milliseconds(100))
    },
    Rule("leader.crashed", "A crashed primary comes back here or, by primary_start_timeout, elsewhere.") { s in
        guard let leadership = s.leadership, s.local.process == .absent, let at = s.crashedAt(leadership),
            let control = s.local.control, !control.wasStandby
        else { return nil }
        if s.failsOver(leadership) {
            switch s.failoverPossible(since: at) {
            case nil:
                return Conclusion(
                    "asking who could take over after the crash", .askPeers, recheckAfter: .milliseconds(200))
            case true?:
                return Conclusion("stopped PostgreSQL to fail over after a crash", .release(leadership.term))
            case false?: break
            }
        }
        guard s.ready("start") else {
            return Conclusion("waiting before the next start" + s.lastFailure(of: "start"), recheckAfter: .seconds(1))
        }
        return s.promotion(
            leadership, "starting primary after failure", .start(as: .primary, term: leadership.term))
    },
    Rule("leader.restart", "Stopped by the agent in this very term: the same primary starts again.", inPause: .owed) {
        s in
        guard let leadership = s.leadership, s.local.process == .absent, s.memory.ledTerm == leadership.term,
            let control = s.local.control, control.state == .shutDown || control.state == .inProduction,
            s.ready("start")
        else { return nil }
        return s.promotion(leadership, "starting the primary again", .start(as: .primary, term: leadership.term))
    },
    Rule(
        "leader.start-standby", "The lock is ours and PostgreSQL is down: it starts read-only, then is promoted.",
        inPause: .owed
    ) {
        s in
        guard s.leadership != nil, s.local.process == .absent, s.local.control != nil else { return nil }
        guard s.ready("start") else {
            return Conclusion("waiting before the next start" + s.lastFailure(of: "start"), recheckAfter: .seconds(1))
        }
        return Conclusion("starting as readonly because i had the session lock", .start(as: .standby, term: nil))
    },
    Rule("leader.confirm", "A primary found running leads once nobody else says that it is one (lock.md 4.A0).") { s in
        guard let leadership = s.leadership, s.local.isFound, s.ready("arm") else { return nil }
        switch PromotionClearance(s, leadership: leadership) {
        case .ask:
            return Conclusion("asking the other members before: lead", .askPeers, recheckAfter: .milliseconds(200))
        case .primary(let peer): return Conclusion("Primary (\(peer)) is still alive, demoting self", .fence)
        // Whoever is silent has been beside a writable server all along: waiting would not change that.
        case .wait, .clear:
            return Conclusion("leading with the primary that was found running", .arm(leadership.term))
        }
    },
    Rule(
        "leader.arm", "A primary that an earlier process of ours ran: its keeper gets this session's lease.",
        inPause: .always
    ) { s in
        guard let leadership = s.leadership, s.local.isRunning, s.local.mayBeWritable,
            s.local.armedZxid != leadership.epochZxid, s.local.latch.map({ $0 < leadership.epochZxid }) ?? true,
            s.ready("arm")
        else { return nil }
        return Conclusion("handing the present lease to the keeper", .arm(leadership.term))
    },
    Rule(
        "leader.starting", "Started as a primary, not accepting yet: bounded by primary_start_timeout.", inPause: .owed
    ) { s in
        guard s.leadership != nil, s.local.process == .running(as: .primary), s.local.sql == nil else { return nil }
        let since = s.local.startedAt ?? s.view.now
        let left = s.startTimeout - (s.view.now - since)
        if left <= .zero {
            switch s.failoverPossible(since: since) {
            case nil:
                return Conclusion("asking who could take over", .askPeers, recheckAfter: .milliseconds(200))
            case true? where s.local.armedUntil == nil:
                return Conclusion("waiting for the end of the stopped PostgreSQL", recheckAfter: .milliseconds(50))
            case true?:
                return Conclusion("stopped PostgreSQL because of startup timeout", .fence)
            case false?: break
            }
        }
        let seconds = max(0, left.milliseconds / 1000)
        return Conclusion(
            "PostgreSQL is still starting up, \(seconds) seconds until timeout", recheckAfter: s.startingPause)
    },
    Rule("leader.config", "The leader keeps `config` present (contract 4.1 row 4).", inPause: .always) { s in
        guard let leadership = s.leadership, s.isLeading, s.store?.hasConfig == false, s.ready("write-config") else {
            return nil
        }
        return Conclusion("writing the dynamic configuration", .writeConfig(leadership.term))
    },
    Rule("leader.initialize", "The leader keeps `initialize` valid (contract 4.1 row 3).", inPause: .always) { s in
        guard let leadership = s.leadership, s.isLeading, let control = s.local.control else { return nil }
        switch s.store?.initialize {
        case .done: return nil
        case .inProgress, .abandoned:
            // The process that made this cluster died before its end: what it left out is made up for.
            guard s.ready("finish-bootstrap") else { return nil }
            return Conclusion("finishing an interrupted bootstrap", .finishBootstrap(leadership.term))
        case .absent, .invalid, nil:
            guard s.ready("claim-initialize") else { return nil }
            return Conclusion("writing the system identifier", .claimInitialize(control.systemIdentifier))
        }
    },
    Rule(
        "leader.checkpoint", "Nobody may rewind from a promoted server before its checkpoint (contract 4.12).",
        inPause: .always
    ) { s in
        guard let leadership = s.leadership, s.isLeading, let timeline = s.local.sql?.timeline,
            let control = s.local.control, control.timeline < timeline, s.ready("checkpoint")
        else { return nil }
        return Conclusion("writing a checkpoint after the promotion", .checkpoint(leadership.term))
    },
]

/// PostgreSQL has the role that the lock asks for.
private let roleRules: [Rule] = [
    Rule("leader.lead", "The lock is ours and PostgreSQL is a primary: the steady state.", inPause: .always) { s in
        guard s.isLeading else { return nil }
        return Conclusion(
            "no action. I am (\(s.view.me)), the leader with the lock",
            recheckAfter: s.fulfilledStays.map { max($0, .milliseconds(100)) })
    },
    Rule(
        "leader.refused", "The pre_promote script said no in this term: the lock goes to another member.",
        inPause: .owed
    ) { s in
        guard let leadership = s.leadership, s.isAwaitingPromotion, let at = s.memory.refusedAt,
            at >= leadership.provedAt
        else { return nil }
        return Conclusion(
            "Promotion cancelled because the pre-promote script failed", .release(leadership.term),
            recheckAfter: .milliseconds(200))
    },
    Rule(
        "leader.pre-promote", "The user's pre_promote script has to agree, while the lock is held and renewed.",
        inPause: .owed
    ) { s in
        guard let leadership = s.leadership, s.isAwaitingPromotion, s.policy.asksBeforePromotion,
            s.memory.agreedTerm != leadership.term, s.ready("pre-promote"), s.leaseSuffices
        else { return nil }
        return Conclusion("running the pre-promote script", .prePromote(leadership.term))
    },
    Rule(
        "leader.promote", "The lock is ours and PostgreSQL is a standby: promote it, after asking everybody.",
        inPause: .owed
    ) { s in
        guard let leadership = s.leadership, s.local.process == .running(as: .standby), !s.local.promoteRequested else {
            return nil
        }
        guard s.local.sql != nil else {
            return Conclusion("waiting for the standby to accept connections", recheckAfter: s.startingPause)
        }
        guard !s.policy.asksBeforePromotion || s.memory.agreedTerm == leadership.term else {
            return Conclusion("waiting to run the pre-promote script again", recheckAfter: .milliseconds(200))
        }
        guard s.ready("promote") else {
            return Conclusion(
                "giving up the leader lock after a failed promotion" + s.lastFailure(of: "promote"),
                .release(leadership.term))
        }
        return s.promotion(
            leadership, "promoted self to leader by acquiring session lock", .promote(leadership.term))
    },
    Rule("leader.promoting", "The promotion was asked for and recovery has not ended.", inPause: .always) { s in
        guard s.leadership != nil, s.local.promoteRequested, s.local.isRunning else { return nil }
        return Conclusion("waiting for the end of recovery", recheckAfter: .milliseconds(100))
    },
]

extension Situation {
    /// When the primary of this very term ended by itself; a keeper that is new does not know of it.
    fileprivate func crashedAt(_ leadership: Leadership) -> Instant? {
        if case .crashed(let at) = local.ending { return at }
        guard local.ending == .neverStarted, memory.ledTerm == leadership.term, local.control?.state == .inProduction
        else { return nil }
        return memory.lastLedAt
    }

    /// A crashed primary comes back elsewhere, if anybody can take over.
    fileprivate func failsOver(_ leadership: Leadership) -> Bool {
        guard !isPaused, let at = crashedAt(leadership) else { return false }
        let timeout = policy.primaryStartTimeout
        // A primary that keeps crashing is not brought back for ever, whatever each start says.
        // Nor one that cannot even be started, such as on a full disk.
        let spent =
            memory.crashCount(within: max(timeout, .seconds(60)), before: view.now) > 3 || failures(of: "start") > 3
        return spent || timeout == .zero || view.now - (memory.lastLedAt ?? at) > timeout
    }

    /// A standby that answers, and that nobody has asked to promote.
    fileprivate var isAwaitingPromotion: Bool {
        local.process == .running(as: .standby) && !local.promoteRequested && local.sql?.inRecovery == true
    }

    /// The lock is proved ours and the server here is out of recovery.
    var isLeading: Bool {
        leadership != nil && local.isRunning && local.sql?.inRecovery == false && memory.bootstrap == nil
    }
}
