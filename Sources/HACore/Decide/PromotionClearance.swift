/// Whether anything stands between a proved lock and a promotion (lock.md 4.A4): every peer is asked with a question
/// sent after the lock was proved.
enum PromotionClearance {
    case clear
    case ask
    /// A peer says that it is a primary.
    case primary(MemberID)
    /// A silent peer may still be writable, unless it says otherwise when it is asked again at `again`.
    case wait(MemberID, again: Instant)

    private static let pause = Duration.milliseconds(250)

    init(_ s: Situation, leadership: Leadership) {
        guard let round = s.answers(since: leadership.provedAt) else {
            self = .ask
            return
        }
        if let primary = round.answers.filter({ !$0.value.inRecovery }).keys.min() {
            self = .primary(primary)
            return
        }
        guard let terms = s.view.lease?.terms else {
            self = .ask
            return
        }
        // A silent member whose keeper enforces its lease need not be waited for, nor one whose session is over.
        let silent = s.others.first {
            round.answers[$0.name] == nil && !round.stopped.contains($0.name) && !$0.view.kept && s.isAlive($0.view)
        }
        let until = (s.memory.askedSince ?? round.askedAt) + terms.timeout + LeaseTerms.margin
        if let silent, s.view.now < until {
            self = .wait(silent.name, again: min(until, round.askedAt + Self.pause))
        } else {
            self = .clear
        }
    }
}

extension Situation {
    func isAlive(_ member: MemberView) -> Bool { store?.livingSessions.contains(member.session) ?? true }

    /// The steps from a proved lock to a writable PostgreSQL, or what they wait for.
    func promotion(_ leadership: Leadership, _ reason: String, _ act: Effect) -> Conclusion {
        guard leaseSuffices else {
            return Conclusion("waiting for a proved lease before: " + act.name, recheckAfter: .milliseconds(100))
        }
        switch PromotionClearance(self, leadership: leadership) {
        case .ask:
            return Conclusion(
                "asking the other members before: " + act.name, .askPeers, recheckAfter: .milliseconds(200))
        case .primary(let peer):
            return Conclusion("Primary (\(peer)) is still alive, giving up the leader lock", .release(leadership.term))
        case .wait(let peer, let again):
            let reason = "\(peer) is silent and may be a primary until its lease is over"
            guard view.now < again else { return Conclusion(reason, .askPeers, recheckAfter: .milliseconds(200)) }
            return Conclusion(reason, recheckAfter: again - view.now)
        case .clear:
            return Conclusion(reason, .arm(leadership.term), act)
        }
    }

    /// Somebody who could take over, by answers asked for at or after `moment` (contract 4.6, "failover possible").
    /// Nil when nobody was asked yet.
    func failoverPossible(since moment: Instant) -> Bool? {
        let candidates = others.filter { $0.view.reachable && !$0.view.nofailover && mayLead($0.name) }
        if candidates.isEmpty { return false }
        guard let round = answers(since: moment) else { return nil }
        let floor = (store?.optime?.rawValue ?? 0)
        return candidates.contains { candidate in
            guard let answer = round.answers[candidate.name], answer.inRecovery, !answer.nofailover, !answer.disabled
            else { return false }
            return answer.position.rawValue &+ policy.maximumLagOnFailover >= floor
        }
    }
}
