/// Rules of synchronous replication with priority (contract 4.10). Who stands in `sync` has every acknowledged row: a
/// standby is added to the server's setting before it stands there, and taken out of it only after it does not (I-10).
let synchronousRules: [Rule] = [
    Rule(
        "sync.before-promotion",
        "Before the new leader is promoted it waits for whom `sync` promises every row: standbys that are there.",
        inPause: .owed
    ) {
        s in
        guard let leadership = s.leadership, s.policy.synchronous, s.local.process == .running(as: .standby),
            !s.local.promoteRequested, let sql = s.local.sql, sql.inRecovery, let sync = s.store?.sync,
            let version = sync.version
        else { return nil }
        let isStrict = s.policy.synchronousStrict
        // One that led before was started again as a standby, which waits for nobody.
        if sync.leader?.isSame(as: s.view.me) == true, isStrict || sync.standbys.isEmpty,
            SynchronousNames(setting: sql.synchronousNames ?? "").keeps(sync.standbys, strict: isStrict)
        {
            return nil
        }
        guard !isStrict || s.answers(since: leadership.provedAt) != nil else {
            return Conclusion(
                "asking the other members before: synchronous replication", .askPeers,
                recheckAfter: .milliseconds(200))
        }
        let former = sync.standbys.union([sync.leader].compactMap { $0 }).filter { !$0.isSame(as: s.view.me) }
        // Commits would wait for a former leader that is down, until it is taken out of both.
        let present = isStrict ? s.presentStandbys(leadership, behind: sql.position, former) : []
        if isStrict, present.isEmpty, let ahead = s.standbyAhead(leadership) {
            let reason = "receiving what \(ahead) has beyond this member before the promotion"
            guard s.view.following?.member != ahead else { return Conclusion(reason, recheckAfter: .milliseconds(10)) }
            return Conclusion(reason, .follow(ahead, leadership.term), recheckAfter: .milliseconds(10))
        }
        guard s.ready("write-sync"), s.ready("set-synchronous") else {
            return Conclusion(
                "Postponing promotion because synchronous replication state was updated by somebody else",
                recheckAfter: .milliseconds(50))
        }
        let waitedFor = isStrict ? (present.isEmpty ? former : present) : []
        return Conclusion(
            "taking over synchronous replication before the promotion",
            .setSynchronous(SynchronousNames(waitedFor, strict: isStrict)),
            .writeSync(
                leader: s.view.me, standbys: waitedFor.filter { name in former.contains { $0.isSame(as: name) } },
                version: version, leadership.term),
            recheckAfter: .milliseconds(20))
    },
    Rule("sync.off", "Synchronous mode is off: `sync` says so first, then commits wait for nobody.", inPause: .always) {
        s in
        guard let leadership = s.leadership, s.isLeading, !s.policy.synchronous, let sync = s.store?.sync,
            sync.leader != nil, let version = sync.version, s.ready("write-sync"), s.ready("set-synchronous")
        else { return nil }
        return Conclusion(
            "Disabled synchronous replication",
            .writeSync(leader: nil, standbys: [], version: version, leadership.term), .setSynchronous(.unmanaged))
    },
    Rule("sync.enable", "Synchronous mode is on: `sync` names its leader.", inPause: .always) { s in
        guard let leadership = s.leadership, s.isLeading, s.policy.synchronous, let sync = s.store?.sync,
            let version = sync.version, sync.leader?.isSame(as: s.view.me) != true, s.ready("write-sync")
        else { return nil }
        return Conclusion(
            "Enabled synchronous replication",
            .writeSync(leader: s.view.me, standbys: [], version: version, leadership.term))
    },
    Rule(
        "sync.remove", "A standby that is not to be synchronous any more leaves `sync` before the setting.",
        inPause: .always
    ) { s in
        guard let plan = s.synchronousPlan, let leadership = s.leadership, let version = s.store?.sync.version,
            s.ready("write-sync")
        else { return nil }
        let kept = plan.listed.filter { plan.picked.contains($0) }
        guard kept != plan.listed else { return nil }
        return Conclusion(
            "removing \(Situation.list(plan.listed.subtracting(kept))) from the synchronous standbys",
            .writeSync(leader: s.view.me, standbys: kept, version: version, leadership.term))
    },
    Rule("sync.set", "The setting names the chosen standbys; nobody in `sync` is missing there.", inPause: .always) {
        s in
        guard let plan = s.synchronousPlan, plan.wanted != plan.current, s.ready("set-synchronous") else { return nil }
        return Conclusion(
            plan.wanted == .blocked
                ? "no standby can be synchronous: commits wait for one"
                : "Assigning synchronous standby status to [\(Situation.list(plan.wanted.members))]",
            .setSynchronous(plan.wanted))
    },
    Rule(
        "sync.wake", "Commits that waited for a standby that is gone go on with the one that took its part.",
        inPause: .always
    ) { s in
        guard let plan = s.synchronousPlan, !s.memory.commitsWoken, plan.wanted == plan.current,
            // Before the server's senders have read the setting nobody would be let go.
            plan.wanted.members.allSatisfy({ member in
                s.local.sql?.senders.contains { $0.part == .sync && member.isSame(as: MemberID($0.name)) } == true
            }), s.ready("wake-commits")
        else { return nil }
        return Conclusion("letting commits go on that waited for another standby", .wakeCommits)
    },
    Rule(
        "sync.add", "A standby that has caught up with the setting's change stands in `sync` from now on.",
        inPause: .always
    ) { s in
        guard let plan = s.synchronousPlan, let leadership = s.leadership, let version = s.store?.sync.version,
            plan.wanted == plan.current, s.ready("write-sync")
        else { return nil }
        let confirmed = plan.confirmed.union(plan.listed)
        guard confirmed != plan.listed else { return nil }
        return Conclusion(
            "Synchronous standby status assigned to [\(Situation.list(confirmed))]",
            .writeSync(leader: s.view.me, standbys: confirmed, version: version, leadership.term))
    },
]

/// What synchronous replication is and what it should be.
struct SynchronousPlan {
    /// In `sync`, by the members' own spelling.
    var listed: Set<MemberID>
    /// In the server's setting.
    var current: SynchronousNames
    /// To be synchronous from now on.
    var picked: Set<MemberID>
    var wanted: SynchronousNames
    /// Of `picked`: the server waits for them, and they have all that came before it did.
    var confirmed: Set<MemberID>
}

extension Situation {
    /// Synchronous mode is on, for this member and in `sync`.
    var isSynchronous: Bool { policy.synchronous && store?.sync.leader != nil }

    /// The former leader or one of its synchronous standbys: has every acknowledged row.
    func isSyncMember(_ member: MemberID) -> Bool {
        guard let sync = store?.sync else { return false }
        return sync.lists(member) || sync.leader?.isSame(as: member) == true
    }

    /// Whether synchronous mode lets a member lead; an operator's failover past it is the operator's word.
    func mayLead(_ member: MemberID) -> Bool {
        guard isSynchronous else { return true }
        if let request = dueRequest, request.leader == nil, request.candidate == member { return true }
        return isSyncMember(member)
    }

    static func list(_ members: Set<MemberID>) -> String {
        members.sorted().map { "'\($0)'" }.joined(separator: ", ")
    }

    /// Asked once a look, for `synchronousPlan`.
    func planSynchronous() -> SynchronousPlan? {
        guard isLeading, isSynchronous, let sync = store?.sync, sync.leader?.isSame(as: view.me) == true,
            let sql = local.sql, !sql.isInferred, let setting = sql.synchronousNames
        else { return nil }
        let listed = Set(others.map(\.name).filter { sync.lists($0) })
            // One that is no member any more stands there under its own name until it is taken out.
            .union(sync.standbys.filter { name in !others.contains { $0.name.isSame(as: name) } })
        let picked = pick(sql.senders)
        let current = SynchronousNames(setting: setting)
        // Strict, and nobody is there: whoever was promised stays promised.
        let keeps = picked.isEmpty && policy.synchronousStrict
        let kept = current.keeps(listed, strict: true) ? current : SynchronousNames(listed, strict: true)
        let wanted = keeps ? kept : SynchronousNames(picked, strict: false)
        let confirmed = picked.filter { member in
            guard let sender = sql.senders.first(where: { $0.isStreaming && member.isSame(as: MemberID($0.name)) }),
                let since = memory.synchronousSince
            else { return false }
            return sender.part == .sync && sender.flushed >= since
        }
        return SynchronousPlan(
            listed: listed, current: current, picked: keeps ? listed : picked, wanted: wanted, confirmed: confirmed)
    }

    /// How long a new leader tries to receive what another standby has beyond it.
    private static let catchUp = Duration.milliseconds(500)

    /// Standbys that answered after the lock was proved, and could stream from here; with their positions.
    private func answeredStandbys(_ leadership: Leadership) -> [(name: MemberID, view: MemberView, position: LSN)] {
        guard let round = answers(since: leadership.provedAt) else { return [] }
        return others.compactMap { other in
            guard let answer = round.answers[other.name], answer.inRecovery, other.view.isRunning, !other.view.nosync,
                !isCascading(other.view)
            else { return nil }
            return (other.name, other.view, answer.position)
        }
    }

    /// One that received more, never acknowledged: it would have to be rewound before it could acknowledge anything.
    fileprivate func standbyAhead(_ leadership: Leadership) -> MemberID? {
        guard ready("follow"), view.now - leadership.provedAt < Self.catchUp else { return nil }
        return answeredStandbys(leadership).min { ($0.position, $0.name) < ($1.position, $1.name) }?.name
    }

    /// Whom the new primary is to wait for: standbys that can stream from it at once, first those that have every row
    /// already.
    fileprivate func presentStandbys(
        _ leadership: Leadership, behind position: LSN, _ former: Set<MemberID>
    ) -> Set<MemberID> {
        func isFormer(_ name: MemberID) -> Bool { former.contains { $0.isSame(as: name) } }
        let present = answeredStandbys(leadership).filter { $0.position <= position }
        let order = present.sorted { left, right in
            if isFormer(left.name) != isFormer(right.name) { return isFormer(left.name) }
            if left.view.nofailover != right.view.nofailover { return right.view.nofailover }
            if left.view.syncPriority != right.view.syncPriority {
                return left.view.syncPriority > right.view.syncPriority
            }
            return left.name < right.name
        }
        return Set(order.prefix(policy.synchronousCount).map(\.name))
    }

    /// The best standbys, as many as are wanted; who is synchronous already stays so among equals.
    private func pick(_ senders: [SQLStatus.Sender]) -> Set<MemberID> {
        let eligible = others.compactMap { other -> (name: MemberID, view: MemberView, sender: SQLStatus.Sender)? in
            guard other.view.isRunning, !other.view.nosync, !isCascading(other.view),
                let sender = senders.first(where: { $0.isStreaming && other.name.isSame(as: MemberID($0.name)) })
            else { return nil }
            return (other.name, other.view, sender)
        }
        let best = eligible.count > 1 ? eligible.map(\.sender.flushed).max() : local.sql?.written
        let near = eligible.filter { candidate in
            guard let limit = policy.maximumLagOnSyncNode, let best else { return true }
            return best.rawValue <= candidate.sender.flushed.rawValue &+ limit
        }
        let order = near.sorted { left, right in
            if left.view.nofailover != right.view.nofailover { return right.view.nofailover }
            if left.view.syncPriority != right.view.syncPriority {
                return left.view.syncPriority > right.view.syncPriority
            }
            if left.sender.part != right.sender.part { return left.sender.part > right.sender.part }
            if left.sender.flushed != right.sender.flushed { return left.sender.flushed > right.sender.flushed }
            return left.name < right.name
        }
        return Set(order.prefix(policy.synchronousCount).map(\.name))
    }
}
