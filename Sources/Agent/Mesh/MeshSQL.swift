import HACore
import LibPQ
import PostgresControl

/// Connections to the databases of a node, kept open: a look at the mesh must not wait for new ones.
actor MeshSQL {
    private static let connecting = Duration.seconds(2)
    private static let looking = Duration.seconds(2)
    /// Longer than a peer that does not answer keeps the server busy with connecting.
    private static let acting = Duration.seconds(15)

    private let info: @Sendable () -> ConnectionInfo
    private var connections: [String: (postmaster: Int32, connection: PostgresConnection)] = [:]

    init(info: @escaping @Sendable () -> ConnectionInfo) { self.info = info }

    func look(_ database: String, _ settings: MeshSettings, postmaster: Int32) async throws(PostgresError)
        -> MeshDatabase
    {
        try await SpockCatalog.read(
            try await connected(to: database, postmaster), settings, deadline: Self.looking)
    }

    func server(_ database: String, postmaster: Int32) async throws(PostgresError) -> MeshServerStatus {
        try await MeshServerProbe.read(try await connected(to: database, postmaster), deadline: Self.looking)
    }

    func run(_ statement: MeshStatement, in database: String, postmaster: Int32) async throws(PostgresError) {
        try await SpockRegistrar.run(
            statement, on: try await connected(to: database, postmaster), deadline: Self.acting)
    }

    func burn(past position: LSN, in database: String, postmaster: Int32) async throws(PostgresError) {
        try await SpockRegistrar.burn(
            past: position, on: try await connected(to: database, postmaster), deadline: Self.acting)
    }

    func close() async {
        for (_, connection) in connections.values { await connection.close() }
        connections = [:]
    }

    /// To be called by one caller at a time.
    private func connected(to database: String, _ postmaster: Int32) async throws(PostgresError) -> PostgresConnection {
        if let kept = connections[database] {
            if kept.postmaster == postmaster, await kept.connection.isUsable { return kept.connection }
            connections[database] = nil
            await kept.connection.close()
        }
        // The gate of clients is not for the agent.
        let made = try await PostgresConnection.connect(
            info().with("dbname", database).with("options", "-c default_transaction_read_only=off"),
            deadline: Self.connecting)
        connections[database] = (postmaster, made)
        return made
    }
}
