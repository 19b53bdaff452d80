/// Rules of what an operator wants of this member's PostgreSQL: restart, reinitialize (contract 4.9). They stop it and
/// say how it went; the usual rules start it again.
let orderRules: [Rule] = [
    Rule("restart.scheduled", "A restart that was planned for now; its conditions are looked at once more.") { s in
        guard let dueAt = s.view.scheduledRestart, s.view.now >= dueAt, s.view.order == nil else {
            return nil
        }
        return Conclusion("the scheduled restart is due", .beginScheduledRestart)
    },
    Rule(
        "order.opt-out",
        "A synchronous standby goes down: first the leader lets it go, so that no commit waits for it.",
        inPause: .always
    ) { s in
        guard let order = s.view.order, s.isBefore(order), s.store?.sync.lists(s.view.me) == true,
            let leader = s.otherLeader, s.view.now - order.since < s.policy.loopWait * 2
        else { return nil }
        return Conclusion(
            "\(order.kind.name): waiting for \(leader.member) to do without this synchronous standby",
            recheckAfter: .milliseconds(50))
    },
    Rule("restart.stop", "PostgreSQL stops in order; a leader keeps its lock.", inPause: .always) { s in
        guard let order = s.restartOrder, s.isBefore(order), s.memory.handOver == nil, s.ready("stop-for-restart")
        else { return nil }
        return Conclusion("restarting PostgreSQL as an operator wants", .stopForRestart)
    },
    Rule("restart.done", "It accepts connections again, cannot be started, or takes too long.", inPause: .always) { s in
        guard let order = s.restartOrder, !s.isBefore(order), let outcome = s.outcome(of: order) else { return nil }
        let what =
            switch outcome {
            case .done: "PostgreSQL was restarted"
            case .stillStarting: "the restarted PostgreSQL does not accept connections yet"
            case .failed(let reason): "the restart failed: \(reason)"
            }
        return Conclusion(what, .finishOrder(order.id, outcome), givesUp: outcome != .done)
    },
    Rule("reinitialize.done", "The copy is complete, or failed; the usual rules go on from there.", inPause: .always) {
        s in
        guard let order = s.reinitializeOrder, let at = s.memory.copiedAt, at > order.since else { return nil }
        guard let failure = s.memory.retries["reinitialize"] else {
            return Conclusion("this member was reinitialized", .finishOrder(order.id, .done))
        }
        return Conclusion(
            "the reinitialization failed: \(failure.reason)", .finishOrder(order.id, .failed(failure.reason)))
    },
    Rule("reinitialize.refused", "Nobody to copy from: the data stay.", inPause: .always) { s in
        guard let order = s.reinitializeOrder, s.otherLeader == nil else { return nil }
        let why = s.leadership == nil ? "Cluster has no leader" : "I am the leader"
        return Conclusion(
            "\(why), can not reinitialize", .finishOrder(order.id, .failed("\(why), can not reinitialize")))
    },
    Rule("reinitialize.stop", "Its data are given up: PostgreSQL stops at once.", inPause: .always) { s in
        guard s.reinitializeOrder != nil, s.local.process != .absent else { return nil }
        guard s.local.isRunning, s.mayQuit else {
            return Conclusion("waiting for the end of PostgreSQL", recheckAfter: .milliseconds(50))
        }
        return Conclusion(
            "stopping PostgreSQL to reinitialize this member", .stopAtOnce, recheckAfter: .milliseconds(50))
    },
    Rule("reinitialize.copy", "Nothing runs: another member's data take the place of what is here.", inPause: .always) {
        s in
        guard let order = s.reinitializeOrder, let leader = s.otherLeader else { return nil }
        guard let source = s.source(besides: leader, onlyLeader: order.kind == .reinitialize(fromLeader: true)) else {
            return Conclusion("waiting for \(leader.member) to become primary", recheckAfter: .seconds(1))
        }
        return Conclusion("reinitializing this member from \(source)", .reinitialize(from: source))
    },
]

extension Situation {
    var restartOrder: MemberOrder? {
        guard let order = view.order, case .restart = order.kind else { return nil }
        return order
    }

    fileprivate var reinitializeOrder: MemberOrder? {
        guard let order = view.order, case .reinitialize = order.kind else { return nil }
        return order
    }

    /// How long a start may take: what the operator said of a restart, else `primary_start_timeout`.
    var startTimeout: Duration {
        if case .restart(let timeout?)? = view.order?.kind { return timeout }
        return policy.primaryStartTimeout
    }

    /// PostgreSQL runs, and has since before the order.
    fileprivate func isBefore(_ order: MemberOrder) -> Bool {
        local.isRunning && local.startedAt.map { $0 <= order.since } ?? true
    }

    /// Of a restart whose stop is done; nil while it is open.
    fileprivate func outcome(of order: MemberOrder) -> MemberOrder.Outcome? {
        // Zero says that a crash fails over at once, not that no start may take any time.
        let patience = startTimeout > .zero ? startTimeout : .seconds(60)
        if local.isRunning {
            if local.sql != nil { return .done }
            return view.now - (local.startedAt ?? view.now) > patience ? .stillStarting : nil
        }
        if case .crashed(let at) = local.ending, at > order.since { return .failed("PostgreSQL ended") }
        if let retry = memory.retries["start"], retry.notBefore > order.since { return .failed(retry.reason) }
        // Stopped, and no rule may start it.
        let limit = patience + .seconds(120)
        return view.now - order.since > limit ? .failed("PostgreSQL was not started in \(limit)") : nil
    }
}
