import AdminModel
import Agent
import HACore

/// The body of `POST /switchover` or `/failover` and what stands against it, in the contract's order (2.8).
struct LeaderRequest: Sendable {
    enum Action: String, Sendable {
        case switchover, failover

        var title: String { self == .switchover ? "Switchover" : "Failover" }

        /// As in "Successfully switched over".
        var done: String { self == .switchover ? "switched over" : "failed over" }
    }

    let action: Action
    let record: FailoverRecord

    /// - Parameter segment: `switchover` or `failover`.
    init(_ segment: Substring, _ body: JSONObject) {
        func name(_ keys: String...) -> MemberID? {
            keys.lazy.compactMap { body[$0]?.asString }.first { !$0.isEmpty }.map { MemberID($0) }
        }
        let leader = name("leader")
        record = FailoverRecord(
            leader: leader, candidate: name("candidate", "member"),
            scheduledAt: body["scheduled_at"]?.asString.flatMap { $0.isEmpty ? nil : $0 })
        // A failover that names the leader is a switchover, whatever it is called.
        action = segment == "failover" && leader == nil ? .failover : .switchover
        isCalledFailover = segment == "failover"
    }

    private let isCalledFailover: Bool

    /// What can be said without asking any member; nil when nothing stands against it.
    /// - Parameter isSynchronous: synchronous mode is on, and `sync` says so.
    func refusal(_ tree: TreeSnapshot, isPaused: Bool, isSynchronous: Bool) -> Answer? {
        refusalOfItself(isPaused: isPaused) ?? refusalByCluster(tree, isSynchronous: isSynchronous)
    }

    private func refusalOfItself(isPaused: Bool) -> Answer? {
        if isCalledFailover, record.candidate == nil {
            return .text(400, "Failover could be performed only to a specific candidate")
        }
        if !isCalledFailover, record.leader == nil {
            return .text(400, "Switchover could be performed only from a specific leader")
        }
        if let scheduled = record.scheduledAt {
            if isCalledFailover { return .text(400, "Failover can't be scheduled") }
            if isPaused { return .text(400, "Can't schedule switchover in the paused state") }
            if case .failure(let refusal) = Schedule.read(scheduled, for: "switchover") { return refusal.answer }
        }
        if isPaused, record.candidate == nil {
            return .text(400, "Switchover is possible only to a specific candidate in a paused state")
        }
        if let leader = record.leader, leader == record.candidate {
            return .text(400, "Switchover target and source are the same")
        }
        return nil
    }

    private func refusalByCluster(_ tree: TreeSnapshot, isSynchronous: Bool) -> Answer? {
        if let leader = record.leader, record.scheduledAt == nil, tree.view.leader?.member != leader {
            return .text(412, "leader name does not match")
        }
        if let candidate = record.candidate {
            if action == .switchover, isSynchronous, !tree.sync.isStandby(candidate) {
                return .text(412, "candidate name does not match with sync_standby")
            }
            guard tree.record(of: candidate) != nil else { return .text(412, "candidate does not exists") }
        } else if isSynchronous, tree.sync.standbys.isEmpty {
            return .text(412, "\(action.rawValue) is not possible: can not find sync_standby")
        } else if candidates(tree, isSynchronous: false).isEmpty {
            return .text(412, "\(action.rawValue) is not possible: cluster does not have members except leader")
        }
        return nil
    }

    /// Who may be asked whether it can take over.
    func candidates(_ tree: TreeSnapshot, isSynchronous: Bool) -> [(name: MemberID, record: MemberRecord)] {
        tree.members.filter { member in
            member.name != tree.view.leader?.member && member.record.apiURL != nil
                && (record.candidate == nil || record.candidate == member.name)
                && (!isSynchronous || action == .failover || tree.sync.isStandby(member.name))
        }
    }
}
