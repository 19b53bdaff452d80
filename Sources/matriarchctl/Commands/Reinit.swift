import AdminModel
import ArgumentParser
import Control
import HACore

struct Reinit: ClusterCommand {
    static let configuration = configure("reinit", "Build the data directory of standbys anew")

    @OptionGroup var target: MembersArgument

    @Flag(help: "Copy from the leader")
    var fromLeader = false

    @Flag(help: "Wait until it is done")
    var wait = false

    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let tree = try await context.store(target.clusterName) { try await $0.read() }
        let members = try Selection(tree, "reinitialize", isForced: force.force).named(target.memberNames, .replica)
        try Selection.confirm(members, "reinitialize", isForced: force.force)
        try await context.rest { rest in
            var started: [ClusterTree.Member] = []
            for member in members where try await start(member, rest) { started.append(member) }
            if wait { try await end(of: started, rest) }
        }
    }

    /// Whether the member began.
    private func start(_ member: ClusterTree.Member, _ rest: RestClient) async throws -> Bool {
        var isForced = force.force
        while true {
            let body: JSONValue = ["force": .bool(isForced), "from_leader": .bool(fromLeader)]
            let answer = try await rest.send("POST", "reinitialize", to: member, body)
            if Selection.check("reinitialize", member, answer) { return true }
            guard !force.force, answer.body.hasSuffix(" already in progress"),
                try Console.confirm("Do you want to cancel it and reinitialize anyway?")
            else { return false }
            isForced = true
        }
    }

    private func end(of members: [ClusterTree.Member], _ rest: RestClient) async throws {
        var waiting = members
        var isNews = true
        while !waiting.isEmpty {
            if isNews {
                let names = waiting.map(\.name.rawValue).joined(separator: ", ")
                Console.out("Waiting for reinitialize to complete on: \(names)")
            }
            try await Task.sleep(for: .seconds(2))
            var left: [ClusterTree.Member] = []
            for member in waiting {
                let status = try JSONParser.parse(try await rest.send("GET", "patroni", to: member).body)
                if MemberState(json: status["state"]) == .creatingReplica {
                    left.append(member)
                } else {
                    Console.out("Reinitialize is completed on: \(member.name)")
                }
            }
            isNews = left.count != waiting.count
            waiting = left
        }
    }
}
