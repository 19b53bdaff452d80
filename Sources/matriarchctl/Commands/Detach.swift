import ArgumentParser
import Control

struct Detach: ClusterCommand {
    static let configuration = configure(
        "detach", "Give the PostgreSQL of members back: it runs on, and their agents end")

    @OptionGroup var target: MembersArgument

    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let tree = try await context.store(target.clusterName) { try await $0.read() }
        let members = try Selection(tree, "detach", isForced: force.force).named(target.memberNames, .any)
        try Selection.confirm(members, "detach", isForced: force.force)
        try await context.rest { rest in
            for member in members {
                Selection.check("detach", member, try await rest.send("POST", "detach", to: member))
            }
        }
    }
}
