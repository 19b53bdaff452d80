import HACore
import LibPQ
import PostgresControl

/// Connections to the databases of a node, kept open: a look at the mesh must not wait for new ones. One caller at a time.
actor MeshSQL {
    private static let connecting = Duration.seconds(2)
    private static let looking = Duration.seconds(2)
    /// Longer than a peer that does not answer keeps the server busy with connecting.
    private static let acting = Duration.seconds(15)

    private let info: @Sendable () -> ConnectionInfo
    private var connections: [String: (postmaster: Int32, connection: PostgresConnection)] = [:]

    init(info: @escaping @Sendable () -> ConnectionInfo) { self.info = info }

    /// By a session as a client's would be: what it may write is what they may.
    func server(postmaster: Int32) async throws(PostgresError) -> MeshServerStatus {
        try await MeshServerStatus.read(try await connected(to: nil, postmaster), deadline: Self.looking)
    }

    func look(_ database: String, _ settings: MeshSettings, postmaster: Int32) async throws(PostgresError)
        -> MeshDatabase
    {
        try await SpockCatalog.read(
            try await connected(to: database, postmaster), for: settings.replicationSets, deadline: Self.looking)
    }

    func carryOut(_ statement: MeshStatement, in database: String, postmaster: Int32) async throws(PostgresError) {
        let connection = try await connected(to: database, postmaster)
        do throws(PostgresError) {
            try await SpockRegistrar.carryOut(statement, on: connection, deadline: Self.acting)
        } catch {
            // After a change that failed Spock's library may keep a pointer to what is gone: not this session again.
            connections[database] = nil
            await connection.close()
            throw error
        }
    }

    func burn(past position: LSN, in database: String, postmaster: Int32) async throws(PostgresError) {
        _ = try await SpockRegistrar.burn(
            past: position, on: try await connected(to: database, postmaster), deadline: Self.acting)
    }

    func close() async {
        for (_, connection) in connections.values { await connection.close() }
        connections = [:]
    }

    /// - Parameter database: to work in; nil: only to look at the server.
    private func connected(to database: String?, _ postmaster: Int32) async throws(PostgresError) -> PostgresConnection
    {
        let key = database ?? ""
        if let kept = connections[key] {
            if kept.postmaster == postmaster, await kept.connection.isUsable { return kept.connection }
            connections[key] = nil
            await kept.connection.close()
        }
        let made = try await PostgresConnection.connect(
            database.map { info().forMeshWork(in: $0) } ?? info(), deadline: Self.connecting)
        connections[key] = (postmaster, made)
        return made
    }
}
