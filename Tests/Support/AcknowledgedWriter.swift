import LibPQ

/// Writes to every member that is out of recovery, all the time, and remembers what was acknowledged.
///
/// Each member has one connection that is kept open and used each 5 ms, as a pool would, and a new one each 100 ms, as
/// a client that reconnects: a fenced server may still serve the first kind when it refuses the second.
public final class AcknowledgedWriter: Sendable {
    private let targets: [(name: String, conninfo: ConnectionInfo)]
    private let history = Locked(WriteHistory())
    private let tasks = Locked<[Task<Void, Never>]>([])
    private let firstID: Int64
    /// Unique over all writers of the process, so that a table may be shared.
    private static let lastID = Locked<Int64>(0)

    private static let insert = """
        INSERT INTO public.acknowledged (id, node) VALUES ($1, $2)
        RETURNING left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline
        """

    /// Makes the table at the leader.
    /// - Parameter proxy: a port that leads to whoever is primary, to write through in place of each member's own.
    public init(_ cluster: TestCluster, leader: ClusterNode, proxy: UInt16? = nil) async throws {
        if let proxy {
            var conninfo = leader.conninfo
            conninfo["port"] = "\(proxy)"
            targets = [("proxy", conninfo)]
        } else {
            targets = cluster.nodes.map { ($0.name, $0.conninfo) }
        }
        firstID = Self.lastID.withLock { $0 } + 1
        try await leader.query(
            "CREATE TABLE IF NOT EXISTS public.acknowledged (id bigint PRIMARY KEY, node text NOT NULL)")
    }

    public func start() {
        tasks.withLock { running in
            for target in targets {
                running.append(Task { await self.keep(target.name, target.conninfo) })
                running.append(Task { await self.comeAndGo(target.name, target.conninfo) })
            }
        }
    }

    /// Ends all connections and returns what was learnt.
    public func stop() async -> WriteHistory {
        let running = tasks.withLock { tasks in
            defer { tasks = [] }
            return tasks
        }
        for task in running { task.cancel() }
        for task in running { await task.value }
        return history.withLock { $0 }
    }

    /// What was learnt so far.
    public var soFar: WriteHistory { history.withLock { $0 } }

    /// Waits for more acknowledgements than there are now.
    public func progress(
        _ rows: Int = 50, on node: ClusterNode? = nil, within deadline: Duration = AgentCommand.deadline(),
        _ words: String = ""
    ) async throws {
        func count() -> Int {
            history.withLock { history in
                guard let node else { return history.acknowledged.count }
                return history.acknowledged.count { $0.node == node.name }
            }
        }
        let before = count()
        try await eventually("\(rows) more acknowledged rows \(words)", within: deadline, pace: .milliseconds(20)) {
            count() >= before + rows
        }
    }

    /// The rows of this writer that a member has.
    public func present(on node: ClusterNode) async throws -> Set<Int64> {
        let result = try await node.query("SELECT id FROM public.acknowledged WHERE id >= $1", ["\(firstID)"])
        return Set(result.rows.compactMap { $0["id"].flatMap { Int64($0) } })
    }

    private func keep(_ node: String, _ conninfo: ConnectionInfo) async {
        while !Task.isCancelled {
            if let connection = try? await PostgresConnection.connect(conninfo, deadline: .seconds(1)) {
                while !Task.isCancelled, await connection.isUsable {
                    switch await writeIfPrimary(connection, node) {
                    case .acknowledged: try? await Task.sleep(for: .milliseconds(5))
                    case .standby: try? await Task.sleep(for: .milliseconds(10))
                    case .failed: break
                    }
                }
                await connection.close()
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func comeAndGo(_ node: String, _ conninfo: ConnectionInfo) async {
        while !Task.isCancelled {
            if let connection = try? await PostgresConnection.connect(conninfo, deadline: .seconds(1)) {
                _ = await writeIfPrimary(connection, node)
                await connection.close()
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    private enum Attempt { case acknowledged, standby, failed }

    /// Asks for the role first: refused writes would fill the standbys' logs.
    private func writeIfPrimary(_ connection: PostgresConnection, _ node: String) async -> Attempt {
        let asked = try? await connection.query("SELECT pg_is_in_recovery() AS standby", deadline: .seconds(1))
        guard let standby = try? asked?.first().bool("standby") else { return .failed }
        if standby { return .standby }
        let id = Self.lastID.withLock {
            $0 += 1
            return $0
        }
        let sent = ContinuousClock.now
        do {
            let result = try await connection.query(Self.insert, ["\(id)", node], deadline: .seconds(2))
            let now = ContinuousClock.now
            guard let timeline = try UInt32(result.first().text("timeline"), radix: 16) else {
                history.withLock { _ = $0.unknown.insert(id) }
                return .failed
            }
            let write = WriteHistory.Acknowledged(
                id: id, node: node, timeline: timeline, sent: sent, acknowledged: now)
            history.withLock { $0.acknowledged.append(write) }
            return .acknowledged
        } catch {
            let refused = error.sqlState == "25006"  // read-only: nothing was written
            history.withLock { _ = refused ? $0.refused.insert(id) : $0.unknown.insert(id) }
            return .failed
        }
    }
}
