import AdminModel
import ArgumentParser
import Control
import HACore

struct SpockResync: ClusterCommand {
    static let configuration = CommandConfiguration(
        commandName: "resync", abstract: "Copy a peer's rows over this cluster's",
        discussion: """
            What is in the tables here is deleted, and the peer's rows are copied in. The peer has to have applied what was \
            written here before; nobody may write to these tables here until 'spock status' shows that it is done. Changes \
            of the other peers wait meanwhile.
            """)

    @Argument(help: "The peer's node")
    var peer: String

    @Argument(help: "schema.table; every table that is taken from the peer unless given")
    var table: String?

    @Option(name: [.customShort("d", allowingJoined: true), .long], help: "Database; all of the mesh unless given")
    var dbname: String?

    @OptionGroup var mesh: MeshOptions
    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let tree = try await context.mesh(mesh)
        let other = try tree.peer(peer)
        let what = table ?? "every table that is taken from \(other.node)"
        let question =
            "Are you sure you want to delete the rows of \(what) in cluster \(tree.own.scope) and copy those of "
            + "\(other.node)?"
        guard try force.force || Console.confirm(question) else { throw ControlError("Aborting resync") }
        var body: JSONObject = ["peer": .string(other.node)]
        body["database"] = dbname.map(JSONValue.string)
        body["table"] = table.map { .string($0.contains(".") ? $0 : "public.\($0)") }
        guard try await context.post("spock/resync", body, to: tree.own) else { throw ExitCode.failure }
    }
}

struct SpockAccept: ClusterCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept", abstract: "Go on without what a peer's slot has passed",
        discussion: """
            After a promotion changes of the peer may be missing here for ever, and with 'on_gap: hold' nothing is taken from \
            it. This gives them up; 'spock status' keeps the range, 'spock diff' shows the rows, 'spock resync' copies them.
            """)

    @Argument(help: "The peer's node")
    var peer: String

    @Option(name: [.customShort("d", allowingJoined: true), .long], help: "Database; the mesh's only one unless given")
    var dbname: String?

    @OptionGroup var mesh: MeshOptions
    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let tree = try await context.mesh(mesh)
        let other = try tree.peer(peer)
        let databases = tree.own.record.databases.keys.sorted()
        guard let database = dbname ?? (databases.count == 1 ? databases[0] : nil) else {
            throw ControlError("--dbname is needed: the mesh has \(databases.joined(separator: ", "))")
        }
        let question =
            "Are you sure you want cluster \(tree.own.scope) to go on without changes of \(other.node) in database "
            + "\(database) that may be missing?"
        guard try force.force || Console.confirm(question) else { throw ControlError("Aborting accept") }
        let body: JSONObject = ["database": .string(database), "peer": .string(other.node)]
        guard try await context.post("spock/accept", body, to: tree.own) else { throw ExitCode.failure }
    }
}

struct SpockAdd: ClusterCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Take back a removal: the node may be in the mesh again")

    @Argument(help: "The node")
    var node: String

    @OptionGroup var mesh: MeshOptions

    func run(_ context: Context) async throws {
        let tree = try await context.mesh(mesh)
        var isDone = true
        for cluster in tree.clusters {
            isDone = try await context.post("spock/add", ["node": .string(node)], to: cluster) && isDone
        }
        if !isDone { throw ExitCode.failure }
    }
}

struct SpockRemove: ClusterCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a node from the mesh, in every cluster that is left",
        discussion: """
            Subscriptions, slots and catalog entries of the node go, and with the slots what it has not received yet. Needed \
            for a zone that is gone for ever: its slots keep WAL in every other. A cluster that is not reached now is to be \
            asked again.
            """)

    @Argument(help: "The node")
    var node: String

    @OptionGroup var mesh: MeshOptions
    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let tree = try await context.mesh(mesh)
        let target = tree.clusters.first { $0.node == node }
        if let target, let leader = target.leader, !force.force {
            Console.out("Node \(node) is alive: \(leader.name) leads cluster \(target.scope)")
        }
        if !force.force {
            guard try Console.prompt("Please confirm the node name to remove from mesh \(tree.own.record.mesh)") == node
            else { throw ControlError("Node names specified do not match") }
        }
        var isDone = true
        for cluster in tree.clusters where cluster.node != node || cluster.leader != nil {
            isDone = try await context.post("spock/remove", ["node": .string(node)], to: cluster) && isDone
        }
        if !isDone { throw ExitCode.failure }
    }
}
