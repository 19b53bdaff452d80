/// Rules about the connection to ZooKeeper and the shape of the tree.
let coordinationRules: [Rule] = [
    Rule("wait.store", "Without a connected session and a read of it nothing is decided.", inPause: .always) { s in
        guard s.store == nil else { return nil }
        let reason = s.view.coordination == .never ? "waiting for a ZooKeeper session" : "DCS is not accessible"
        return Conclusion(reason, recheckAfter: .seconds(1))
    },
    Rule("exit.system-identifier", "The data belongs to another cluster: refuse (contract 4.1 row 11).") { s in
        guard let store = s.store, case .done(let cluster) = store.initialize, let control = s.local.control,
            control.systemIdentifier != cluster, s.memory.bootstrap == nil
        else { return nil }
        let reason =
            "system ID mismatch, node \(s.view.me) belongs to a different cluster: \(cluster) != \(control.systemIdentifier)"
        guard s.local.process == .absent else { return Conclusion(reason + "; stopping PostgreSQL first", .stop) }
        guard let leadership = s.view.leadership else { return Conclusion(reason, .exit(code: 1)) }
        return Conclusion(reason + "; releasing the leader lock first", .release(leadership.term))
    },
    Rule(
        "settle.unknown-outcome", "A write that may have happened is read back first (lock.md 4.A3).", inPause: .always
    ) { s in
        guard s.view.unsettled else { return nil }
        return Conclusion("finding out whether the last lock transaction happened", .settle, recheckAfter: .seconds(1))
    },
    Rule(
        "tree.prepare", "Every transaction needs `epoch`; made anew it starts above every version ever used.",
        inPause: .always
    ) { s in
        guard let store = s.store, store.epoch == nil, s.ready("prepare-tree") else { return nil }
        // While a lock stands, only its holder, who knows the version, may make `epoch` anew (lock.md 3): also when the
        // renewal that missed `epoch` has just ended its proof.
        switch s.holder {
        case .nobody, .me: break
        // A Patroni's: nobody of ours leads, and none of ours could tell the version.
        case .other(let leader) where leader.version == 0: break
        default: return nil
        }
        let highest = max(
            store.highestEpochVersion, s.view.leadership?.epochVersion ?? 0, s.memory.highestEpochVersion)
        return Conclusion(
            "creating the epoch znode above version \(highest)", .prepareTree(aboveVersion: highest),
            recheckAfter: .milliseconds(200))
    },
    Rule("wait.tree", "`epoch` is missing: nothing about the lock may change.", inPause: .always) { s in
        guard let store = s.store, store.epoch == nil else { return nil }
        return Conclusion("waiting for the epoch znode", recheckAfter: .seconds(1))
    },
    Rule("lease.unfit", "A lease that leaves no time to act is none to lead on (lock.md 2.2, 2.3).", inPause: .always) {
        s in
        // PostgreSQL is started all the same, to be read from.
        guard case .nobody = s.holder, s.local.directory == .empty || s.local.isRunning,
            let problem = s.view.lease?.terms.problem(loopWait: s.policy.loopWait)
        else { return nil }
        return Conclusion("not allowed to lead: \(problem)", recheckAfter: .seconds(1))
    },
]
