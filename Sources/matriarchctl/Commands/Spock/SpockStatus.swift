import AdminModel
import ArgumentParser
import Control
import HACore
import LibPQ

struct SpockStatus: ClusterCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show who takes changes from whom, slots, gates, what was lost and what a peer costs")

    @OptionGroup var mesh: MeshOptions
    @OptionGroup var format: FormatOption
    @OptionGroup var watch: WatchOptions

    func run(_ context: Context) async throws {
        try await watch.repeating(clears: true) {
            let tree = try await context.mesh(mesh)
            let answers = try await context.ask(tree.clusters, "spock")
            Console.out(MeshOverview(tree, answers: answers).text(format.format))
        }
    }
}

struct SpockPlan: ClusterCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what the leader would do now, and what would be in its way")

    @OptionGroup var mesh: MeshOptions
    @OptionGroup var databases: DatabaseOptions
    @OptionGroup var format: FormatOption

    func run(_ context: Context) async throws {
        let secret = try databases.secret()
        let tree = try await context.mesh(mesh)
        let plan = try await context.ask([tree.own], "spock/plan")[tree.own.node]
        var rows: [[JSONValue]] = []
        if plan == nil { context.warn("the leader of \(tree.own.scope) does not say what it would do") }
        for action in plan?["actions"]?.asArray ?? [] { rows.append(["action", "", "", action]) }
        for problem in plan?["problems"]?.asArray ?? [] {
            rows.append(["problem", problem["database"] ?? "", problem["peer"] ?? "", problem["text"] ?? ""])
        }
        var needs: [String: Int] = [:]
        for need in plan?["needs"]?.asObject?.members ?? [] { needs[need.key] = need.value.asInt.map { Int($0) } }
        var findings = MeshPreflight.collisions(tree.clusters.map(\.node))
        for database in try databases.databases(tree.own) {
            let own = try await survey(tree.own, database, secret)
            var peers: [ZoneSurvey] = []
            for peer in tree.peers where peer.record.databases[database] != nil {
                do { peers.append(try await survey(peer, database, secret)) } catch let error as ControlError {
                    context.warn("not compared: \(error)")
                }
            }
            findings += MeshPreflight.findings(own, peers, needs: needs)
            // Of the whole cluster: once is enough.
            needs = [:]
        }
        rows += findings.map { ["preflight", .string($0.database), .string($0.peer), .string($0.text)] }
        Console.out(Listing(["Kind", "Database", "Peer", "Text"], rows).text(format.format))
    }

    private func survey(_ cluster: MeshTree.Cluster, _ database: String, _ secret: Secret?) async throws -> ZoneSurvey {
        let connection = try await databases.connection(cluster, database, secret)
        do throws(PostgresError) {
            let survey = try await ZoneSurvey.read(connection, node: cluster.node, database: database)
            await connection.close()
            return survey
        } catch {
            await connection.close()
            throw ControlError("\(cluster.node), database \(database): \(error.message)")
        }
    }
}
