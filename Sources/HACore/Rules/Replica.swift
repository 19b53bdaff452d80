/// Rules of a member while another holds the lock (contract 4.5, 4.12).
let replicaRules: [Rule] = [
    Rule("replica.clone", "No data here: clone the leader, or a member that offers itself.", inPause: .owed) { s in
        guard let leader = s.otherLeader, s.local.directory == .empty else { return nil }
        return s.clone(from: leader, because: "trying to bootstrap from")
    },
    Rule(
        "replica.unfinished", "A rewind or clone was cut off here: nothing is started from what it left.",
        inPause: .owed
    ) { s in
        guard let leader = s.otherLeader, case .unfinished(let what, let left) = s.local.directory,
            s.local.process == .absent
        else { return nil }
        if left == .clone { return s.clone(from: leader, because: "\(what) was cut off, cloning") }
        if left == .rewind, s.policy.useRewind, s.mayRewindAgain {
            return s.rewind(to: leader, because: "\(what) was cut off")
        }
        guard s.policy.cloneOnRewindFailure || s.policy.cloneOnDivergence else {
            return Conclusion(
                "\(what) was cut off and left the data directory unusable: reinitialize this member, or set "
                    + "postgresql.remove_data_directory_on_rewind_failure", recheckAfter: .seconds(5))
        }
        return s.clone(from: leader, because: "\(what) was cut off, cloning")
    },
    Rule(
        "replica.start-alone", "The leader is no primary yet: start without an upstream, serve reads, look again.",
        inPause: .owed
    ) {
        s in
        guard let leader = s.otherLeader, s.local.process == .absent, s.local.control != nil,
            s.store?.members[leader.member]?.isPrimary != true
        else { return nil }
        // A leader that is just being promoted is waited for: a rewind may follow, and a start would be in its way.
        if s.local.ending != .neverStarted, let at = s.memory.stoodBackAt, s.view.now - at < Situation.standBack {
            return Conclusion(
                "waiting for \(leader.member) to become primary",
                recheckAfter: Situation.standBack - (s.view.now - at))
        }
        guard s.ready("start") else {
            return Conclusion("failed to start postgres" + s.lastFailure(of: "start"), recheckAfter: .seconds(1))
        }
        return Conclusion(
            "starting as a secondary, \(leader.member) is not primary yet", .start(as: .standby, term: nil))
    },
    Rule("replica.wait-primary", "The leader is no primary yet: nothing to follow.", inPause: .always) { s in
        guard let leader = s.otherLeader, s.store?.members[leader.member]?.isPrimary != true else { return nil }
        return Conclusion("waiting for \(leader.member) to become primary", recheckAfter: .seconds(1))
    },
    Rule(
        "replica.compare", "Before following, the leader's history is read: divergence is found before, not after.",
        inPause: .always
    ) {
        s in
        guard let leader = s.otherLeader, s.local.control != nil, s.upstream(of: leader) == nil else { return nil }
        guard s.ready("read-upstream") else {
            return Conclusion(
                "cannot read the timeline of \(leader.member)" + s.lastFailure(of: "read-upstream"),
                recheckAfter: .seconds(1))
        }
        return Conclusion(
            "reading the timeline history of \(leader.member)", .readUpstream(leader.member, leader.term),
            recheckAfter: .seconds(1))
    },
    Rule("replica.foreign", "The leader's data is another cluster's.", inPause: .always) { s in
        guard let leader = s.otherLeader, let upstream = s.upstream(of: leader), let control = s.local.control,
            upstream.systemIdentifier != control.systemIdentifier
        else { return nil }
        return Conclusion(
            "system ID mismatch with leader \(leader.member): \(upstream.systemIdentifier) != \(control.systemIdentifier)",
            recheckAfter: .seconds(5))
    },
    Rule(
        "replica.diverged", "Local WAL is past the leader's fork: rewind, or clone, or say what a person must do.",
        inPause: .owed
    ) {
        s in
        guard let leader = s.otherLeader, let upstream = s.upstream(of: leader) else { return nil }
        let what: String
        switch Divergence(s.local, upstream: upstream) {
        case .sound: return nil
        case .unknownEnd(let timeline):
            // Without pg_rewind its end is found by starting it read-only (rulings, Lock 11); nor is it replaced by a
            // clone before that, because a rewind failed: it may be sound.
            guard s.canRewind, s.failures(of: "rewind") < 3 else { return nil }
            what = "crashed as a primary on timeline \(timeline), \(leader.member) is on \(upstream.timeline)"
        case .diverged(let own, let fork, let timeline):
            what =
                "diverged from \(leader.member): own timeline \(timeline) ends at \(own), "
                + (fork.map { "the leader forked at \($0)" } ?? "which is no ancestor of the leader's")
        }
        guard s.local.process == .absent else { return Conclusion(what + "; stopping", .stop) }
        if s.canRewind, s.mayRewindAgain { return s.rewind(to: leader, because: what) }
        let allowed = s.canRewind ? s.policy.cloneOnRewindFailure : s.policy.cloneOnDivergence
        guard allowed else {
            return Conclusion(
                what + s.lastFailure(of: "rewind") + ": reinitialize this member, or allow pg_rewind or a new clone",
                recheckAfter: .seconds(5))
        }
        return s.clone(from: leader, because: what + ", cloning")
    },
    Rule("replica.start", "The data may follow the leader: start as its standby.", inPause: .owed) { s in
        guard let leader = s.otherLeader, let upstream = s.upstream(of: leader), s.local.process == .absent,
            s.local.control != nil
        else { return nil }
        guard s.ready("start") else {
            return Conclusion("failed to start postgres" + s.lastFailure(of: "start"), recheckAfter: .seconds(1))
        }
        if case .unknownEnd = Divergence(s.local, upstream: upstream) {
            return Conclusion("starting read-only to find the end of own WAL", .start(as: .standby, term: nil))
        }
        return Conclusion(
            "starting as a secondary of \(leader.member)", .follow(s.source(under: leader), leader.term),
            .start(as: .standby, term: nil))
    },
    Rule(
        "replica.retarget", "The standby does not follow this leader in this term yet: also before it is consistent.",
        inPause: .always
    ) {
        s in
        guard let leader = s.otherLeader, s.local.isRunning, !s.follows(leader), s.ready("follow") else { return nil }
        guard let source = s.source(under: leader) else {
            return Conclusion("reading WAL from the archive alone", .follow(nil, leader.term))
        }
        let what = source == leader.member ? "new leader \(source)" : "\(source), as replicatefrom says"
        return Conclusion("following " + what, .follow(source, leader.term))
    },
    Rule("replica.starting", "The standby does not answer yet.", inPause: .always) { s in
        guard s.otherLeader != nil, s.local.isRunning, s.local.sql == nil else { return nil }
        return Conclusion("Still starting up as a standby.", recheckAfter: s.startingPause)
    },
    Rule(
        "replica.kick", "A standby that does not stream is woken from its sleep between tries, ever more rarely.",
        inPause: .always
    ) {
        s in
        guard let leader = s.otherLeader, let source = s.source(under: leader), s.local.isRunning,
            let sql = s.local.sql, !sql.streaming
        else { return nil }
        let pause = DecisionMemory.pause(afterTries: s.memory.kicks)
        if let at = s.memory.kickedAt, s.memory.kicks > 0, s.view.now - at < pause {
            return Conclusion("not streaming from \(source) yet", recheckAfter: pause - (s.view.now - at))
        }
        return Conclusion("not streaming from \(source) yet", .kick, recheckAfter: pause)
    },
    Rule("replica.follow", "A standby of the leader: the steady state.", inPause: .always) { s in
        guard let leader = s.otherLeader, s.local.isRunning else { return nil }
        // It says on which timeline it is: a standby changes over some moments after it began to stream.
        var changesOver = false
        if let own = s.local.sql?.timeline, let upstream = s.upstream(of: leader)?.timeline {
            changesOver = own < upstream
        }
        return Conclusion(
            "no action. I am (\(s.view.me)), a secondary, and following a leader (\(leader.member))",
            recheckAfter: changesOver ? .seconds(1) : nil)
    },
]

extension Situation {
    /// What the leader said about its timeline in this very term; nothing when its record shows a newer timeline: a
    /// leader that crashed may have been promoted again under the same lock.
    func upstream(of leader: StoreView.Leader) -> UpstreamView? {
        guard let upstream = view.upstream, upstream.member == leader.member, upstream.term == leader.term else {
            return nil
        }
        if let member = store?.members[leader.member], member.isPrimary, let timeline = member.timeline,
            timeline > upstream.timeline
        {
            return nil
        }
        return upstream
    }

    /// Thrice in a row; then a clone, or, where none is allowed, once in a while.
    var mayRewindAgain: Bool {
        guard let retry = memory.retries["rewind"], retry.failures >= 3 else { return true }
        return !policy.cloneOnRewindFailure && view.now >= retry.notBefore + .seconds(60)
    }

    func rewind(to leader: StoreView.Leader, because reason: String) -> Conclusion {
        guard store?.members[leader.member]?.isPrimary == true else {
            return Conclusion("waiting for \(leader.member) to become primary", recheckAfter: .seconds(1))
        }
        guard store?.members[leader.member]?.checkpointPending != true else {
            return Conclusion(
                "Waiting for checkpoint on \(leader.member) before rewind", recheckAfter: .milliseconds(200))
        }
        guard ready("rewind") else {
            return Conclusion("waiting to rewind again" + lastFailure(of: "rewind"), recheckAfter: .seconds(1))
        }
        return Conclusion("running pg_rewind from \(leader.member): " + reason, .rewind(from: leader.member))
    }

    var canRewind: Bool { policy.useRewind && local.control?.allowsRewind == true }

    /// Whose data to copy: a member's that offers itself, else the leader's; nil while that is no primary.
    func source(besides leader: StoreView.Leader, onlyLeader: Bool = false) -> MemberID? {
        if !onlyLeader, let offer = cloneOffer(under: leader) { return offer }
        return store?.members[leader.member]?.isPrimary == true ? leader.member : nil
    }

    /// A clone; the directory that is here is moved aside, not deleted.
    func clone(from leader: StoreView.Leader, because reason: String) -> Conclusion {
        guard let source = source(besides: leader) else {
            return Conclusion("waiting for leader to bootstrap", recheckAfter: .seconds(1))
        }
        guard ready("clone") else {
            return Conclusion("waiting to clone again" + lastFailure(of: "clone"), recheckAfter: .seconds(1))
        }
        let kind = source == leader.member ? "leader" : "replica"
        return Conclusion("\(reason) \(kind) '\(source)'", .clone(from: source))
    }
}
