import AdminModel
import HACore
import LibPQ
import Logging
import Support
import Testing

@testable import Agent

/// One primary for the suite; each test removes the slots that it finds.
private let shared = Task { () throws -> PostgresInstance in
    let server = try await PostgresInstance("slots")
    try await server.start(["max_replication_slots": "20", "wal_level": "logical"])
    return server
}

@Suite(
    "Replication slots of members", .serialized, .timeLimit(.minutes(2)),
    .enabled(if: PostgresInstance.installedBinaries != nil))
struct SlotMaintenanceTests {
    private static func settings(_ dcs: String = "{}") throws -> Agent.ClusterSettings {
        let yaml = """
            scope: gold
            name: Node-0.a
            restapi: {listen: "10.0.0.1:8008", connect_address: "10.0.0.1:8008"}
            zookeeper: {hosts: ["10.0.0.1:2181"]}
            bootstrap: {dcs: \(dcs)}
            postgresql:
              listen: 10.0.0.1:5432
              data_dir: /nonexistent
              authentication: {superuser: {username: postgres}, replication: {username: replicator}}
            """
        return Agent.ClusterSettings(local: try ConfigFixture.load(yaml).config)
    }

    private struct Setting {
        let server: PostgresInstance
        let slots: SlotMaintenance
        let log: LogCollector

        func names() async throws -> [String] {
            try await server.query("SELECT slot_name FROM pg_replication_slots ORDER BY 1").rows.map {
                try $0.text("slot_name")
            }
        }

        func restart(_ name: String) async throws -> LSN? {
            try await server.query("SELECT restart_lsn AS lsn FROM pg_replication_slots WHERE slot_name = $1", [name])
                .rows.first?["lsn"].flatMap { LSN($0) }
        }

        func position() async throws -> LSN {
            let row = try await server.query("SELECT pg_current_wal_flush_lsn() AS lsn").first()
            return try #require(LSN(try row.text("lsn")))
        }
    }

    private func withServer(_ dcs: String = "{}", _ body: (Setting) async throws -> Void) async throws {
        let server = try await shared.value
        try await server.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        let log = LogCollector()
        let info = server.conninfo
        let slots = SlotMaintenance(
            me: "Node-0.a", settings: try Self.settings(dcs), info: { info }, logger: log.logger)
        try await body(Setting(server: server, slots: slots, log: log))
    }

    private func member(_ name: MemberID, tags: JSONObject = [:]) -> (name: MemberID, record: MemberRecord) {
        var record = MemberRecord()
        record.tags = Tags(tags)
        return (name, record)
    }

    @Test("the leader has a slot for each other member, and says where they stand")
    func leader() async throws {
        try await withServer { setting in
            let own = try await setting.position()
            let members = [
                member("Node-0.a"), member("node-1"), member("Node 2"), member("archive", tags: ["nostream": true]),
            ]
            for _ in 0..<2 {
                await setting.slots.maintain(members: members, leader: "Node-0.a", status: nil, own: own)
                #expect(try await setting.names() == ["node_1", "nodeu00322"])
            }
            let record = await setting.slots.record(position: own)
            #expect(record.slots.map(\.name) == ["node_0_a", "node_1", "nodeu00322"])
            #expect(record.slots.first?.position == own)
            #expect(try await record.slots.last?.position == setting.restart("nodeu00322"))
            #expect(record.retained == ["node_0_a", "node_1", "nodeu00322"])
            #expect(setting.log.lines.withLock { $0 }.isEmpty)
        }
    }

    @Test("the slot of a member that stays away goes after member_slots_ttl, so does one that nobody knows")
    func stayedAway() async throws {
        try await withServer(#"{"member_slots_ttl":1}"#) { setting in
            let own = try await setting.position()
            try await setting.server.query("SELECT pg_create_physical_replication_slot('somebody')")
            let former = StatusRecord(optime: own, retainSlots: ["node_3"])
            await setting.slots.maintain(
                members: [member("node-1"), member("node-2")], leader: "Node-0.a", status: former, own: own)
            #expect(try await setting.names() == ["node_1", "node_2", "node_3"])
            try await eventually("the slots of those that left are dropped", within: .seconds(10)) {
                await setting.slots.maintain(members: [member("node-2")], leader: "Node-0.a", status: former, own: own)
                return try await setting.names() == ["node_2"]
            }
        }
    }

    @Test("a member that left keeps its slot for a while, what is to be ignored stays, what nobody knows goes")
    func left() async throws {
        let ignored = #"{"ignore_slots": [{"name": "somebody", "type": "physical"}, {"plugin": "test_decoding"}]}"#
        try await withServer(ignored) { setting in
            let own = try await setting.position()
            try await setting.server.query("SELECT pg_create_physical_replication_slot('somebody')")
            try await setting.server.query("SELECT pg_create_logical_replication_slot('decoded', 'test_decoding')")
            try await setting.server.query("SELECT pg_create_logical_replication_slot('unknown', 'pgoutput')")
            await setting.slots.maintain(
                members: [member("node-1"), member("node-2")], leader: "Node-0.a", status: nil, own: own)
            await setting.slots.maintain(members: [member("node-2")], leader: "Node-0.a", status: nil, own: own)
            #expect(try await setting.names() == ["decoded", "node_1", "node_2", "somebody"])
            let record = await setting.slots.record(position: own)
            #expect(record.retained == ["node_0_a", "node_1", "node_2"])
            #expect(
                record.slots.map(\.name) == ["node_0_a", "node_1", "node_2"], "a slot without a position says none")
        }
    }

    @Test("a slot of our own name, left by another's time, is not said twice")
    func ownName() async throws {
        try await withServer { setting in
            try await setting.server.query("SELECT pg_create_physical_replication_slot('node_0_a', true)")
            let own = try await setting.position()
            await setting.slots.maintain(members: [member("node-1")], leader: "Node-0.a", status: nil, own: own)
            let record = await setting.slots.record(position: own)
            #expect(record.slots.map(\.name) == ["node_0_a", "node_1"])
            #expect(record.slots.first?.position == own)
        }
    }

    @Test("who does not lead moves them to where the leader says, never past its own end")
    func follower() async throws {
        try await withServer { setting in
            let members = [member("node-1"), member("node-2")]
            await setting.slots.maintain(
                members: members, leader: "node-1", status: nil, own: try await setting.position())
            let before = try #require(try await setting.restart("node_1"))
            try await setting.server.query("CREATE TABLE t AS SELECT generate_series(1, 1000)")
            try await setting.server.query("SELECT pg_switch_wal()")
            try await setting.server.query("DROP TABLE t")
            let own = try await setting.position()
            let between = LSN(before.rawValue + 64)
            let status = StatusRecord(
                optime: own,
                slots: [
                    .init(name: "node_1", position: between),
                    .init(name: "node_2", position: LSN(own.rawValue + 1 << 30)),
                ])
            await setting.slots.maintain(members: members, leader: "node-1", status: status, own: own)
            #expect(try await setting.restart("node_1") == between)
            #expect(try await setting.restart("node_2") == own)
            #expect(setting.log.lines.withLock { $0 }.isEmpty)
        }
    }

    @Test("permanent slots stand beside those of members")
    func permanent() async throws {
        try await withServer(#"{"slots": {"archive": {"type": "physical"}, "node_0_a": {"type": "physical"}}}"#) {
            setting in
            await setting.slots.maintain(
                members: [member("node-1")], leader: "Node-0.a", status: nil, own: try await setting.position())
            #expect(try await setting.names() == ["archive", "node_1"])
        }
    }

    @Test(
        "nothing is done where the cluster does not want it",
        arguments: [(#"{"postgresql": {"use_slots": false}}"#, true), (#"{"member_slots_ttl": 0}"#, false)])
    func unwanted(dcs: String, leads: Bool) async throws {
        try await withServer(dcs) { setting in
            let own = try await setting.position()
            await setting.slots.maintain(
                members: [member("node-1")], leader: leads ? "Node-0.a" : "node-1", status: nil, own: own)
            #expect(try await setting.names() == [])
            #expect(await setting.slots.record(position: own).slots == [.init(name: "node_0_a", position: own)])
        }
    }

    @Test("a server that does not answer is said, and what was known stays")
    func unreachable() async throws {
        try await withServer { setting in
            let own = try await setting.position()
            let log = LogCollector()
            let port = try FreePort.next()
            let nowhere = setting.server.conninfo.with("port", String(port))
            let good = setting.server.conninfo
            let target = Locked(good)
            let slots = SlotMaintenance(
                me: "Node-0.a", settings: try Self.settings(), info: { target.withLock { $0 } }, logger: log.logger)
            await slots.maintain(members: [member("node-1")], leader: "Node-0.a", status: nil, own: own)
            target.withLock { $0 = nowhere }
            await slots.maintain(
                members: [member("node-1"), member("node-2")], leader: "Node-0.a", status: nil, own: own)
            #expect(log.count("cannot look after replication slots") == 1)
            #expect(await slots.record(position: own).slots.map(\.name) == ["node_0_a", "node_1"])
            target.withLock { $0 = good }
            await slots.maintain(
                members: [member("node-1"), member("node-2")], leader: "Node-0.a", status: nil, own: own)
            #expect(try await setting.names() == ["node_1", "node_2"])
        }
    }
}
