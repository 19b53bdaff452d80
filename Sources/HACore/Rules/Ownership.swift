/// Rules that settle whose lock stands in the tree.
let ownershipRules: [Rule] = [
    Rule(
        "lock.legacy", "A lock of our name without the mark is a Patroni's: it is left to end (lock.md M1).",
        inPause: .always
    ) { s in
        guard case .legacyOfMine = s.holder else { return nil }
        return Conclusion("waiting for the end of a leader lock that another program took under this name")
    },
    Rule(
        "lock.replace", "Our lock, taken by an earlier session, moves to this one in one transaction (lock.md 4.D).",
        inPause: .always
    ) {
        s in
        guard case .myEarlierSession = s.holder, let epoch = s.store?.epoch, s.ready("replace") else { return nil }
        return Conclusion(
            "taking over own leader lock from an earlier session", .replace(epochVersion: epoch.version),
            recheckAfter: .milliseconds(200))
    },
    Rule(
        "lock.adopt", "Our session's lock, not yet proved by this process: adopt it (lock.md 4.A3, 6).",
        inPause: .always
    ) { s in
        guard case .me(let leader) = s.holder, let epoch = s.store?.epoch, s.ready("adopt") else { return nil }
        // A keeper that fenced acts again only under a newer move of `epoch` (lock.md 4.E).
        let latched = s.leadership.map { leadership in s.local.latch.map { $0 >= leadership.epochZxid } ?? false }
        guard s.leadership == nil || latched == true, !s.local.mayBeWritable || latched != true else { return nil }
        return Conclusion(
            "proving own leader lock (term \(leader.term))", .adopt(epochVersion: epoch.version),
            recheckAfter: .milliseconds(200))
    },
    Rule(
        "lock.clear", "Somebody removed our lock: only we may take it, and we do so to open the race to everybody.",
        inPause: .always
    ) { s in
        guard case .nobody = s.holder, !s.local.mayBeWritable, s.memory.bootstrap == nil, let epoch = s.store?.epoch,
            case .taken(s.view.me, let session, _) = epoch.holder, s.store?.livingSessions.contains(session) == true,
            s.ready("acquire")
        else { return nil }
        return Conclusion(
            "taking back the removed leader lock, to release it",
            .acquire(epochVersion: epoch.version, sync: s.store?.sync.version),
            recheckAfter: .milliseconds(200), clearing: true)
    },
    Rule(
        "lock.cleared", "The lock was taken back only to be released: whoever is healthiest may lead.", inPause: .always
    ) { s in
        guard s.memory.clearing, let leadership = s.leadership, !s.local.mayBeWritable else { return nil }
        return Conclusion("releasing the leader lock that somebody had removed", .release(leadership.term))
    },
    Rule("lock.unproved", "Our lock stands and is not proved: nothing is started on it.", inPause: .always) { s in
        switch s.holder {
        case .me where s.leadership == nil, .myEarlierSession:
            return Conclusion("own leader lock is not proved yet", recheckAfter: .milliseconds(200))
        default: return nil
        }
    },
]
