import AdminModel
import ArgumentParser
import Control

struct ShowConfig: ClusterCommand {
    static let configuration = configure("show-config", "Show the configuration of the cluster")

    @OptionGroup var cluster: ClusterArgument

    func run(_ context: Context) async throws {
        let tree = try await context.store(cluster.clusterName) { try await $0.read() }
        if let config = tree.config { Console.out(ConfigEdit.text(config)) }
    }
}
