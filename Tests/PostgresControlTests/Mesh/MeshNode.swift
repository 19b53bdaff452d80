import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage

/// A server with the stand-in for Spock and one database, as a node of a mesh.
final class MeshNode: Sendable {
    static let database = "app"
    static let set = MeshSettings.ReplicationSet(name: "default")

    let name: String
    let server: PostgresInstance
    private let current = Locked<PostgresConnection?>(nil)
    /// How workers reach it.
    let dsn: String

    init(_ name: String) async throws {
        self.name = name
        server = try await PostgresInstance("mesh-\(name)", binaries: SpockInstallation.binaries())
        var settings = try await SpockInstallation.settings()
        // The gate of clients is shut: the agent's own sessions get past it.
        settings["default_transaction_read_only"] = "on"
        try await server.start(settings)
        let passfile = try await server.upstream().passfile?.string ?? ""
        dsn = "host=127.0.0.1 port=\(server.port) user=postgres dbname=app passfile=\(passfile)"
        try await connect("postgres").query("CREATE DATABASE app", deadline: .seconds(20))
        try await run("CREATE TABLE public.item (id int PRIMARY KEY, note text)")
    }

    func connect(_ database: String) async throws -> PostgresConnection {
        try await PostgresConnection.connect(server.conninfo.forMeshWork(in: database), deadline: .seconds(20))
    }

    /// To the database, as the agent connects for its work on the mesh; a new one when the last is closed.
    func connection() async throws -> PostgresConnection {
        if let connection = current.withLock({ $0 }), await connection.isUsable { return connection }
        let connection = try await connect(Self.database)
        current.withLock { $0 = connection }
        return connection
    }

    @discardableResult
    func run(_ sql: String, _ parameters: [String?] = []) async throws -> QueryResult {
        try await connection().query(sql, parameters, deadline: .seconds(20))
    }

    func look(_ sets: [MeshSettings.ReplicationSet] = [MeshNode.set]) async throws -> MeshDatabase {
        try await SpockCatalog.read(connection(), for: sets, deadline: .seconds(20))
    }

    @discardableResult
    func carryOut(_ statement: MeshStatement, deadline: Duration = .seconds(20)) async throws -> Bool {
        try await SpockRegistrar.carryOut(statement, on: connection(), deadline: deadline)
    }

    /// The node with the one table in its set.
    func register() async throws {
        try await carryOut(.createExtension)
        try await carryOut(.createNode(name: name, dsn: dsn, location: nil, country: nil, info: nil))
        try await carryOut(.addTable(set: "default", table: .init(schema: "public", name: "item", hasKey: true)))
    }

    func subscribe(to peer: MeshNode) -> MeshStatement {
        .subscribe(
            name: "sub_\(name)_\(peer.name)", dsn: peer.dsn, sets: ["default", "default_insert_only"], structure: false,
            data: false, forwardOrigins: [])
    }

    /// Waits until the subscription replicates, and returns it.
    func replicating(_ peer: MeshNode) async throws -> MeshDatabase.Subscription {
        try await eventually("\(name) replicates \(peer.name)", within: .seconds(30), pace: .milliseconds(20)) {
            let found = try await look().subscription(to: peer.name)
            return found?.status == "replicating" ? found : nil
        }
    }

    /// The rows of the table, once it has this many.
    func items(_ count: Int) async throws -> [String] {
        try await eventually("\(count) rows at \(name)", within: .seconds(30), pace: .milliseconds(10)) {
            let rows = try await run("SELECT id || note FROM public.item ORDER BY id").rows.compactMap { $0.values[0] }
            return rows.count == count ? rows : nil
        }
    }

    /// Where a test gave up: the tables that are being copied, and the end of the log.
    func describe() async -> String {
        let copies = try? await run("SELECT * FROM spock.local_sync_status").rows.map { "\($0.values)" }
        let log = String(server.folder.read("postgresql.log")?.suffix(4_000) ?? "")
        return "----- \(name): \(copies ?? [])\n\(log)"
    }

    func discard() async {
        await current.withLock { $0 }?.close()
        await server.discard()
    }
}
