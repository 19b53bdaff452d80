import AdminModel
import ArgumentParser
import Control
import HACore
import LibPQ

/// What concerns the mesh of clusters that this one is in; each command is about one cluster and its peers.
struct Spock: ClusterCommand {
    static let configuration = CommandConfiguration(
        commandName: "spock", _superCommandName: "matriarchctl",
        abstract: "Shows and mends the Spock mesh that a cluster is in", subcommands: commands)

    static let commands: [any ClusterCommand.Type] = [
        SpockStatus.self, SpockPlan.self, SpockDiff.self, SpockResync.self, SpockAccept.self, SpockAdd.self,
        SpockRemove.self,
    ]

    func run(_ context: Context) async throws { throw CleanExit.helpRequest(self) }
}

/// Which cluster is meant: what stands behind the command names peers and tables.
struct MeshOptions: ParsableArguments {
    @Option(help: "The cluster; the configuration's 'scope' unless given")
    var cluster: String?

    @OptionGroup var group: GroupOption
}

/// How databases are reached, as with `query`.
struct DatabaseOptions: ParsableArguments {
    @Option(name: [.customShort("d", allowingJoined: true), .long], help: "Database; all of the mesh unless given")
    var dbname: String?

    @Option(name: [.customShort("U", allowingJoined: true), .long], help: "Database user name")
    var username: String?

    @Flag(help: "Ask for the password")
    var password = false

    func secret() throws -> Secret? { password ? Secret(try Console.secret("Password")) : nil }

    /// - Throws: `ControlError` when the database that is named is none of the mesh.
    func databases(_ cluster: MeshTree.Cluster) throws(ControlError) -> [String] {
        let known = cluster.record.databases.keys.sorted()
        guard let dbname else { return known }
        guard known.contains(dbname) else {
            throw ControlError(
                "database \(dbname) of \(cluster.node) is in no mesh; it has: \(known.joined(separator: ", "))")
        }
        return [dbname]
    }

    /// Connects to the leader of a cluster for one job.
    func connection(
        _ cluster: MeshTree.Cluster, _ database: String, _ secret: Secret?
    ) async throws(ControlError) -> PostgresConnection {
        guard let leader = cluster.leader else { throw ControlError("cluster \(cluster.scope) has no leader") }
        guard let address = leader.address else { throw ControlError("leader \(leader.name) has no conn_url") }
        var info = ConnectionInfo([
            ("host", address.host), ("port", String(address.port)), ("fallback_application_name", "matriarchctl"),
        ])
        info["user"] = username
        info["dbname"] = database
        info.password = secret
        do throws(PostgresError) {
            let connection = try await PostgresConnection.connect(info, asUser: true, deadline: .seconds(5))
            do throws(PostgresError) { try await MeshDiff.prepare(connection) } catch {
                await connection.close()
                throw error
            }
            return connection
        } catch {
            throw ControlError("\(cluster.node), leader \(leader.name), database \(database): \(error.message)")
        }
    }
}

extension Context {
    func mesh(_ options: MeshOptions) async throws -> MeshTree {
        try await store(options.cluster) { try await $0.readMesh() }
    }

    /// Asks the leaders of clusters, all at the same time.
    /// - Returns: what answered, by node; JSON of any status.
    func ask(_ clusters: [MeshTree.Cluster], _ endpoint: String) async throws -> [String: JSONValue] {
        try await rest { rest in
            await withTaskGroup(of: (String, JSONValue)?.self) { group in
                for cluster in clusters {
                    guard let leader = cluster.leader else { continue }
                    group.addTask {
                        guard let answer = try? await rest.send("GET", endpoint, to: leader), answer.status == 200,
                            let json = try? JSONParser.parse(answer.body)
                        else { return nil }
                        return (cluster.node, json)
                    }
                }
                var answers: [String: JSONValue] = [:]
                for await answer in group { if let answer { answers[answer.0] = answer.1 } }
                return answers
            }
        }
    }

    /// Sends a request to the leader of a cluster and says what came of it.
    /// - Returns: false when it was not taken.
    func post(_ endpoint: String, _ body: JSONObject, to cluster: MeshTree.Cluster) async throws -> Bool {
        guard let leader = cluster.leader else {
            Console.out("\(cluster.node): no leader to ask")
            return false
        }
        do {
            let answer = try await rest { try await $0.send("POST", endpoint, to: leader, .object(body)) }
            guard answer.status == 200 else {
                let said = (try? JSONParser.parse(answer.body))?["error"]?.asString ?? answer.body
                Console.out("\(cluster.node): refused by \(leader.name), status code=\(answer.status): \(said)")
                return false
            }
            Console.out("\(cluster.node): taken by \(leader.name)")
            return true
        } catch {
            Console.out("\(cluster.node): \(leader.name) does not answer: \(error)")
            return false
        }
    }
}
