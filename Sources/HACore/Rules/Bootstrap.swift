/// Rules that make a new cluster out of nothing (contract 4.2; order of rulings, Lock 11).
let bootstrapRules: [Rule] = [
    Rule("bootstrap.cancel", "A step of making the cluster failed: what was made goes away, and the process ends.") {
        s in
        guard s.memory.bootstrap == .failed else { return nil }
        guard s.local.process == .absent else { return Conclusion("stopping the failed bootstrap", .fence) }
        let why = ["initdb", "start", "finish-bootstrap"].map { s.lastFailure(of: $0) }.joined()
        if let leadership = s.leadership {
            return Conclusion("giving up the leader lock, bootstrap failed" + why, .release(leadership.term))
        }
        return Conclusion("failed to bootstrap a new cluster" + why, .cancelBootstrap, .exit(code: 1))
    },
    Rule("bootstrap.initdb", "The race on `initialize` is won: create the cluster.") { s in
        guard s.memory.bootstrap == .won else { return nil }
        return Conclusion("trying to bootstrap a new cluster", .initdb)
    },
    Rule("bootstrap.acquire", "The new cluster is created: take the lock before it is started.") { s in
        guard s.memory.bootstrap == .created, case .nobody = s.holder, let epoch = s.store?.epoch else { return nil }
        guard s.anchorIsYoung, s.ready("acquire") else {
            return Conclusion(
                "waiting for a young lease before taking the leader lock", recheckAfter: .milliseconds(100))
        }
        return Conclusion("taking the leader lock for the new cluster", .acquire(epochVersion: epoch.version))
    },
    Rule("bootstrap.start", "The first start of a new cluster is a promotion: armed first.") { s in
        guard s.memory.bootstrap == .created, let leadership = s.leadership, s.local.process == .absent else {
            return nil
        }
        guard s.leaseSuffices else {
            return Conclusion(
                "waiting for a proved lease before starting the new cluster", recheckAfter: .milliseconds(100))
        }
        return Conclusion(
            "starting the new cluster", .arm(leadership.term), .start(as: .primary, term: leadership.term))
    },
    Rule("bootstrap.finish", "The new primary runs: users, system identifier, configuration.") { s in
        guard s.memory.bootstrap == .created, let leadership = s.leadership, s.local.process == .running(as: .primary)
        else { return nil }
        guard s.local.sql?.inRecovery == false else {
            return Conclusion("waiting for the new cluster to accept connections", recheckAfter: .milliseconds(25))
        }
        return Conclusion("running post_bootstrap", .finishBootstrap(leadership.term))
    },
    Rule("bootstrap.lost", "Another leader exists while we make a cluster: ours is not needed.") { s in
        guard s.memory.bootstrap != nil, let leader = s.otherLeader, s.local.process == .absent else { return nil }
        return Conclusion("\(leader.member) leads already, moving own bootstrap aside", .cancelBootstrap)
    },
    Rule("bootstrap.race", "No data anywhere, no leader, nobody else at it: race for `initialize`.") { s in
        guard s.memory.bootstrap == nil, s.local.directory == .empty, case .nobody = s.holder,
            s.store?.initialize == .absent || s.store?.initialize == .abandoned, s.policy.mayBootstrap, !s.policy.nofailover, s.ready("race-initialize")
        else { return nil }
        return Conclusion("racing to initialize a new cluster", .raceInitialize, recheckAfter: .milliseconds(200))
    },
    Rule("bootstrap.wait", "Somebody else makes the cluster, or a leader has to come first.") { s in
        guard s.memory.bootstrap == nil, s.local.directory == .empty, case .nobody = s.holder else { return nil }
        return Conclusion("waiting for leader to bootstrap", recheckAfter: .seconds(1))
    },
]
