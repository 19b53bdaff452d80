/// Rules that stop a primary that was found running and may not go on; like all that stop, they wait for nothing.
let foundFences: [Rule] = [
    Rule("found.unarmed", "A primary that was taken over and that no deadline bounds.", urgent: true) { s in
        guard s.local.isFound, s.local.armedUntil == nil else { return nil }
        return Conclusion("demoting self because the keeper of the primary that was found running is not armed", .fence)
    },
    Rule("found.unfit", "A primary found running that may not lead is stopped.", urgent: true) { s in
        guard s.local.isFound, s.view.leadership == nil, case .nobody = s.holder, let reason = s.foundUnfit else {
            return nil
        }
        return Conclusion("demoting self: " + reason, .fence)
    },
]

/// Rules of a PostgreSQL that runs and that this agent did not start: from Patroni, or by hand (lock.md 4.A0).
let foundRules: [Rule] = [
    Rule("found.leave", "What this agent did not take over is not its to stop.", inPause: .always) { s in
        guard s.view.leaving, s.local.isUnkept else { return nil }
        return Conclusion("shut down: PostgreSQL, which this agent did not start, is left running", ends: true)
    },
    Rule(
        "found.take-over", "It gets a keeper; a primary is armed in the same step, once, before anything else.",
        inPause: .always
    ) { s in
        guard case .unkept(let role) = s.local.process, let since = s.memory.unkeptSince else { return nil }
        // What a killed keeper leaves ends by itself.
        let age = s.view.now - since
        guard age >= Situation.settling, s.ready("take-over") else {
            return Conclusion(
                "a PostgreSQL that this agent did not start runs here (\(role.rawValue))"
                    + s.lastFailure(of: "take-over"), recheckAfter: .milliseconds(100))
        }
        if role == .primary, !s.leaseCanArm, !s.isPaused {
            // One that led has had its time; one that was just started waits for its first session.
            guard s.memory.ledTerm != nil || age >= s.policy.loopWait + s.policy.retryTimeout else {
                return Conclusion(
                    "a primary that this agent did not start runs here: waiting for a ZooKeeper session",
                    recheckAfter: .milliseconds(200))
            }
            return Conclusion(
                "a primary that this agent did not start runs here and no ZooKeeper session proves anything: stopping it",
                .takeOver(as: role), .fence)
        }
        return Conclusion("taking over the running PostgreSQL as a \(role.rawValue)", .takeOver(as: role))
    },
]

extension Situation {
    fileprivate static let settling = Duration.milliseconds(100)

    /// The session proves enough to give the keeper of a primary that was found running.
    fileprivate var leaseCanArm: Bool {
        guard let lease = view.lease else { return false }
        return lease.provenUntil - view.now > lease.terms.earlyStop
    }

    /// Why a primary found running must not lead (contract 4.4, "running primary"; 4.10); nil when it may.
    fileprivate var foundUnfit: String? {
        if let timeline = local.sql?.timeline, let cluster = store?.historyTimeline, timeline < cluster {
            return "my timeline \(timeline) is behind last known cluster timeline \(cluster)"
        }
        if isSynchronous, let leader = store?.sync.leader, !leader.isSame(as: view.me) {
            return "synchronous replication was last led by \(leader)"
        }
        return nil
    }
}
