import AdminModel
import Control
import HACore

/// Which members a command works on: by name and role, shown and asked about before anything happens.
struct Selection {
    let tree: ClusterTree
    let action: String
    let isForced: Bool

    init(_ tree: ClusterTree, _ action: String, isForced: Bool) {
        self.tree = tree
        self.action = action
        self.isForced = isForced
    }

    // Swift 6.3.1 crashes when it inlines these two into what waits (LLVM, "splitting coroutine").

    /// Shows the cluster's table. Without names: all with the role.
    @inline(never)
    func members(_ names: [String], _ role: RoleFilter) throws -> [ClusterTree.Member] {
        try show(names, role)
        return try tree.selection(names, role, shownRole: "'\(role.rawValue)'")
    }

    /// As `members`, for what nobody wants to happen to all by accident: without names it asks for one.
    @inline(never)
    func named(_ names: [String], _ role: RoleFilter) throws -> [ClusterTree.Member] {
        try show(names, role)
        guard names.isEmpty else { return try tree.selection(names, role, shownRole: role.rawValue) }
        guard !isForced else { return [] }
        let known = tree.members(role).map(\.name.rawValue)
        let name = try Console.prompt(
            "Which member do you want to \(action) [\(known.joined(separator: ", "))]?", default: "")
        guard known.contains(name) else { throw ControlError("\(name) is not a member of cluster") }
        return try tree.selection([name], role, shownRole: role.rawValue)
    }

    static func confirm(_ members: [ClusterTree.Member], _ action: String, isForced: Bool) throws {
        let names = members.map(\.name.rawValue).joined(separator: ", ")
        guard try isForced || Console.confirm("Are you sure you want to \(action) members \(names)?") else {
            throw ControlError("Aborted \(action)")
        }
    }

    static func failed(_ action: String, _ member: ClusterTree.Member, _ answer: RestClient.Answer) {
        Console.out("Failed: \(action) for member \(member.name), status code=\(answer.status), (\(answer.body))")
    }

    /// Says how it went.
    @discardableResult
    static func check(_ action: String, _ member: ClusterTree.Member, _ answer: RestClient.Answer) -> Bool {
        guard answer.status < 400 else {
            failed(action, member, answer)
            return false
        }
        Console.out("Success: \(action) for member \(member.name)")
        return true
    }

    private func show(_ names: [String], _ role: RoleFilter) throws {
        guard !names.isEmpty || !tree.members(role).isEmpty else {
            throw ControlError("\(tree.scope) cluster doesn't have any members")
        }
        Console.out(MemberTable(tree).text(.pretty))
    }
}
