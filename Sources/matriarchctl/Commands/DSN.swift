import AdminModel
import ArgumentParser
import Control

struct DSN: ClusterCommand {
    static let configuration = configure(
        "dsn", "Print where a member's PostgreSQL is; the leader's unless told otherwise")

    @OptionGroup var cluster: ClusterArgument

    @Option(name: [.customShort("r", allowingJoined: true), .long], help: "Of any member with this role")
    var role: RoleFilter?

    @Option(name: [.customShort("m", allowingJoined: true), .long], help: "Of this member")
    var member: String?

    func run(_ context: Context) async throws {
        let tree = try await context.store(cluster.clusterName) { try await $0.read() }
        guard let address = try tree.member(named: member, role)?.address else {
            throw ControlError("Can not find a suitable member")
        }
        Console.out("host=\(address.host) port=\(address.port)")
    }
}

extension ClusterTree.Member {
    var address: HostPort? { ClusterDocument.address(record.connURL) }
}
