/// Rules of a member while nobody holds the lock (contract 4.4).
let candidacyRules: [Rule] = [
    Rule(
        "candidate.stand-back", "A member that just gave the lock away leaves the race to the others for a moment.",
        inPause: .always
    ) {
        s in
        guard case .nobody = s.holder, let at = s.memory.stoodBackAt, s.view.now - at < Situation.standBack,
            !s.memory.isSucceeded, !s.isDesignated,
            s.others.contains(where: { $0.view.reachable && !$0.view.nofailover })
        else { return nil }
        return Conclusion(
            "waiting for another member to take over", recheckAfter: Situation.standBack - (s.view.now - at))
    },
    Rule(
        "candidate.refused", "A member whose pre_promote script said no leaves the race to the others for `ttl`.",
        inPause: .always
    ) {
        s in
        guard case .nobody = s.holder, s.local.isRunning, let at = s.memory.refusedAt else { return nil }
        let left = s.policy.ttl - (s.view.now - at)
        guard left > .zero else { return nil }
        return Conclusion(
            "not healthy enough for leader race: the pre-promote script failed less than ttl ago", recheckAfter: left)
    },
    Rule(
        "candidate.start", "No leader and PostgreSQL is down: it starts as a standby, to take part in the race.",
        inPause: .owed
    ) {
        s in
        guard case .nobody = s.holder, s.local.process == .absent, s.local.control != nil else { return nil }
        guard s.ready("start") else {
            return Conclusion("failed to start postgres" + s.lastFailure(of: "start"), recheckAfter: .seconds(1))
        }
        return Conclusion("starting as a secondary", .start(as: .standby, term: nil))
    },
    Rule("candidate.starting", "The standby does not answer yet.", inPause: .owed) { s in
        guard case .nobody = s.holder, s.local.isRunning, s.local.sql == nil else { return nil }
        return Conclusion("Still starting up as a standby.", recheckAfter: s.startingPause)
    },
    Rule("candidate.not-running", "Without a running standby there is nothing to race with.", inPause: .owed) { s in
        guard case .nobody = s.holder, !s.local.isRunning else { return nil }
        return Conclusion("PostgreSQL is not running here: no part in the leader race", recheckAfter: .seconds(1))
    },
    Rule("candidate.nofailover", "A member tagged nofailover never leads.", inPause: .always) { s in
        guard case .nobody = s.holder, s.policy.nofailover, !s.local.isFound, !s.isPausedPrimary else { return nil }
        return Conclusion(
            "following a different leader because I am not allowed to promote", recheckAfter: .seconds(1))
    },
    Rule(
        "candidate.absence", "The lock's absence must prove that its holder is not writable (lock.md M2).",
        inPause: .always
    ) { s in
        guard case .nobody = s.holder, let store = s.store, let epoch = store.epoch else { return nil }
        switch AbsenceProof(s, store: store, epoch: epoch) {
        case .proven: return nil
        case .reserved(let member):
            return Conclusion(
                "the leader lock of \(member) was removed while its session lives: only \(member) may take it again",
                recheckAfter: .milliseconds(500))
        // A server that is writable already does not become so by the lock.
        case .wait where s.local.isFound || s.isPausedPrimary: return nil
        case .wait(let until):
            return Conclusion(
                "nobody is known to have led: waiting until no earlier leader can be left",
                recheckAfter: min(until - s.view.now, .seconds(1)))
        }
    },
    Rule(
        "candidate.not-synchronous", "In synchronous mode only who is sure to have every acknowledged row may lead.",
        inPause: .always
    ) {
        s in
        guard case .nobody = s.holder, s.isSynchronous, let sync = s.store?.sync, !s.isSyncMember(s.view.me),
            !(s.isDesignated && s.dueRequest?.leader == nil), !s.isPausedPrimary
        else { return nil }
        let names = ([sync.leader].compactMap { $0 } + sync.standbys.sorted()).map(\.rawValue).joined(separator: ", ")
        return Conclusion("not a synchronous standby, only \(names) may lead", recheckAfter: .seconds(1))
    },
    Rule("candidate.lag", "A standby too far behind the last known position does not race.", inPause: .always) { s in
        guard case .nobody = s.holder, !s.isDesignated, let sql = s.local.sql, let optime = s.store?.optime else {
            return nil
        }
        guard optime.bytesAhead(of: sql.position) > s.policy.maximumLagOnFailover else { return nil }
        return Conclusion(
            "My wal position exceeds maximum replication lag (\(sql.position), last leader position \(optime))",
            recheckAfter: .seconds(1))
    },
    Rule("candidate.timeline", "With check_timeline, a standby on an older timeline than the cluster's does not race.")
    {
        s in
        guard case .nobody = s.holder, s.policy.checkTimeline, let sql = s.local.sql,
            let cluster = s.store?.historyTimeline, sql.timeline < cluster
        else { return nil }
        return Conclusion(
            "My timeline \(sql.timeline) is behind last known cluster timeline \(cluster)", recheckAfter: .seconds(1))
    },
    Rule("candidate.lease", "The lock is only taken on a young, proved lease (lock.md 4.A1).", inPause: .always) { s in
        guard case .nobody = s.holder, !s.anchorIsYoung else { return nil }
        return Conclusion("waiting for a young lease before the leader race", recheckAfter: .milliseconds(100))
    },
    Rule("candidate.ask", "Everybody is asked where they are, after the lock was seen absent.", inPause: .always) { s in
        guard case .nobody = s.holder, s.raceRound == nil else { return nil }
        return Conclusion(
            "asking the other members before the leader race", .askPeers, recheckAfter: .milliseconds(200))
    },
    Rule("candidate.primary-alive", "A primary still runs somewhere.", inPause: .always) { s in
        guard case .nobody = s.holder, let round = s.raceRound,
            let primary = round.answers.filter({ !$0.value.inRecovery }).keys.min()
        else { return nil }
        return Conclusion("Primary (\(primary)) is still alive", recheckAfter: .milliseconds(200))
    },
    Rule("candidate.defer", "An operator wants another member to lead, and it can.") { s in
        guard case .nobody = s.holder, let request = s.dueRequest, !s.isDesignated, let round = s.raceRound else {
            return nil
        }
        // Who was to give the lock away takes it back only when nobody else can have it.
        let heirs = request.leader == s.view.me || request.candidate != nil ? s.heir(in: round) : nil
        return heirs.map {
            Conclusion("waiting for \($0) to take over as an operator wants", recheckAfter: .milliseconds(200))
        }
    },
    Rule(
        "candidate.behind",
        "Somebody eligible has more WAL, or as much and more slots of the mesh or a higher priority."
    ) { s in
        guard case .nobody = s.holder, !s.isDesignated, let round = s.raceRound, let sql = s.local.sql else {
            return nil
        }
        // Who may not lead is nobody to wait for, however much WAL an abandoned timeline has there.
        let rivals = round.answers.filter {
            !$0.value.nofailover && !$0.value.disabled && !s.isOutdated($0.value) && $0.key != s.dueRequest?.leader
                && s.isRival($0.key)
        }
        .sorted { $0.key < $1.key }
        for (name, answer) in rivals {
            if answer.position > sql.position {
                return Conclusion(
                    "following a different leader because i am not the healthiest node: Wal position of \(name) is "
                        + "ahead of my wal position (\(answer.position) > \(sql.position))",
                    recheckAfter: .milliseconds(300))
            }
            guard answer.position == sql.position else { continue }
            // Without its slot a peer of the mesh has to be built anew; the order is the same for everybody who asks.
            if answer.provedSlots > s.view.provedSlots {
                return Conclusion(
                    "\(name) has equally tolerable WAL position and \(answer.provedSlots) usable slots of the mesh, while "
                        + "this node has \(s.view.provedSlots)", recheckAfter: .milliseconds(300))
            }
            if answer.provedSlots == s.view.provedSlots, answer.failoverPriority > s.policy.failoverPriority {
                return Conclusion(
                    "\(name) has equally tolerable WAL position and priority \(answer.failoverPriority), while this "
                        + "node has priority \(s.policy.failoverPriority)", recheckAfter: .milliseconds(300))
            }
        }
        return nil
    },
    Rule(
        "candidate.acquire", "Nobody comparable is ahead: take the lock, and ask anew what has to be known to use it.",
        inPause: .always
    ) { s in
        guard case .nobody = s.holder, !s.local.mayBeWritable || s.local.isFound || s.isPausedPrimary,
            let epoch = s.store?.epoch
        else { return nil }
        guard s.ready("acquire") else {
            return Conclusion(
                "leader race was not won" + s.lastFailure(of: "acquire"), recheckAfter: .milliseconds(100))
        }
        return Conclusion(
            "acquiring the leader lock",
            .acquire(
                epochVersion: epoch.version, sync: s.store?.sync.version, request: s.dueRequest?.version),
            .askPeers)
    },
]

extension Situation {
    /// How long a member that released the lock leaves the race to the others.
    static let standBack = Duration.seconds(2)

    /// By check_timeline this member bars itself (rule `candidate.timeline`).
    func isOutdated(_ answer: PeerRound.Answer) -> Bool {
        guard policy.checkTimeline, let cluster = store?.historyTimeline, let timeline = answer.timeline else {
            return false
        }
        return timeline < cluster
    }

    /// In synchronous mode only its members count, and of these not the former leader: what it has beyond them was never
    /// acknowledged (contract 4.4).
    func isRival(_ member: MemberID) -> Bool {
        guard isSynchronous, let sync = store?.sync else { return true }
        return sync.lists(member) && sync.leader?.isSame(as: member) != true
    }

    /// Answers good enough for a race: asked after the lock was seen absent, and not grown old since.
    var raceRound: PeerRound? {
        guard let since = memory.absentSince, let round = answers(since: since),
            view.now - round.askedAt <= .milliseconds(250)
        else { return nil }
        return round
    }
}
