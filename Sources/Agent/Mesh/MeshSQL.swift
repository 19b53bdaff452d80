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
            try await SpockRegistrar.carryOut(
                statement, on: connection, way: info().forMeshWork(in: database), deadline: Self.acting)
        } catch {
            // After a change that failed Spock's library may keep a pointer to what is gone: not this session again.
            connections[database] = nil
            await connection.close()
            throw error
        }
    }

    /// - Throws: also what keeps the peer from being asked.
    func copy(_ copy: MeshCopy, _ mesh: MeshSettings, postmaster: Int32) async throws(PostgresError) {
        if copy.step == .wake { return await wake(copy, mesh) }
        let peer = try await PostgresConnection.connect(
            Self.way(copy, mesh.connection).forMeshWork(in: copy.link.database), deadline: Self.connecting)
        do throws(PostgresError) {
            let beside = try await PostgresConnection.connect(
                info().forMeshWork(in: copy.link.database), deadline: Self.connecting)
            do throws(PostgresError) {
                try await SpockCopy.carryOut(
                    copy, here: try await connected(to: copy.link.database, postmaster), beside: beside, peer: peer,
                    deadline: Self.acting)
            } catch {
                await beside.close()
                throw error
            }
            await beside.close()
        } catch {
            await peer.close()
            // As after any other change of a subscription that failed.
            if let kept = connections.removeValue(forKey: copy.link.database) { await kept.connection.close() }
            throw error
        }
        await peer.close()
    }

    /// Best effort: users of the peer may be faster, and it is asked again.
    private func wake(_ copy: MeshCopy, _ mesh: MeshSettings) async {
        let way = Self.way(copy, mesh.connection).forMeshWork(in: copy.link.database)
        _ = try? await PostgresConnection.use(way, deadline: Self.connecting) { peer throws(PostgresError) in
            try await peer.query(SpockCopy.commit, deadline: Self.looking)
        }
    }

    /// As the workers go, but not by the service file, whose way may be shut.
    private static func way(_ copy: MeshCopy, _ connection: MeshSettings.Connection) -> ConnectionInfo {
        var info = ConnectionInfo([("host", copy.address.host), ("port", String(copy.address.port))])
        if connection.mode == .fixed, let fixed = copy.fixed.flatMap({ ConnectionInfo(parsing: $0) }) { info = fixed }
        info["user"] = connection.user
        info["passfile"] = connection.passfile
        info["target_session_attrs"] = "primary"
        info["tcp_user_timeout"] = "2000"
        for (keyword, value) in connection.options { info[keyword] = value }
        return info
    }

    /// Of each database that can be asked.
    func conflicts(_ databases: [String], postmaster: Int32) async -> [String: MeshConflicts] {
        var found: [String: MeshConflicts] = [:]
        for database in databases {
            guard let connection = try? await connected(to: database, postmaster) else { continue }
            found[database] = try? await MeshConflicts.read(connection, deadline: Self.looking)
        }
        return found
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
