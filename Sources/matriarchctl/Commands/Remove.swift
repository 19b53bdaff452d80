import ArgumentParser
import Control
import HACore

struct Remove: ClusterCommand {
    static let configuration = configure("remove", "Remove all that ZooKeeper knows of a cluster")

    @Argument(help: "The cluster")
    var clusterName: String

    @OptionGroup var format: FormatOption
    @OptionGroup var group: GroupOption

    func run(_ context: Context) async throws {
        try await context.store(clusterName) { store in
            let tree = try await store.read()
            Console.out(MemberTable(tree).text(format.format))
            guard try Console.prompt("Please confirm the cluster name to remove") == clusterName else {
                throw ControlError("Cluster names specified do not match")
            }
            let words = "Yes I am aware"
            let question =
                "You are about to remove all information in DCS for \(clusterName), please type: \"\(words)\""
            guard try Console.prompt(question) == words else {
                throw ControlError("You did not exactly type \"\(words)\"")
            }
            if let leader = tree.leader {
                let named = try Console.prompt(
                    "This cluster currently is healthy. Please specify the leader name to continue")
                guard named == leader.rawValue else {
                    throw ControlError("You did not specify the current leader of the cluster")
                }
            }
            try await store.removeAll()
        }
    }
}
