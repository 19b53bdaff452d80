import AdminModel
import Foundation
import HACore
import LibPQ
import LocalConfiguration
import Logging
import PostgresControl
import Support
import SystemPackage
import Testing
import ZooKeeper

@testable import Agent

/// A primary `n1`, its standby `n2`, and what keeps slots on the latter.
private final class SlotScene: Sendable {
    let primary: PostgresInstance
    let standby: PostgresInstance
    let latest = Latest()
    let orders = OrderBook {}
    let log = LogCollector()
    let isPaused = Locked(false)
    let keeper: MeshSlotKeeper
    private let standbySettings: [String: String]

    static let settings = ["wal_level": "logical", "hot_standby_feedback": "on"]
    static let mesh = {
        var settings = MeshSettings(mesh: "m", node: "n", databases: ["postgres"])
        settings.copyInterval = .milliseconds(300)
        return settings
    }()

    init(_ name: String, session: ZooKeeperSession, layout: ZNodeLayout) async throws {
        let binaries = try await DecodingInstallation.binaries()
        let primary = try await PostgresInstance(name, binaries: binaries)
        let standby = try await PostgresInstance("\(name)-b", binaries: binaries, empty: true)
        try await primary.start(Self.settings)
        try await primary.query("CREATE TABLE t (n int)")
        try await primary.query("SELECT pg_create_physical_replication_slot('n2', true)")
        try await PostgresInstance.run(
            "\(binaries)/pg_basebackup",
            [
                "--pgdata=\(standby.dataDirectory)", "--checkpoint=fast", "-h", "127.0.0.1", "-p", String(primary.port),
                "-U", PostgresInstance.superuser,
            ], environment: ["PGPASSWORD": PostgresInstance.password], log: standby.folder.path("basebackup.log"))
        let passfile = Passfile(
            path: FilePath(standby.folder.path("pgpass")),
            entries: [
                .init(
                    host: "127.0.0.1", port: Int(primary.port), user: PostgresInstance.superuser,
                    password: Secret(PostgresInstance.password))
            ])
        try await passfile.write()
        let upstream = Upstream(
            host: "127.0.0.1", port: Int(primary.port), user: PostgresInstance.superuser, passfile: passfile.path)
        standbySettings = Self.settings.merging(
            ["primary_conninfo": upstream.primaryConninfo(applicationName: "n2"), "primary_slot_name": "n2"]
        ) { $1 }
        self.primary = primary
        self.standby = standby
        let (latest, isPaused) = (latest, isPaused)
        keeper = MeshSlotKeeper(
            .init(
                me: "n2", majorVersion: 15, dataDirectory: FilePath(standby.dataDirectory), latest: latest,
                mesh: { Self.mesh }, mayLead: { true }, upstream: { $0 == "n1" ? upstream : nil },
                local: { standby.conninfo },
                parameters: { ["wal_level": "logical", "max_replication_slots": "10"] }, wake: {}),
            restarter: SlotRestarter(
                latest: latest, orders: orders,
                turn: SlotTurn(path: layout.slotTurn, me: "n2", session: { session }), isStrict: { true },
                isPaused: { isPaused.withLock { $0 } }, logger: log.logger),
            logger: log.logger)
        latest.tree = tree(synchronous: [])
        try await look()
    }

    func tree(synchronous: Set<MemberID>) -> TreeSnapshot {
        var view = StoreView(session: 2, readAt: Instant.now)
        view.leader = .init(member: "n1", term: Term(7), session: 1, version: 1)
        view.sync = .init(leader: "n1", standbys: synchronous, version: 1)
        return TreeSnapshot(view: view, members: [], sync: .off, failover: FailoverRecord())
    }

    /// What the loop would do before it decides.
    func look() async throws {
        let inspector = DataDirectoryInspector(
            installation: Installation(binDir: FilePath(standby.binaries)), majorVersion: 15)
        var local = LocalPostgres(
            directory: await inspector.inspect(FilePath(standby.dataDirectory)),
            process: standby.isRunning ? .running(as: .standby) : .absent)
        if standby.isRunning {
            local.startedAt = latest.local?.startedAt ?? Instant.now
            let connection = try await standby.connect()
            local.sql = try await StatusProbe.read(connection, deadline: .seconds(5)).sql
            await connection.close()
        }
        latest.local = local
    }

    /// - Parameter names: slots that are copied before: a start waits for the leader no longer than a second, and on a busy
    ///   machine that is not always enough.
    func start(with names: String...) async throws {
        try await eventually("the copies are there", within: .seconds(60)) {
            await keeper.prepareStart()
            return names.allSatisfy {
                FileManager.default.fileExists(atPath: "\(standby.dataDirectory)/pg_replslot/\($0)/state")
            }
        }
        try await StandbySignal.write(in: FilePath(standby.dataDirectory))
        try await standby.start(standbySettings)
        latest.local?.startedAt = nil
        try await look()
    }

    func maintain() async throws {
        try await look()
        await keeper.maintain(recorded: [])
    }

    func makeSlot(_ name: String) async throws {
        try await primary.query("SELECT pg_create_logical_replication_slot($1, 'spock_output')", [name])
    }

    func end() async {
        await standby.discard()
        await primary.discard()
    }
}

@Suite(
    "Slots of a mesh on a standby", .serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct MeshSlotKeeperTests {
    private func withScene(_ name: String, _ body: (SlotScene, ZooKeeperSession, ZNodeLayout) async throws -> Void)
        async throws
    {
        let layout = try SharedZooKeeper.layout()
        try await withSession(try await SharedZooKeeper.host()) { session in
            try await session.prepare(layout)
            let scene = try await SlotScene(name, session: session, layout: layout)
            try await body(scene, session, layout)
            await scene.end()
        }
    }

    @Test("A slot that is new takes one restart, for all that are missing, in its turn")
    func aNewSlotTakesOneRestart() async throws {
        try await withScene("keeper") { scene, session, layout in
            try await scene.makeSlot("first")
            try await scene.start(with: "first")
            try await eventually("what was there before the start is proved") {
                try await scene.maintain()
                return scene.keeper.usableSlots == ["first"]
            }
            for name in ["hold_first", "second"] { try await scene.makeSlot(name) }
            scene.isPaused.withLock { $0 = true }
            try await eventually("nothing is restarted in pause") {
                try await scene.maintain()
                return scene.log.count("the cluster is paused") == 1
            }
            scene.isPaused.withLock { $0 = false }
            scene.latest.tree = scene.tree(synchronous: ["n2"])
            try await eventually("nor the only synchronous standby in strict mode") {
                try await scene.maintain()
                return scene.log.count("it is the only synchronous standby") == 1
            }
            #expect(scene.orders.current == nil)
            scene.latest.tree = scene.tree(synchronous: [])
            try await eventually("a restart is ordered") {
                try await scene.maintain()
                return scene.orders.current?.kind == .restart(timeout: nil)
            }
            #expect(try await session.text(layout.slotTurn) == "n2")
            #expect(scene.log.count("its promotion: hold_first is missing here; second is missing here") == 1)

            // The loop's part.
            let order = try #require(scene.orders.current)
            try await scene.standby.stop()
            try await scene.start(with: "first", "hold_first", "second")
            scene.orders.finish(order.id, .done)
            try await eventually("all three are proved, and it is another's turn") {
                try await scene.maintain()
                let holder = try await session.exists(layout.slotTurn, deadline: patience)
                return scene.keeper.usableSlots == ["first", "hold_first", "second"] && holder == nil
            }
            #expect(scene.orders.current == nil)
        }
    }

    @Test("A copy follows its slot, and goes with it")
    func followsAndGoes() async throws {
        try await withScene("follow") { scene, _, _ in
            try await scene.makeSlot("mesh")
            try await scene.start(with: "mesh")
            try await scene.primary.query("INSERT INTO t VALUES (1)")
            try await scene.primary.query(
                "SELECT pg_replication_slot_advance('mesh', pg_current_wal_flush_lsn())")
            let wanted = try await Self.confirmed(scene.primary)
            try await eventually("it follows") {
                try await scene.maintain()
                return try await Self.confirmed(scene.standby) == wanted && scene.keeper.usableSlots == ["mesh"]
            }
            try await scene.primary.query("SELECT pg_drop_replication_slot('mesh')")
            try await eventually("it goes") {
                try await scene.maintain()
                return try await Self.confirmed(scene.standby) == nil && scene.keeper.usableSlots == []
            }
            #expect(scene.log.count("the copy of slot mesh is dropped") == 1)
        }
    }

    @Test("A start does not wait for a leader that is silent")
    func silentLeader() async throws {
        try await withScene("silent") { scene, _, _ in
            try await scene.makeSlot("mesh")
            scene.primary.freeze()
            let began = ContinuousClock.now
            await scene.keeper.prepareStart()
            #expect(ContinuousClock.now - began < .seconds(5))
            #expect(scene.log.count("starting without new copies") == 1)
            scene.primary.thaw()
        }
    }

    private static func confirmed(_ server: PostgresInstance) async throws -> String? {
        try await server.query(
            "SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = 'mesh'"
        ).rows.first?["lsn"]
    }
}
