import Foundation
import LibPQ
import Support
import Testing

/// How fast a mesh of three zones comes and fails over: `make bench-zones`. Numbers are printed, and only the generous
/// deadlines of the tests hold.
@Suite(.serialized, .timeLimit(.minutes(15)))
struct ZoneBenchmark {
    private static let rounds = 5

    @Test func zones() async throws {
        let start = ContinuousClock.now
        let world = try await MeshWorld.start()
        print("three zones from empty folders, until all replicate to all: \(Self.ms(start.duration(to: .now)))")
        do {
            try await measure("postmaster killed", world) { $0.killPostmaster }
            try await measure("node killed", world) { node in { try await node.kill() } }
        } catch {
            await world.discard(after: error)
            throw error
        }
        await world.discard()
    }

    private func measure(
        _ words: String, _ world: MeshWorld, _ fault: (ClusterNode) -> () async throws -> Void
    ) async throws {
        var first: [Duration] = []
        var gate: [Duration] = []
        var atPeers: [Duration] = []
        for round in 0..<Self.rounds {
            let zone = world.zones[round % world.zones.count]
            let roles = try await world.whole("before round \(round)")
            let before = try #require(roles[zone.node])
            let heir = try #require(before.replicas.first)
            let peers = world.zones.filter { $0.node != zone.node }.compactMap { roles[$0.node]?.leader }
            let times = try await Self.watch(heir, peers) { try await fault(before.leader)() }
            first.append(times.write)
            gate.append(times.gate)
            atPeers += times.arrivals
        }
        print("\(words), \(Self.rounds) rounds, median (max):")
        print(
            "    first write in the zone after \(Self.summary(first)), of which behind the gate \(Self.summary(gate))")
        print("    the zone's new rows are at a peer after \(Self.summary(atPeers))")
    }

    /// From the fault on: when the heir takes its first write, how long it was out of recovery before, and when each peer
    /// has a row of its.
    private static func watch(
        _ heir: ClusterNode, _ peers: [ClusterNode], _ fault: () async throws -> Void
    ) async throws -> (write: Duration, gate: Duration, arrivals: [Duration]) {
        let connection = try await PostgresConnection.connect(heir.conninfo, deadline: .seconds(5))
        let id = Int64.random(in: 1 << 40...1 << 50)
        let start = ContinuousClock.now
        try await fault()
        var isPrimaryAt: ContinuousClock.Instant?
        let writtenAt = try await eventually("the first write", within: .seconds(40), pace: .milliseconds(2)) {
            if isPrimaryAt == nil {
                let row = try await connection.query("SELECT pg_is_in_recovery() AS standby", deadline: .seconds(5))
                guard try row.first().bool("standby") == false else { return ContinuousClock.Instant?.none }
                isPrimaryAt = .now
            }
            let insert = "INSERT INTO \(MeshWorld.table) VALUES ($1, 'bench', pg_current_wal_insert_lsn())"
            return (try? await connection.query(insert, ["\(id)"], deadline: .seconds(5))).map { _ in .now }
        }
        await connection.close()
        let arrivals = try await withThrowingTaskGroup(of: Duration.self) { group in
            for peer in peers {
                group.addTask {
                    let connection = try await PostgresConnection.connect(peer.conninfo, deadline: .seconds(5))
                    try await eventually("the row is at \(peer.name)", within: .seconds(40), pace: .milliseconds(5)) {
                        try await connection.query(
                            "SELECT 1 FROM \(MeshWorld.table) WHERE id = $1", ["\(id)"], deadline: .seconds(5)
                        ).rows.count == 1
                    }
                    await connection.close()
                    return start.duration(to: .now)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        return (start.duration(to: writtenAt), (isPrimaryAt ?? writtenAt).duration(to: writtenAt), arrivals)
    }

    private static func summary(_ durations: [Duration]) -> String {
        let sorted = durations.sorted()
        return "\(ms(sorted[sorted.count / 2])) (\(ms(sorted[sorted.count - 1])))"
    }

    private static func ms(_ duration: Duration) -> String {
        "\(duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000) ms"
    }
}

extension ClusterNode {
    fileprivate var killPostmaster: () async throws -> Void { { try self.kill(\.postmaster, "postmaster") } }
}
