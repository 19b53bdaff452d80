internal import AdminModel
internal import HACore

/// `--role`: which members are meant.
package enum RoleFilter: String, Sendable, CaseIterable {
    case leader, primary
    case standbyLeader = "standby-leader"
    case replica, standby, any
}

extension ClusterTree {
    /// The members with a role; the leader is who holds the lock, whatever its record says.
    package func members(_ role: RoleFilter) -> [Member] {
        switch role {
        case .any: return members
        case .replica, .standby: return members.filter { $0.name != leader }
        case .leader, .primary, .standbyLeader:
            guard let leader = leaderMember else { return [] }
            let hasRole =
                switch role {
                case .primary: leader.record.role != .standbyLeader
                case .standbyLeader: leader.record.role != .primary
                default: true
                }
            return hasRole ? [leader] : []
        }
    }

    /// The member that `dsn` and `query` mean: by name, or the first with a role, which is the leader unless given.
    package func member(named name: String?, _ role: RoleFilter?) throws(ControlError) -> Member? {
        guard let name else { return members(role ?? .leader).first }
        guard role == nil else { throw ControlError("--role and --member are mutually exclusive options") }
        return members.first { $0.name.rawValue == name }
    }

    /// Those who can be asked by REST, the leader first.
    package var reachableLeaderFirst: [Member] {
        let reachable = members.filter { $0.record.apiURL != nil }
        return reachable.filter { $0.name == leader } + reachable.filter { $0.name != leader }
    }

    /// Who may become leader, by name.
    package var candidates: [String] {
        members.filter { $0.name != leader && !$0.record.tags.nofailover }.map(\.name.rawValue)
    }

    /// The members that a command works on. With no names: all with the role.
    /// - Parameter shownRole: as messages show the role.
    package func selection(
        _ names: [String], _ role: RoleFilter, shownRole: String
    ) throws(ControlError) -> [Member] {
        let having = members(role)
        guard !names.isEmpty else { return having }
        let chosen = having.filter { names.contains($0.name.rawValue) }
        guard !chosen.isEmpty else { throw ControlError("No \(shownRole) among provided members") }
        return chosen
    }
}
