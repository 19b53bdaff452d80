/// Rules of a PostgreSQL that an operator wants back, to run on without this agent (rulings, Starting things). Before
/// those of pause and of what was found: it must not be taken over again.
let detachRules: [Rule] = [
    Rule("detach.done", "PostgreSQL is nobody's any more: the agent ends.", inPause: .always) { s in
        guard let order = s.detachOrder, s.local.isUnkept else { return nil }
        return Conclusion(
            "PostgreSQL is given back: it runs on, and this agent ends", .finishOrder(order.id, .done), ends: true)
    },
    Rule(
        "detach.refused",
        "A primary that nothing bounds beside a new one would be two; a standby streams from whom it is pointed at, for ever.",
        inPause: .always
    ) { s in
        guard let order = s.detachOrder, let reason = s.detachObstacle(since: order.since) else { return nil }
        return Conclusion("PostgreSQL is not given back: \(reason)", .finishOrder(order.id, .failed(reason)))
    },
    Rule("detach.give-back", "The keeper leaves it alone from here on.", inPause: .always) { s in
        guard s.detachOrder != nil else { return nil }
        return Conclusion("giving PostgreSQL back, as an operator wants", .detach)
    },
]

extension Situation {
    fileprivate var detachOrder: MemberOrder? { view.order.flatMap { $0.kind == .detach ? $0 : nil } }

    /// Why PostgreSQL stays this agent's; nil: it may go.
    fileprivate func detachObstacle(since: Instant) -> String? {
        guard local.isRunning else { return "PostgreSQL is not running" }
        guard !local.stopRequested else { return "PostgreSQL is being stopped" }
        if let retry = memory.retries["detach"], retry.notBefore > since { return retry.reason }
        guard view.leadership != nil || local.mayBeWritable else { return unfollowed }
        // Also who is alone: a member whose agent is down is not in the tree, and leads when that is back.
        return isPaused ? nil : "I am the leader: switch over, or pause the cluster, first"
    }

    /// Why this standby would stream from nobody, or from a leader that was.
    private var unfollowed: String? {
        if let leader = otherLeader {
            return follows(leader) ? nil : "it does not follow \(leader.member) yet" + lastFailure(of: "follow")
        }
        guard view.following == nil, !isPaused else { return nil }
        return "there is no leader to follow: wait for one, or pause the cluster, first"
    }
}
