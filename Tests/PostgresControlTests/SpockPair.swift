import LibPQ
import Support

/// Two servers, each a node of a mesh in its database `app`, which reach one another through service files of their own.
///
/// They are started once for a suite, which is serialized, and end with the test process.
struct SpockPair {
    let a: SpockNode
    let b: SpockNode

    private static let starting = Locked<Task<SpockPair, any Error>?>(nil)

    /// The pair, with an empty table `t` in the set `default` of both, and no subscription.
    static func with(_ body: (SpockPair) async throws -> Void) async throws {
        let task = starting.withLock { task in
            let started = task ?? Task { try await start() }
            task = started
            return started
        }
        let pair = try await task.value
        do {
            try await pair.clean()
            try await body(pair)
        } catch {
            throw SupportError("\(error)\nna: \(pair.a.server.logTail)\nnb: \(pair.b.server.logTail)")
        }
    }

    private static func start() async throws -> SpockPair {
        async let a = SpockNode("na")
        async let b = SpockNode("nb")
        let pair = SpockPair(a: try await a, b: try await b)
        async let first: Void = pair.a.start()
        async let second: Void = pair.b.start()
        _ = try await (first, second)
        for node in [pair.a, pair.b] {
            try node.open(node)
            try await node.query("SELECT spock.node_create($1, $2)", [node.name, node.dsn])
            try await node.query("SELECT spock.repset_add_table('default', 't')")
        }
        return pair
    }

    /// What the test before left.
    private func clean() async throws {
        for node in [a, b] {
            for peer in [a, b] { try node.open(peer) }
            try await node.query("SELECT spock.sub_drop(sub_name) FROM spock.subscription")
        }
        for node in [a, b] {
            try await node.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
            try await node.query("TRUNCATE t")
        }
    }
}

/// One of them.
final class SpockNode: Sendable {
    let name: String
    let server: PostgresInstance
    private let stanzas = Locked<[String: String]>([:])

    init(_ name: String) async throws {
        self.name = name
        server = try await PostgresInstance("spock-\(name)", binaries: SpockInstallation.binaries())
    }

    /// How everybody connects to this node: a text that never changes.
    var dsn: String { "service=\(name) dbname=app user=\(PostgresInstance.superuser)" }

    /// Starts the server, with the extension and the table `t` in `app`.
    func start() async throws {
        let passwords = "*:*:*:*:\(PostgresInstance.password)\n"
        let environment = [
            "PGSERVICEFILE": server.folder.path("services"),
            "PGPASSFILE": try server.folder.write("passwords", passwords, mode: 0o600),
        ]
        try await server.start(SpockInstallation.settings(), environment: environment)
        try await server.query("CREATE DATABASE app")
        try await query("CREATE EXTENSION spock CASCADE")
        try await query("CREATE TABLE t (id integer PRIMARY KEY, writer text)")
    }

    /// Lets this node's workers reach a peer.
    func open(_ peer: SpockNode) throws { try write(peer, "host=127.0.0.1\nport=\(peer.server.port)") }

    /// Keeps this node's workers from a peer.
    func close(_ peer: SpockNode) throws { try write(peer, "host=/gate-closed") }

    /// Ends this node's workers for a subscription, and lets the next one connect at once.
    func kick(_ subscription: String) async throws {
        try await query("SELECT spock.sub_disable($1, true)", [subscription])
        try await query("SELECT spock.sub_enable($1, true)", [subscription])
    }

    /// Subscribes to a peer and waits until rows flow.
    func subscribe(_ subscription: String, to peer: SpockNode) async throws {
        try await query("SELECT spock.sub_create($1, $2)", [subscription, peer.dsn])
        try await query("SELECT spock.sub_wait_for_sync($1)", [subscription])
    }

    func insert(_ id: Int) async throws { try await query("INSERT INTO t VALUES ($1, $2)", ["\(id)", name]) }

    func waitForRow(_ id: Int) async throws {
        try await eventually("row \(id) is in \(name)") { try await count("t WHERE id = \(id)") == 1 }
    }

    /// How many rows a FROM clause gives.
    func count(_ from: String) async throws -> Int64? {
        try await query("SELECT count(*) FROM \(from)").first().int64("count")
    }

    /// One value as text; nil for NULL.
    func value(_ sql: String, _ parameters: [String?] = []) async throws -> String? {
        try await query("SELECT (\(sql))::text AS value", parameters).rows.first?["value"]
    }

    /// One statement on a connection of its own: pglogical keeps a pointer into a transaction that failed, and the next
    /// change on the same connection ends the server.
    @discardableResult
    func query(_ sql: String, _ parameters: [String?] = [], database: String = "app") async throws -> QueryResult {
        let info = server.conninfo.with("dbname", database).with("options", "-c search_path=public")
        let connection = try await PostgresConnection.connect(info, deadline: .seconds(5))
        do {
            let result = try await connection.query(sql, parameters, deadline: .seconds(20))
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    /// By rename, since each new connection of a worker reads the file.
    private func write(_ peer: SpockNode, _ lines: String) throws {
        try stanzas.withLock {
            $0[peer.name] = lines
            let text = $0.sorted { $0.key < $1.key }.map { "[\($0.key)]\n\($0.value)\n" }.joined()
            try server.folder.write("services", text, mode: 0o600)
        }
    }
}
