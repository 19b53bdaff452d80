/// Rules that make a new cluster out of nothing (contract 4.2; order of rulings, Lock 11).
let bootstrapRules: [Rule] = [
    Rule(
        "bootstrap.cancel", "A step of making the cluster failed: what was made goes away, and the process ends.",
        inPause: .owed
    ) {
        s in
        guard s.memory.bootstrap == .failed else { return nil }
        guard s.local.process == .absent else { return Conclusion("stopping the failed bootstrap", .fence) }
        let failures = ["initdb", "start", "finish-bootstrap"].map { s.lastFailure(of: $0) }.joined()
        let why = failures.isEmpty ? ": PostgreSQL ended, its own lines say why" : failures
        if let leadership = s.leadership {
            return Conclusion("giving up the leader lock, bootstrap failed" + why, .release(leadership.term))
        }
        return Conclusion("failed to bootstrap a new cluster" + why, .cancelBootstrap, .exit(code: 1))
    },
    Rule(
        "bootstrap.lost", "Another cluster exists while we make one: ours is not needed, nobody has written to it.",
        inPause: .owed
    ) {
        s in
        guard s.memory.bootstrap != nil, let why = s.otherCluster else { return nil }
        guard s.local.process == .absent else { return Conclusion(why + ", stopping the new cluster", .fence) }
        if let leadership = s.leadership {
            return Conclusion(why + ", giving up the leader lock", .release(leadership.term))
        }
        return Conclusion(why + ", moving own bootstrap aside", .cancelBootstrap)
    },
    Rule("bootstrap.initdb", "The race on `initialize` is won: create the cluster.", inPause: .owed) { s in
        guard s.memory.bootstrap == .won else { return nil }
        return Conclusion("trying to bootstrap a new cluster", .initdb)
    },
    Rule("bootstrap.acquire", "The new cluster is created: take the lock before it is started.", inPause: .owed) { s in
        guard s.memory.bootstrap == .created, case .nobody = s.holder, let epoch = s.store?.epoch else { return nil }
        guard s.anchorIsYoung, s.ready("acquire") else {
            return Conclusion(
                "waiting for a young lease before taking the leader lock", recheckAfter: .milliseconds(100))
        }
        return Conclusion(
            "taking the leader lock for the new cluster",
            .acquire(epochVersion: epoch.version, sync: s.store?.sync.version))
    },
    Rule("bootstrap.start", "The first start of a new cluster is a promotion: armed first.", inPause: .owed) { s in
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
    Rule("bootstrap.finish", "The new primary runs: users, system identifier, configuration.", inPause: .owed) { s in
        guard s.memory.bootstrap == .created, let leadership = s.leadership, s.local.process == .running(as: .primary)
        else { return nil }
        guard s.local.sql?.inRecovery == false else {
            let what =
                s.policy.hasBootstrapCommand
                ? "end of recovery after bootstrap" : "the new cluster to accept connections"
            return Conclusion("waiting for " + what, recheckAfter: s.startingPause)
        }
        guard s.ready("finish-bootstrap") else {
            return Conclusion(
                "waiting to write the new cluster into ZooKeeper" + s.lastFailure(of: "finish-bootstrap"),
                recheckAfter: .milliseconds(100))
        }
        return Conclusion("running post_bootstrap", .finishBootstrap(leadership.term))
    },
    Rule("bootstrap.race", "No data anywhere, no leader, nobody else at it: race for `initialize`.", inPause: .owed) {
        s in
        guard s.memory.bootstrap == nil, s.hasNoData, case .nobody = s.holder,
            s.store?.initialize == .absent || s.store?.initialize == .abandoned, s.policy.mayBootstrap,
            !s.policy.nofailover, s.ready("race-initialize"),
            // Where PostgreSQL runs there is data: that member writes `initialize` itself.
            !s.others.contains(where: { $0.view.isRunning })
        else { return nil }
        return Conclusion("racing to initialize a new cluster", .raceInitialize, recheckAfter: .milliseconds(200))
    },
    Rule(
        "bootstrap.restore", "A command of the user's makes a replica of an existing cluster that has no leader.",
        inPause: .owed
    ) {
        s in
        guard s.memory.bootstrap == nil, s.hasNoData, case .nobody = s.holder, s.policy.restoresWithoutLeader,
            case .done = s.store?.initialize, s.ready("restore")
        else { return nil }
        return Conclusion("trying to bootstrap (without leader)", .restore, recheckAfter: .milliseconds(200))
    },
    Rule("bootstrap.wait", "Somebody else makes the cluster, or a leader has to come first.", inPause: .owed) { s in
        guard s.memory.bootstrap == nil, s.hasNoData, case .nobody = s.holder else { return nil }
        return Conclusion("waiting for leader to bootstrap", recheckAfter: .seconds(1))
    },
]

extension Situation {
    /// Nothing is here, or what a copy that was cut off has left.
    fileprivate var hasNoData: Bool {
        switch local.directory {
        case .empty: true
        case .unfinished(_, .clone): local.process == .absent
        case .unfinished, .ready, .unusable: false
        }
    }

    /// What says that the cluster which this member makes is not the cluster.
    fileprivate var otherCluster: String? {
        if let leader = otherLeader { return "\(leader.member) leads already" }
        guard case .done(let cluster)? = store?.initialize, cluster != local.control?.systemIdentifier else {
            return nil
        }
        return "a cluster exists already (\(cluster))"
    }
}
