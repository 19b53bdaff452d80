/// Rules of a process that was asked to end (contract 4.17): PostgreSQL stops, then the lock goes, never before.
let leavingRules: [Rule] = [
    Rule(
        "planned.linger", "Released; an archiver or a dead member's walsender is left, and has no more to write.",
        inPause: .always
    ) {
        s in
        guard s.view.leadership == nil, s.local.isRunning, s.local.isShutDown else { return nil }
        let grace = Situation.shipping - (s.view.now - (s.memory.stoodBackAt ?? s.view.now - Situation.shipping))
        guard grace <= .zero, s.mayQuit else {
            return Conclusion(
                "waiting for the end of the stopped PostgreSQL", recheckAfter: max(grace, .milliseconds(50)))
        }
        return Conclusion(
            "stopping what is left of the stopped PostgreSQL", .stopAtOnce, recheckAfter: .milliseconds(500))
    },
    Rule("leaving.hand-over", "The leader ends: a planned stop, so that another member goes on without a loss.") { s in
        guard s.view.leaving, s.memory.handOver == nil, let leadership = s.leadership, s.local.isRunning,
            !s.local.stopRequested, s.ready("stop-planned")
        else { return nil }
        return Conclusion(
            "shutting down: stopping PostgreSQL to hand the leader lock over", .stopPlanned(leadership.term),
            handingOver: leadership.term)
    },
    Rule("leaving.opt-out", "A synchronous standby ends: first the leader lets it go, so that no commit waits for it.")
    {
        s in
        guard s.view.leaving, s.local.isRunning, s.store?.sync.lists(s.view.me) == true, let leader = s.otherLeader,
            let since = s.memory.leavingSince, s.view.now - since < s.policy.loopWait * 2
        else { return nil }
        return Conclusion(
            "shutting down: waiting for \(leader.member) to do without this synchronous standby",
            recheckAfter: .milliseconds(50))
    },
    Rule("leaving.stop", "A member without a usable lock ends: PostgreSQL stops, nothing else is owed.") { s in
        guard s.view.leaving, s.memory.handOver == nil, s.local.isRunning, s.ready("stop") else { return nil }
        return Conclusion("shutting down: stopping PostgreSQL", .stop)
    },
    Rule("leaving.remains", "What a dead postmaster left is waited for: the keeper ends it.") { s in
        guard s.view.leaving, s.local.process == .remains else { return nil }
        return Conclusion(
            "shutting down: waiting for the last processes of PostgreSQL", recheckAfter: .milliseconds(100))
    },
    Rule("leaving.release", "PostgreSQL was down already: the lock goes at once.") { s in
        guard s.view.leaving, s.memory.handOver == nil, s.local.process == .absent, !s.view.unsettled,
            let leadership = s.leadership, s.failures(of: "release") < 3
        else { return nil }
        guard s.ready("release") else {
            return Conclusion("waiting to release the leader lock again", recheckAfter: .milliseconds(100))
        }
        return Conclusion("shutting down: releasing the leader lock", .release(leadership.term))
    },
    Rule("leaving.done", "Nothing runs and nothing is owed: a lock that could not be released ends with its session.") {
        s in
        guard s.view.leaving, s.local.process == .absent else { return nil }
        let settles = s.view.unsettled && s.store != nil && s.failures(of: "settle") < 3
        guard !settles, s.leadership == nil || s.failures(of: "release") >= 3 else { return nil }
        let left = s.view.leadership == nil ? "" : "; the leader lock is left to the end of its session"
        return Conclusion("shut down: PostgreSQL is stopped" + left, ends: true)
    },
]
