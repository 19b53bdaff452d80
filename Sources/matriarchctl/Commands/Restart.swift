import AdminModel
import ArgumentParser
import Control
import HACore

struct Restart: ClusterCommand {
    static let configuration = configure("restart", "Restart PostgreSQL on members")

    @OptionGroup var target: MembersArgument

    @Option(name: [.customShort("r", allowingJoined: true), .long], help: "Restart only members with this role")
    var role = RoleFilter.any

    @Flag(name: .customLong("any"), help: "Restart a single member only")
    var isAnyOne = false

    @Option(help: "When, in an unambiguous format (e.g. ISO 8601), or now")
    var scheduled: String?

    @Option(help: "Restart if the PostgreSQL version is less than this (e.g. 15.4)")
    var pgVersion: String?

    @Flag(help: "Restart if a setting waits for it")
    var pending = false

    @Option(help: "Return an error and fail over if necessary when restarting takes longer than this")
    var timeout: String?

    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let tree = try await context.store(target.clusterName) { try await $0.read() }
        var members = try Selection(tree, "restart", isForced: force.force).members(target.memberNames, role)
        let schedule = try ScheduledTime(
            asked(scheduled, "When should the restart take place (e.g. \(ScheduledTime.example)) ", "now"))
        // Whether a scheduled one is needed is known when its time has come.
        if pending, schedule == nil { members = members.filter(\.record.pendingRestart) }
        if isAnyOne { members = Array(members.shuffled().prefix(1)) }
        try confirm(members, schedule)
        let version = try asked(pgVersion, "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2) ", "")
        var body = JSONObject()
        if pending { body["restart_pending"] = true }
        if let version, !version.isEmpty { body["postgres_version"] = .string(try checked(version)) }
        if let schedule {
            guard !tree.isPaused else { throw ControlError("Can't schedule restart in the paused state") }
            body["schedule"] = .string(schedule.iso)
        }
        body["timeout"] = timeout.map(JSONValue.string)
        try await context.rest { rest in
            for member in members { try await restart(member, body, rest) }
        }
    }

    /// The option's value, or the answer to a question unless that is not to be asked.
    private func asked(_ option: String?, _ question: String, _ fallback: String) throws -> String? {
        guard option == nil, !force.force else { return option }
        return try Console.prompt(question, default: fallback)
    }

    /// The version, when a member will accept it.
    private func checked(_ version: String) throws(ControlError) -> String {
        do throws(PostgresVersion.Invalid) { _ = try PostgresVersion(version) } catch {
            throw ControlError(error.description)
        }
        return version
    }

    private func confirm(_ members: [ClusterTree.Member], _ schedule: ScheduledTime?) throws {
        guard let schedule else { return try Selection.confirm(members, "restart", isForced: force.force) }
        guard !force.force else { return }
        let names = members.map(\.name.rawValue).joined(separator: ", ")
        let question =
            pending
            ? "The nodes needing a restart will be identified at the scheduled time, and might be different from the"
                + " ones showing pending restart right now. Is this fine?"
            : "Are you sure you want to schedule restart of members \(names) at \(schedule.words)?"
        guard try Console.confirm(question) else { throw ControlError("Aborted scheduled restart") }
    }

    private func restart(_ member: ClusterTree.Member, _ body: JSONObject, _ rest: RestClient) async throws {
        if body.contains("schedule"), force.force, member.record.scheduledRestart != nil {
            let answer = try await rest.send("DELETE", "restart", to: member)
            if answer.status >= 400 { Selection.failed("flush scheduled restart", member, answer) }
        }
        let answer = try await Console.waiting("Restarting \(member.name)") {
            try await rest.send("POST", "restart", to: member, .object(body), .long)
        }
        switch answer.status {
        case 200: Console.out("Success: restart on member \(member.name)")
        case 202: Console.out("Success: restart scheduled on member \(member.name)")
        case 409: Console.out("Failed: another restart is already scheduled on member \(member.name)")
        default: Selection.failed("restart", member, answer)
        }
    }
}
