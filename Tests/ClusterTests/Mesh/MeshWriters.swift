import AdminModel
import HACore
import LibPQ
import Support
import Testing

/// Writes in every zone, to whichever member lets it, and remembers what was acknowledged: each member has a connection
/// that is kept, also through its promotion, and in each zone one comes and goes by `target_session_attrs`.
final class MeshWriters: Sendable {
    struct Row: Hashable, Sendable {
        let id: Int64
        let zone: String
        /// Where its zone's WAL was when it was written.
        let lsn: LSN
    }

    private let world: MeshWorld
    private let rows = Locked<[Row]>([])
    private let tasks = Locked<[Task<Void, Never>]>([])
    private let firstID: Int64
    private static let lastID = Locked<Int64>(0)
    private static let present = Locked<MeshWriters?>(nil)

    /// Writers that have written something in every zone.
    static func atWork(in world: MeshWorld, _ zones: [MeshWorld.Zone]? = nil) async throws -> MeshWriters {
        // Those of a test that failed would write on.
        let former = present.withLock { $0 }
        _ = await former?.stop()
        let writers = MeshWriters(world)
        present.withLock { $0 = writers }
        writers.start()
        try await writers.progress(in: zones)
        return writers
    }

    private init(_ world: MeshWorld) {
        self.world = world
        firstID = Self.lastID.withLock { $0 } + 1
    }

    private func start() {
        tasks.withLock { running in
            for zone in world.zones {
                for node in zone.cluster.nodes {
                    running.append(Task { await self.keep(zone.node, node.conninfo) })
                }
                running.append(Task { await self.comeAndGo(zone) })
            }
        }
    }

    /// - Returns: the acknowledged rows.
    func stop() async -> [Row] {
        let running = tasks.withLock { tasks in
            defer { tasks = [] }
            return tasks
        }
        for task in running { task.cancel() }
        for task in running { await task.value }
        return rows.withLock { $0 }
    }

    /// Waits for more rows of each zone than there are now.
    func progress(_ count: Int = 20, in zones: [MeshWorld.Zone]? = nil) async throws {
        func counts() -> [String: Int] { rows.withLock { Dictionary(grouping: $0, by: \.zone).mapValues(\.count) } }
        let before = counts()
        for zone in zones ?? world.zones {
            try await eventually("\(count) more rows in \(zone.node)", within: AgentCommand.deadline(30)) {
                counts()[zone.node, default: 0] >= before[zone.node, default: 0] + count
            }
        }
    }

    private func keep(_ zone: String, _ conninfo: ConnectionInfo) async {
        while !Task.isCancelled {
            if let connection = try? await PostgresConnection.connect(conninfo, deadline: .seconds(1)) {
                while !Task.isCancelled, await connection.isUsable {
                    let isWritten = await write(connection, zone)
                    try? await Task.sleep(for: .milliseconds(isWritten ? 10 : 20))
                }
                await connection.close()
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private func comeAndGo(_ zone: MeshWorld.Zone) async {
        var conninfo = zone.cluster.nodes[0].conninfo
        conninfo["host"] = zone.cluster.nodes.map { _ in "127.0.0.1" }.joined(separator: ",")
        conninfo["port"] = zone.cluster.nodes.map { "\($0.port)" }.joined(separator: ",")
        conninfo["target_session_attrs"] = "primary"
        while !Task.isCancelled {
            if let connection = try? await PostgresConnection.connect(conninfo, deadline: .seconds(2)) {
                _ = await write(connection, zone.node)
                await connection.close()
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Asks for the role first: refused writes would fill the standbys' logs.
    private func write(_ connection: PostgresConnection, _ zone: String) async -> Bool {
        let asked = try? await connection.query("SELECT pg_is_in_recovery() AS standby", deadline: .seconds(1))
        guard (try? asked?.first().bool("standby")) == false else { return false }
        let id = Self.lastID.withLock {
            $0 += 1
            return $0
        }
        let result = try? await connection.query(
            """
            INSERT INTO \(MeshWorld.table) (id, node, lsn) VALUES ($1, $2, pg_current_wal_insert_lsn())
            RETURNING lsn
            """, ["\(id)", zone], deadline: .seconds(2))
        guard let lsn = (try? result?.first().text("lsn")).flatMap({ LSN($0) }) else { return false }
        rows.withLock { $0.append(Row(id: id, zone: zone, lsn: lsn)) }
        return true
    }

    /// Ends the writers and compares the zones row for row, once nothing comes any more.
    ///
    /// Every row that some zone has is in all of them, or the records name a range of its zone's WAL that holds it, and
    /// that the zone in question has lost or not got.
    /// - Parameter loser: the only zone that may have lost rows of its own; nil: any.
    /// - Returns: how many rows differ, each within a range that was reported.
    @discardableResult
    func expectTheSameEverywhere(
        _ words: String, zones wanted: [MeshWorld.Zone]? = nil, lostIn loser: MeshWorld.Zone? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Int {
        let zones = wanted ?? world.zones
        let acknowledged = await stop()
        var present: [String: Set<Int64>] = [:]
        var differing: [Int64: Set<String>] = [:]
        let ranges = try await reported(zones)
        var unexplained: [Row] = []
        do {
            try await eventually("the zones are the same", within: AgentCommand.deadline(30), pace: .milliseconds(200))
            {
                present = [:]
                for zone in zones { present[zone.node] = try await self.present(in: zone) }
                differing = Self.differing(present)
                return differing.isEmpty
            }
        } catch is EventuallyTimedOut {
            let known = Dictionary(acknowledged.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
            for id in differing.keys.sorted() {
                guard let row = known[id] else { continue }
                let isPossible = loser == nil || (row.zone == loser?.node && differing[id] != nil)
                if !isPossible || !ranges.contains(where: { $0.covers(row) }) { unexplained.append(row) }
            }
        }
        let counts = present.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.count)" }.joined(separator: ", ")
        report("\(words): \(acknowledged.count) rows acknowledged, \(counts), \(differing.count) differ")
        #expect(
            unexplained.isEmpty, "\(words): rows are missing and nothing says so: \(unexplained.prefix(5)), \(ranges)",
            sourceLocation: sourceLocation)
        return differing.count
    }

    private func present(in zone: MeshWorld.Zone) async throws -> Set<Int64> {
        let leader = try await zone.cluster.whole().leader
        let result = try await leader.query("SELECT id FROM \(MeshWorld.table) WHERE id >= $1", ["\(firstID)"])
        return Set(result.rows.compactMap { $0["id"].flatMap { Int64($0) } })
    }

    /// By row, the zones that lack it.
    private static func differing(_ present: [String: Set<Int64>]) -> [Int64: Set<String>] {
        let all = present.values.reduce(into: Set<Int64>()) { $0.formUnion($1) }
        var differing: [Int64: Set<String>] = [:]
        for (zone, rows) in present {
            for id in all.subtracting(rows) { differing[id, default: []].insert(zone) }
        }
        return differing
    }

    /// A range of one zone's WAL in which rows may be missing somewhere.
    private struct Range: Sendable {
        let provider: String
        let from: LSN
        let to: LSN
        func covers(_ row: Row) -> Bool {
            // A row is written a little before its commit, which is what counts.
            row.zone == provider && row.lsn <= to && row.lsn.rawValue + 65_536 > from.rawValue
        }
    }

    private func reported(_ zones: [MeshWorld.Zone]) async throws -> [Range] {
        var ranges: [Range] = []
        for zone in zones {
            let record = try MeshRecord(json: .object(try await world.record(of: zone)))
            for finding in record.findings {
                guard let range = finding.range else { continue }
                let provider = finding.kind == .gap ? finding.link.peer : zone.node
                ranges.append(Range(provider: provider, from: range.from, to: range.to))
            }
        }
        return ranges
    }
}
