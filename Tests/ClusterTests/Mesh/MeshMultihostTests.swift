import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Workers that find a peer's leader by a list of its members: no gate of theirs, and that is said.
    @Suite(.serialized) struct MeshMultihost {
        @Test func peersFollowByThemselves() async throws {
            let world = try await MeshWorld.start(
                zones: 2, ["dsn: {mode: multihost, user: postgres}", "failover: {apply_gate: none}"])
            do { try await follow(world) } catch {
                await world.discard(after: error)
                throw error
            }
            await world.discard()
        }

        private func follow(_ world: MeshWorld) async throws {
            let zone = world.zones[0]
            let peer = try await world.zones[1].cluster.whole().leader
            let text = try await peer.query(
                "SELECT sub_origin_if, if_dsn FROM spock.node_interface i "
                    + "JOIN spock.subscription s ON s.sub_origin_if = i.if_id"
            ).first().text("if_dsn")
            for node in zone.cluster.nodes {
                let port = try #require(zone.wires.withLock { $0[node.name]?.postgres.port })
                #expect(text.contains("\(port)"), "\(text)")
            }
            var writers = try await MeshWriters.atWork(in: world)
            #expect(try await writers.expectTheSameEverywhere("multihost, before") == 0)
            let before = try await zone.cluster.whole()
            try before.leader.kill(\.postmaster, "postmaster")
            let after = try await world.whole("after a failover")
            #expect(after[zone.node]?.leader !== before.leader)
            // The same text, another member.
            #expect(
                try await peer.query("SELECT 1 FROM spock.node_interface WHERE if_dsn = $1", [text]).rows.count == 1)
            // Peers skip what is written up to where they had come; nothing but the gate that is missing here sees to that.
            try await after[zone.node]?.leader.query("SELECT pg_switch_wal()")
            writers = try await MeshWriters.atWork(in: world)
            #expect(try await writers.expectTheSameEverywhere("multihost, after a failover") == 0)
        }
    }
}
