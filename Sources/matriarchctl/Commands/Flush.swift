import AdminModel
import ArgumentParser
import Control

struct Flush: ClusterCommand {
    static let configuration = configure(
        "flush", "Discard what is scheduled: restarts of members, or a switchover",
        usage: "matriarchctl flush <cluster-name> [<member-names> ...] <restart|switchover> [--role <role>] [--force]")

    @Argument(help: "The cluster")
    var clusterName: String

    @Argument(help: "The members (all unless given), then what is discarded: restart or switchover")
    var rest: [String]

    @Option(name: [.customShort("r", allowingJoined: true), .long], help: "Flush only members with this role")
    var role = RoleFilter.any

    @OptionGroup var force: ForceOption
    @OptionGroup var group: GroupOption

    func validate() throws {
        guard let target = rest.last, ["restart", "switchover"].contains(target) else {
            throw ValidationError("'\(rest.last ?? "")' must be restart or switchover")
        }
    }

    func run(_ context: Context) async throws {
        if rest.last == "restart" { return try await flushRestarts(context) }
        try await context.store(clusterName) { store in
            let tree = try await store.read()
            guard tree.failover.scheduledAt != nil, let version = tree.failoverVersion else {
                return Console.out("No pending scheduled switchover")
            }
            guard try await !context.rest({ try await flushSwitchover(tree, $0, context) }) else { return }
            context.warn("Failing over to DCS")
            Console.out(
                "\(WallClock.text(fraction: 5)) Could not find any accessible member of cluster \(clusterName)")
            guard try await store.setFailover(FailoverRecord(), expecting: version) else {
                throw ControlError("the scheduled switchover was changed in between, and is kept")
            }
        }
    }

    private func flushRestarts(_ context: Context) async throws {
        let tree = try await context.store(clusterName) { try await $0.read() }
        let members = try Selection(tree, "flush", isForced: force.force).members(Array(rest.dropLast()), role)
        try Selection.confirm(members, "flush", isForced: force.force)
        try await context.rest { rest in
            for member in members { try await flushRestart(of: member, rest) }
        }
    }

    private func flushRestart(of member: ClusterTree.Member, _ rest: RestClient) async throws {
        guard member.record.scheduledRestart != nil else {
            return Console.out("No scheduled restart for member \(member.name)")
        }
        let answer = try await rest.send("DELETE", "restart", to: member)
        Selection.check("flush scheduled restart", member, answer)
    }

    /// Whether a member answered for the cluster.
    private func flushSwitchover(_ tree: ClusterTree, _ rest: RestClient, _ context: Context) async throws -> Bool {
        for member in tree.reachableLeaderFirst {
            do {
                let answer = try await rest.send("DELETE", "switchover", to: member)
                if answer.status == 200 || answer.status == 404 {
                    Console.out("\(answer.status == 200 ? "Success" : "Failed"): \(answer.body)")
                    return true
                }
                Console.out("Failed: member=\(member.name), status_code=\(answer.status), (\(answer.body))")
            } catch {
                context.warn("\(error)")
                context.warn("Member \(member.name) is not accessible")
            }
        }
        return false
    }
}
