/// Rules of a planned change: checkpoint, fast stop, and the lock goes as soon as somebody has the last record
/// (contract 4.6.1 "graceful", 4.8; rulings, Lock 10; postgres.md 4).
let plannedRules: [Rule] = [
    Rule(
        "planned.stop", "The hand-over began: PostgreSQL stops, in order, for as long as primary_stop_timeout allows.",
        inPause: .always
    ) {
        s in
        guard let handOver = s.memory.handOver, let leadership = s.leadership, s.local.isRunning,
            handOver.shutDownAt == nil
        else { return nil }
        guard s.local.stopRequested else {
            return Conclusion("stopping PostgreSQL to hand over", .stopPlanned(leadership.term))
        }
        if s.view.now - handOver.since > s.policy.primaryStopTimeout, s.mayQuit {
            return Conclusion("PostgreSQL does not stop in time: stopping it at once", .stopAtOnce)
        }
        return Conclusion("waiting for the shutdown checkpoint", recheckAfter: .milliseconds(10))
    },
    Rule(
        "planned.release", "The shutdown checkpoint is written: the lock goes once a candidate has received it.",
        inPause: .always
    ) {
        s in
        guard let handOver = s.memory.handOver, let leadership = s.leadership, let shutDownAt = handOver.shutDownAt,
            let control = s.local.control
        else { return nil }
        guard s.ready("release") else {
            return Conclusion(
                "waiting to release the leader lock again" + s.lastFailure(of: "release"),
                recheckAfter: .milliseconds(50))
        }
        let round = s.answers(since: shutDownAt)
        if let heir = round.flatMap({ s.heir(in: $0, atLeast: control.checkpointEnd) }) {
            return Conclusion(
                "releasing the leader lock: \(heir) has the shutdown checkpoint at \(control.checkpoint)",
                .release(leadership.term))
        }
        // A member that hangs keeps its walsender, and so the server, for wal_sender_timeout.
        if s.local.isRunning, s.view.now - shutDownAt > Situation.shippingPatience, s.mayQuit {
            return Conclusion("nobody receives the last record: stopping what waits for it", .stopAtOnce)
        }
        // A walsender that ended in order has shipped everything: a member that lacks it now does not get it any more.
        if let endedAt = handOver.endedAt, let round,
            round.askedAt - endedAt > Situation.shipping || (s.heir(in: round) == nil && !s.mayBeBusy(in: round))
        {
            guard !s.view.leaving else {
                return Conclusion(
                    "releasing the leader lock: nobody has the shutdown checkpoint at \(control.checkpoint)",
                    .release(leadership.term))
            }
            return s.takenBack("no candidate has received the shutdown checkpoint at \(control.checkpoint)", leadership)
        }
        if let round, s.view.now - round.askedAt < .milliseconds(10) {
            return Conclusion("waiting for a candidate to receive the last record", recheckAfter: .milliseconds(10))
        }
        return Conclusion("asking who has the shutdown checkpoint", .askPeers, recheckAfter: .milliseconds(50))
    },
]

/// Rules of the leader about an operator's request in `failover` (contract 4.8.1).
let requestRules: [Rule] = [
    Rule("request.fulfilled", "Whoever waits for the outcome has seen the new leader.", inPause: .always) { s in
        guard let leadership = s.leadership, s.isLeading, let request = s.store?.request, let left = s.fulfilledStays,
            left <= .zero, s.ready("clear-request")
        else { return nil }
        return Conclusion(
            "the request for another leader is fulfilled",
            .clearRequest(version: request.version, leadership.term), recheckAfter: .milliseconds(100))
    },
    Rule("request.refused", "A request that cannot be meant for this leader is taken back.", inPause: .always) { s in
        guard let leadership = s.leadership, s.isLeading, let request = s.store?.request, !request.isFulfilled,
            s.ready("clear-request")
        else { return nil }
        if let leader = request.leader, leader != s.view.me {
            return s.takenBack("it names \(leader) as leader, which is \(s.view.me)", leadership)
        }
        if request.candidate == s.view.me {
            return s.takenBack("\(s.view.me) leads already", leadership)
        }
        if s.isPaused, request.dueAt == nil, request.candidate == nil {
            return s.takenBack("it is possible only to a specific candidate in a paused state", leadership)
        }
        if !s.isPaused, let dueAt = request.dueAt, s.view.now - dueAt > s.policy.loopWait * 3 / 2 {
            return s.takenBack("Found a stale switchover value", leadership)
        }
        return nil
    },
    Rule("request.await", "A switchover is planned for later.") { s in
        guard s.isLeading, let dueAt = s.store?.request?.dueAt, dueAt > s.view.now else { return nil }
        let left = dueAt - s.view.now
        return Conclusion("Awaiting switchover in \(left.milliseconds / 1000) seconds", recheckAfter: left)
    },
    Rule("request.hand-over", "Somebody can take over: checkpoint, stop, and give the lock away.", inPause: .always) {
        s in
        guard let leadership = s.leadership, s.isLeading, let request = s.dueRequest, let own = s.local.sql?.position,
            s.ready("clear-request"), s.ready("stop-planned")
        else { return nil }
        guard let round = s.answers(since: s.view.now - .milliseconds(500)) else {
            return Conclusion("asking who could take over", .askPeers, recheckAfter: .milliseconds(200))
        }
        let word = request.leader == nil ? "manual failover" : "switchover"
        let floor = LSN(own.rawValue - min(own.rawValue, s.policy.maximumLagOnFailover))
        guard let heir = s.heir(in: round, atLeast: floor) else {
            let dueSince = [s.memory.requestedAt, request.dueAt].compactMap { $0 }.max() ?? s.view.now
            if s.mayBeBusy(in: round), s.view.now - dueSince < Situation.shippingPatience {
                return Conclusion(
                    "asking again who could take over: not everybody answered", .askPeers,
                    recheckAfter: .milliseconds(200))
            }
            return s.takenBack("no good candidates have been found", leadership)
        }
        return Conclusion(
            "\(word): demoting myself, \(heir) can take over", .stopPlanned(leadership.term),
            handingOver: leadership.term)
    },
]

extension Situation {
    /// How long the last records may be on their way after the end of the server that sent them.
    static let shipping = Duration.seconds(1)

    /// How long a fulfilled request has to be seen yet; nil: there is none.
    var fulfilledStays: Duration? {
        guard store?.request?.isFulfilled == true, let requestedAt = memory.requestedAt else { return nil }
        return .seconds(1) - (view.now - requestedAt)
    }

    /// Not asked to stop at once just now.
    var mayQuit: Bool { ready("stop-at-once") && memory.quitAt.map { view.now - $0 > .milliseconds(500) } ?? true }

    /// How long a server that is shut down may wait for somebody to receive its last record.
    static let shippingPatience = Duration.seconds(3)

    /// An operator's request that is due now.
    var dueRequest: StoreView.Request? {
        // What is scheduled waits for the end of a pause.
        guard let request = store?.request, !request.isFulfilled,
            request.dueAt.map({ $0 <= view.now && !isPaused }) ?? true
        else { return nil }
        return request
    }

    /// This member is the one that an operator wants to lead.
    var isDesignated: Bool { dueRequest?.candidate == view.me }

    /// A standby that may lead and has WAL up to `position`: the operator's candidate when there is one.
    func heir(in round: PeerRound, atLeast position: LSN = LSN(1)) -> MemberID? {
        let wanted = dueRequest?.candidate
        return round.answers.filter { name, answer in
            (wanted == nil || name == wanted) && mayLead(name) && answer.inRecovery && !answer.nofailover
                && !answer.disabled
                && answer.position >= position && !isOutdated(answer)
        }.keys.min()
    }

    /// Somebody who could be the heir did not answer: who is only busy misses the short deadline of one question.
    func mayBeBusy(in round: PeerRound) -> Bool {
        let wanted = dueRequest?.candidate
        return round.asked.contains { (wanted == nil || $0 == wanted) && mayLead($0) && round.answers[$0] == nil }
    }

    func takenBack(_ why: String, _ leadership: Leadership) -> Conclusion? {
        guard let version = store?.request?.version else {
            return Conclusion("the hand-over is given up: \(why)", handingBack: true)
        }
        return Conclusion(
            "the request for another leader is taken back: \(why)",
            .clearRequest(version: version, leadership.term), recheckAfter: .milliseconds(100))
    }
}
