import AdminModel
import Foundation
import HACore
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Three zones that all write: whatever one of them goes through, every row is everywhere in the end, or somebody says
    /// which are not.
    @Suite(.serialized, .mesh) struct Mesh {
        @Test func fromEmptyFoldersToAMesh() async throws {
            let world = try await SharedMesh.whole()
            let roles = try await world.whole()
            for zone in world.zones {
                let leader = try #require(roles[zone.node]?.leader)
                // I1, I2
                let nodes = try await leader.query(
                    "SELECT n.node_name FROM spock.local_node l JOIN spock.node n ON n.node_id = l.node_id"
                ).rows.map { try $0.text("node_name") }
                #expect(nodes == [zone.node])
                let subscriptions = try await leader.query(
                    """
                    SELECT count(*) AS n, bool_and(sub_enabled) AS enabled,
                        bool_and(coalesce(array_length(sub_forward_origins, 1), 0) = 0) AS plain
                    FROM spock.subscription
                    """
                ).first()
                #expect(try subscriptions.int64("n") == 2)
                #expect(try subscriptions.bool("enabled") == true && subscriptions.bool("plain") == true)
                // I5
                let texts = try await leader.query("SELECT if_dsn FROM spock.node_interface").rows
                for row in texts {
                    #expect(try !row.text("if_dsn").contains(ClusterSettings.Passwords.canary))
                }
                let tree = try await ClusterTree.with(zone.cluster) { try await $0.text("spock") }
                #expect(try !#require(tree).contains(ClusterSettings.Passwords.canary))
                #expect(!leader.logText.contains(ClusterSettings.Passwords.canary))
            }
            // I3: nothing is done any more.
            let said = world.zones.flatMap(\.cluster.nodes).map { ($0, $0.logText) }
            try await stays("the mesh is left alone", for: .seconds(4)) {
                said.allSatisfy { node, before in
                    !node.logText(since: before).split(separator: "\n").contains {
                        $0.contains(" database postgres: ") && !$0.contains("advancing slot")
                    }
                }
            }
            let writers = try await MeshWriters.atWork(in: world)
            #expect(try await writers.expectTheSameEverywhere("at rest") == 0)
        }

        @Test func theCommandLineShowsIt() async throws {
            let world = try await SharedMesh.whole()
            let writers = try await MeshWriters.atWork(in: world)
            #expect(try await writers.expectTheSameEverywhere("before a look") == 0)
            let cluster = world.zones[0].cluster
            let tool = try CommandLineTool.matriarchctl()
            func run(_ arguments: String..., code: Int32 = 0) async throws -> String {
                let output = try await tool.run(
                    ["-c", cluster.nodes[0].place.configuration] + arguments,
                    environment: ["PGPASSWORD": cluster.settings.passwords.superuser], in: cluster.folder)
                #expect(output.code == code, "\(arguments): \(output)")
                #expect(!(output.out + output.error).contains(ClusterSettings.Passwords.canary))
                return output.out
            }
            let status = try await run("spock", "status")
            for zone in world.zones { #expect(status.contains(zone.node), "\(status)") }
            #expect(status.contains("replicating"))
            #expect(try await run("spock", "plan", "-U", "postgres").isEmpty == false)
            _ = try await run("spock", "diff", "n2", "-U", "postgres")
            let leader = try await world.zones[1].cluster.whole().leader
            // Only there: as if it had been skipped.
            try await leader.query(
                """
                SELECT pg_replication_origin_create('elsewhere') WHERE NOT EXISTS (
                    SELECT 1 FROM pg_replication_origin WHERE roname = 'elsewhere')
                """)
            let connection = try await PostgresConnection.connect(leader.conninfo, deadline: .seconds(5))
            try await connection.query("SELECT pg_replication_origin_session_setup('elsewhere')", deadline: .seconds(5))
            try await connection.query(
                "INSERT INTO \(MeshWorld.table) VALUES (-1, 'n2', '0/0')", deadline: .seconds(5))
            await connection.close()
            let differing = try await run("spock", "diff", "n2", MeshWorld.table, "-U", "postgres", code: 1)
            #expect(differing.contains("-1"), "\(differing)")

            let taken = try await run("spock", "resync", "n2", MeshWorld.table, "--force")
            #expect(taken.contains("n1: taken by "), "\(taken)")
            try await eventually("the table is copied", within: AgentCommand.deadline(60)) {
                let here = try await cluster.whole().leader
                return try await here.query("SELECT FROM \(MeshWorld.table) WHERE id = -1").rows.count == 1
            }
            try await world.whole("after the copy")
            _ = try await run("spock", "diff", "n2", MeshWorld.table, "-U", "postgres")
            _ = try await run("spock", "accept", "n2", "--force", code: 1)
            try await leader.query("DELETE FROM \(MeshWorld.table) WHERE id = -1")
        }

        /// I6 to I8, I10, I12.
        @Test func eachPrimaryIsKilledInTurn() async throws {
            let world = try await SharedMesh.whole()
            let writers = try await MeshWriters.atWork(in: world)
            for zone in world.zones {
                let before = try await zone.cluster.whole()
                try await before.leader.kill()
                try await writers.progress(in: [zone])
                try before.leader.start()
                let after = try await world.whole("after the kill of \(before.leader.name)")
                #expect(after[zone.node]?.leader !== before.leader)
                try await writers.progress()
            }
            try await writers.expectTheSameEverywhere("each zone's primary killed")
        }

        @Test func aPostmasterDiesInEachZone() async throws {
            let world = try await SharedMesh.whole()
            let writers = try await MeshWriters.atWork(in: world)
            for zone in world.zones {
                let before = try await zone.cluster.whole()
                try before.leader.kill(\.postmaster, "postmaster")
                try await writers.progress(in: [zone])
                try await world.whole("after the end of PostgreSQL in \(zone.node)")
            }
            try await writers.progress()
            try await writers.expectTheSameEverywhere("each zone's postmaster killed")
        }

        /// I22: the old primary lives on, and what it goes on to take from its peers is missing on the new one.
        @Test func aCutOffPrimaryIsLeftBehind() async throws {
            let world = try await SharedMesh.whole()
            let zone = world.zones[0]
            let before = try await zone.cluster.whole()
            let writers = try await MeshWriters.atWork(in: world)
            let wires = try #require(zone.wires.withLock { $0[before.leader.name] })
            let zooKeeper = try world.zooKeeper.wire(of: before.leader)
            for wire in [wires.postgres, wires.rest, zooKeeper] { wire.cut() }
            let other = try #require(before.replicas.first)
            try await eventually("\(other.name) leads", within: AgentCommand.deadline(40), pace: .milliseconds(100)) {
                await other.rest("/primary") == 200
            }
            for wire in [wires.postgres, wires.rest, zooKeeper] { wire.mend() }
            try await world.whole("after the cut", within: AgentCommand.deadline(60))
            try await writers.progress()
            try await writers.expectTheSameEverywhere("a primary cut off")
        }

        /// The three losses of contract/spock.md 3.4 at once: the peers have what the promoted standby lacks, their own rows
        /// among it, and are further than where it begins to write. What can be mended is, and the rest is named.
        @Test func aStandbyThatLagsIsPromoted() async throws {
            let world = try await SharedMesh.whole()
            let zone = world.zones[0]
            let before = try await zone.cluster.whole()
            let standby = try #require(before.replicas.first)
            let writers = try await MeshWriters.atWork(in: world)
            let receiver = try #require(standby.backend("walreceiver"))
            ProcessTable.signal(SIGSTOP, receiver)
            try await writers.progress(100)
            try await before.leader.kill()
            // What lies in its socket must not be read any more.
            ProcessTable.signal(SIGKILL, receiver)
            try await writers.progress(in: [zone])
            try before.leader.start()
            try await world.whole("after the promotion of a standby that lagged", within: AgentCommand.deadline(60))
            try await writers.progress()
            let differing = try await writers.expectTheSameEverywhere("a standby that lagged", lostIn: zone)
            #expect(differing > 0, "the peers had nothing that the standby lacked")
            let record = try MeshRecord(json: .object(try await world.record(of: zone)))
            #expect(record.findings.contains { $0.kind == .ahead && $0.range != nil })
        }

        @Test func aSwitchoverLosesNothing() async throws {
            let world = try await SharedMesh.whole()
            let writers = try await MeshWriters.atWork(in: world)
            for zone in world.zones {
                try await writers.progress()
                let before = try await zone.cluster.whole()
                let answer = try await Rest.ask(
                    before.replicas[0], "switchover", ["leader": .string(before.leader.name)])
                #expect(answer.status == 200, "\(answer.body)")
                let after = try await world.whole("after the switchover in \(zone.node)")
                #expect(after[zone.node]?.leader !== before.leader)
            }
            try await writers.progress()
            #expect(try await writers.expectTheSameEverywhere("switchovers") == 0)
        }

        @Test func twoZonesFailAtOnce() async throws {
            let world = try await SharedMesh.whole()
            let writers = try await MeshWriters.atWork(in: world)
            let failing = world.zones.prefix(2)
            for zone in failing {
                try await zone.cluster.whole().leader.kill(\.postmaster, "postmaster")
            }
            try await writers.progress(in: Array(failing))
            try await world.whole("after two zones failed")
            try await writers.progress()
            try await writers.expectTheSameEverywhere("two zones at once")
        }

        @Test func aPeerThatDoesNotAnswerIsNotWaitedForLong() async throws {
            let world = try await SharedMesh.whole()
            let (zone, silent) = (world.zones[0], world.zones[1])
            let writers = try await MeshWriters.atWork(in: world)
            let agent = try #require(try await silent.cluster.whole().leader.agent)
            ProcessTable.signal(SIGSTOP, agent)
            try await zone.cluster.whole().leader.kill(\.postmaster, "postmaster")
            try await writers.progress(in: [zone])
            ProcessTable.signal(SIGCONT, agent)
            try await world.whole("after the silence")
            try await writers.progress()
            try await writers.expectTheSameEverywhere("a silent peer")
        }

        @Test func everythingIsRestarted() async throws {
            let world = try await SharedMesh.whole()
            let writers = try await MeshWriters.atWork(in: world)
            for zone in world.zones { for node in zone.cluster.nodes { try await node.kill() } }
            try await world.whole("after everything was killed", within: AgentCommand.deadline(60))
            try await writers.progress()
            try await writers.expectTheSameEverywhere("a restart of everything")
        }

        /// I15. The last: the zone does not come back.
        @Test func zoneThatIsGoneIsRemoved() async throws {
            let world = try await SharedMesh.whole()
            let gone = world.zones[2]
            for node in gone.cluster.nodes { try await node.kill() }
            let left = Array(world.zones.prefix(2))
            for zone in left {
                let leader = try await zone.cluster.whole().leader
                let answer = try await Rest.ask(leader, "spock/remove", ["node": .string(gone.node)])
                #expect(answer.status == 200, "\(answer.body)")
            }
            for zone in left {
                let leader = try await zone.cluster.whole().leader
                try await eventually("\(zone.node) has nothing of \(gone.node)", within: AgentCommand.deadline(30)) {
                    let row = try await leader.query(
                        """
                        SELECT (SELECT count(*) FROM spock.subscription) AS subscriptions,
                            (SELECT count(*) FROM pg_replication_origin WHERE roname LIKE 'pgl%') AS origins,
                            (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical') AS slots,
                            (SELECT count(*) FROM spock.node WHERE node_name = $1) AS nodes,
                            (SELECT count(*) FROM spock.node_interface) AS interfaces
                        """, [gone.node]
                    ).first()
                    return try row.int64("subscriptions") == 1 && row.int64("origins") == 1 && row.int64("slots") == 2
                        && row.int64("nodes") == 0 && row.int64("interfaces") == 2
                }
            }
            try await world.whole("without a zone", zones: left)
            let writers = try await MeshWriters.atWork(in: world, left)
            #expect(try await writers.expectTheSameEverywhere("two zones of three", zones: left) == 0)
            await SharedMesh.current?.discard()
        }
    }
}

/// The three zones that the tests of the suite share: each finds them whole, and new ones when the last test broke them.
actor SharedMesh {
    @TaskLocal static var current: SharedMesh?
    private var world: MeshWorld?

    static func whole() async throws -> MeshWorld {
        guard let current else { throw SupportError("the suite has no .mesh trait") }
        return try await current.whole()
    }

    private func whole() async throws -> MeshWorld {
        if let world {
            do {
                try await world.whole()
                return world
            } catch {
                await world.discard(after: error)
                self.world = nil
            }
        }
        let made = try await MeshWorld.start()
        world = made
        return made
    }

    func discard() async {
        await world?.discard()
        world = nil
    }
}

/// Gives a suite its three zones, which end with the suite.
struct MeshTrait: SuiteTrait, TestScoping {
    var isRecursive: Bool { false }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let shared = SharedMesh()
        do {
            try await SharedMesh.$current.withValue(shared) { try await function() }
        } catch {
            await shared.discard()
            throw error
        }
        await shared.discard()
    }
}

extension Trait where Self == MeshTrait {
    static var mesh: MeshTrait { MeshTrait() }
}
