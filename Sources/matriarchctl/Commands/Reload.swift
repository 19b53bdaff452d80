import ArgumentParser
import Control

struct Reload: ClusterCommand {
    static let configuration = configure("reload", "Reload the configuration of members")

    @OptionGroup var target: MembersArgument

    @Option(name: [.customShort("r", allowingJoined: true), .long], help: "Reload only members with this role")
    var role = RoleFilter.any

    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let tree = try await context.store(target.clusterName) { try await $0.read() }
        let members = try Selection(tree, "reload", isForced: force.force).members(target.memberNames, role)
        try Selection.confirm(members, "reload", isForced: force.force)
        try await context.rest { rest in
            for member in members {
                let answer = try await rest.send("POST", "reload", to: member)
                switch answer.status {
                case 200: Console.out("No changes to apply on member \(member.name)")
                case 202:
                    Console.out(
                        "Reload request received for member \(member.name) and will be processed within \(tree.loopWait) seconds"
                    )
                default: Selection.failed("reload", member, answer)
                }
            }
        }
    }
}
