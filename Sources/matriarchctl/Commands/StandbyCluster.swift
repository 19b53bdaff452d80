import ArgumentParser
import Control

/// Exists so that scripts learn why it does not work.
struct DemoteCluster: ClusterCommand {
    static let configuration = configure("demote-cluster", "Not yet supported: make it a standby cluster")

    @OptionGroup var cluster: ClusterArgument

    @Option(help: "Address of the remote node")
    var host: String?

    @Option(help: "Port of the remote node")
    var port: Int?

    @Option(help: "Command to restore WAL records from the remote primary")
    var restoreCommand: String?

    @Option(help: "Name of the slot on the remote node")
    var primarySlotName: String?

    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        guard host != nil || port != nil || restoreCommand != nil else {
            throw ControlError("At least --host, --port or --restore-command should be specified")
        }
        throw ControlError("demote-cluster is not yet supported: standby_cluster cannot be switched on")
    }
}

/// Exists so that scripts learn why it does not work.
struct PromoteCluster: ClusterCommand {
    static let configuration = configure("promote-cluster", "Not yet supported: make a standby cluster run alone")

    @OptionGroup var cluster: ClusterArgument
    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        throw ControlError("promote-cluster is not yet supported: there are no standby clusters")
    }
}
