import AdminModel
import ArgumentParser
import Control
import HACore

struct Pause: ClusterCommand {
    static let configuration = configure("pause", "Disable automatic failover")

    @OptionGroup var cluster: ClusterArgument

    @Flag(help: "Wait until all members know")
    var wait = false

    func run(_ context: Context) async throws {
        try await PauseChange(isPaused: true, waits: wait).run(context, cluster.clusterName)
    }
}

struct Resume: ClusterCommand {
    static let configuration = configure("resume", "Enable automatic failover again")

    @OptionGroup var cluster: ClusterArgument

    @Flag(help: "Wait until all members know")
    var wait = false

    func run(_ context: Context) async throws {
        try await PauseChange(isPaused: false, waits: wait).run(context, cluster.clusterName)
    }
}

private struct PauseChange {
    let isPaused: Bool
    let waits: Bool

    private var verb: String { isPaused ? "pause" : "resume" }
    private var success: String { "Success: cluster management is \(isPaused ? "paused" : "resumed")" }

    func run(_ context: Context, _ name: String?) async throws {
        try await context.store(name) { store in
            let tree = try await store.read()
            guard tree.isPaused != isPaused else {
                throw ControlError("Cluster is \(isPaused ? "already" : "not") paused")
            }
            let answer = try await context.rest { try await ask(tree, $0, context) }
            guard answer.status == 200 else {
                return Console.out(
                    "Failed: \(verb) cluster management status code=\(answer.status), (\(answer.body))")
            }
            guard waits else { return Console.out(success) }
            try await recognition(by: tree, store)
        }
    }

    /// The first member that answers.
    private func ask(_ tree: ClusterTree, _ rest: RestClient, _ context: Context) async throws -> RestClient.Answer {
        for member in tree.reachableLeaderFirst {
            do {
                return try await rest.send("PATCH", "config", to: member, ["pause": isPaused ? true : .null])
            } catch {
                context.warn("\(error)")
                context.warn("Member \(member.name) is not accessible")
            }
        }
        throw ControlError("Can not find accessible cluster member")
    }

    private func recognition(by before: ClusterTree, _ store: ClusterStore) async throws {
        Console.out("'\(verb)' request sent, waiting until it is recognized by all nodes")
        let known = before.members.filter { $0.record.apiURL != nil }
        let deadline = ContinuousClock.now + .seconds(before.loopWait + 1)
        while true {
            let asked = try await store.read().members.filter { member in known.contains { $0.name == member.name } }
            let behind = asked.filter { $0.record.pause != isPaused }
            if behind.isEmpty { break }
            guard ContinuousClock.now < deadline else {
                // Who has said nothing since is not there.
                let late = behind.filter { member in
                    !known.contains { $0.name == member.name && $0.version == member.version }
                }
                guard !late.isEmpty else { break }
                let names = late.map(\.name.rawValue).joined(separator: ", ")
                return Console.out(
                    "\(names) members didn't recognized pause state after \(before.loopWait) seconds")
            }
            try await Task.sleep(for: .seconds(1))
        }
        Console.out(success)
    }
}
