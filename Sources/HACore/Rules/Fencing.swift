/// Rules that stop PostgreSQL. They come first and do not wait for a running effect.
let fencingRules: [Rule] = [
    Rule(
        "fence.other-leader", "PostgreSQL may be writable and the lock is another's: stop at once.", urgent: true
    ) { s in
        guard s.isFenceable, let leader = s.otherLeader else { return nil }
        return Conclusion("demoting self because \(leader.member) holds the leader lock (term \(leader.term))", .fence)
    },
    Rule(
        "fence.lock-gone", "PostgreSQL may be writable and our lock is gone: stop at once (lock.md 4.B).", urgent: true
    ) { s in
        guard s.isFenceable, let store = s.store, let leadership = s.view.leadership,
            store.readAt >= leadership.provedAt
        else { return nil }
        switch s.holder {
        case .nobody: return Conclusion("demoting self because the leader lock is gone", .fence)
        case .me(let leader) where leader.term != leadership.term:
            return Conclusion("demoting self because the leader lock was taken anew (term \(leader.term))", .fence)
        case .legacyOfMine: return Conclusion("demoting self because the leader lock lost its mark", .fence)
        default: return nil
        }
    },
    Rule(
        "fence.no-lock", "A primary runs here, nobody led by us has the lock: stop it (lock.md 4.A0).", urgent: true
    ) { s in
        guard s.isFenceable, !s.local.isFound, s.view.leadership == nil, s.store != nil, !s.view.unsettled else {
            return nil
        }
        switch s.holder {
        case .nobody: return Conclusion("demoting self because this primary has no leader lock", .fence)
        case .legacyOfMine: return Conclusion("demoting self because the leader lock is not this agent's", .fence)
        default: return nil
        }
    },
    Rule(
        "step-down.lease-ends", "The lease is about to end unproved: answer 503 and stop fast (rulings, Lock 5).",
        urgent: true
    ) { s in
        guard s.local.mayBeWritable, s.local.isRunning, !s.memory.steppingDown else { return nil }
        // After a pause the lock that is seen to be ours is proved anew, if ZooKeeper was away (pause.end).
        if s.leadership != nil, let since = s.memory.pauseOverSince, s.view.now - since < s.proofPatience { return nil }
        guard s.leaseLeft <= s.earlyStop else { return nil }
        return Conclusion(
            "demoted self because DCS is not accessible and I was a leader", .stepDown, steppingDown: true)
    },
]

extension Situation {
    /// For the first proof after a pause. Nobody else gets the lock before the session ends.
    fileprivate var proofPatience: Duration { (view.lease?.terms.timeout ?? .zero) / 2 }

    /// The keeper can stop it: what nobody watches has to be taken over first.
    fileprivate var isFenceable: Bool { local.mayBeWritable && !local.isUnkept }
}
