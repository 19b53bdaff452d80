import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage

/// A primary with a database `app` whose slots count as a mesh's, and its standby.
struct SlotPair {
    let primary: PostgresInstance
    let standby: PostgresInstance
    let settings: [String: String]

    static let slot = "spk_app_n2"

    /// - Parameter settings: of both.
    init(_ name: String, binaries: String, settings: [String: String] = [:]) async throws {
        self.settings = settings.merging(["wal_level": "logical", "hot_standby_feedback": "on"]) { own, _ in own }
        primary = try await PostgresInstance(name, binaries: binaries)
        try await primary.start(self.settings)
        try await primary.query("CREATE DATABASE app")
        try await primary.query("SELECT pg_create_physical_replication_slot('b', true)")
        standby = try await PostgresInstance("\(name)-b", binaries: binaries, empty: true)
    }

    /// After they have changed places.
    private init(exchanging pair: SlotPair) {
        (primary, standby, settings) = (pair.standby, pair.primary, pair.settings)
    }

    /// An orderly switchover; the former primary is stopped.
    func exchanged() async throws -> SlotPair {
        try await primary.stop()
        try await standby.query("SELECT pg_promote()")
        try await standby.query(
            """
            SELECT pg_create_physical_replication_slot('b', true)
            WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'b')
            """)
        return SlotPair(exchanging: self)
    }

    /// Makes the standby, stopped.
    func clone() async throws {
        let cloner = Cloner(
            installation: standby.installation, dataDirectory: standby.directory, runner: UnprivilegedRunner(),
            output: standby.path("basebackup.log"))
        _ = try await cloner.clone(from: primary.upstream(), options: [], deadline: .seconds(60))
    }

    func startStandby() async throws { try await Self.follow(standby, primary, as: "b", settings) }

    static func follow(
        _ standby: PostgresInstance, _ primary: PostgresInstance, as slot: String, _ settings: [String: String]
    ) async throws {
        try await StandbySignal.write(in: standby.directory)
        var all = settings
        all["primary_conninfo"] = try await primary.upstream().primaryConninfo(applicationName: slot)
        all["primary_slot_name"] = slot
        try await standby.start(all)
    }

    func end() async {
        await standby.discard()
        await primary.discard()
    }

    // MARK: What the agent does

    func leader() async throws -> SlotSurvey { try await Self.survey(primary) }
    func own() async throws -> SlotSurvey { try await Self.survey(standby) }

    static func survey(
        _ server: PostgresInstance, plugins: Set<String>? = ReplicationSlot.protectedPlugins
    ) async throws -> SlotSurvey {
        let connection = try await server.connect()
        let survey = try await SlotSurvey.read(connection, plugins: plugins, deadline: .seconds(5))
        await connection.close()
        return survey
    }

    func parcels() async throws -> [SlotParcel] {
        let connection = try await primary.connect()
        let slots = try await SlotSurvey.read(connection, deadline: .seconds(5)).slots
        let parcels = try await SlotParcel.fetch(slots, from: connection, deadline: .seconds(5))
        await connection.close()
        return parcels
    }

    /// One round on the running standby: advances, then judges.
    func round(_ attempts: [String: SlotCopies.Attempt] = [:]) async throws -> SlotCopies {
        let leader = try await leader()
        try await eventually("the standby has replayed what is confirmed") {
            try await own().replayed >= leader.slots.map(\.confirmed).max() ?? .zero
        }
        var known = attempts
        let plan = try await judge(leader, known)
        let tried = await SlotAdvancer.advance(plan.advances, standby.conninfo, deadline: .seconds(2))
        known.merge(tried) { $1 }
        return try await judge(leader, known)
    }

    private func judge(_ leader: SlotSurvey, _ attempts: [String: SlotCopies.Attempt]) async throws -> SlotCopies {
        let own = try await own()
        return SlotCopies(
            leader: leader.slots, own: own.slots, replayed: own.replayed, oldestWAL: own.oldestWAL, attempts: attempts)
    }

    // MARK: What applications and subscribers do

    static func app(_ server: PostgresInstance) async throws -> PostgresConnection {
        try await PostgresConnection.connect(
            server.conninfo.with("dbname", "app").with("options", "-c search_path=public"), deadline: .seconds(5))
    }

    @discardableResult
    func query(_ sql: String, _ server: PostgresInstance? = nil) async throws -> QueryResult {
        let connection = try await Self.app(server ?? primary)
        let result = try await connection.query(sql, deadline: .seconds(10))
        await connection.close()
        return result
    }

    /// The rows that a subscriber gets and confirms.
    @discardableResult
    func consume(_ server: PostgresInstance? = nil, slot: String = slot) async throws -> [Int] {
        let rows = try await query(
            "SELECT data FROM pg_logical_slot_get_changes('\(slot)', NULL, NULL, 'skip-empty-xacts', '1')", server)
        return rows.rows.compactMap { row in
            row["data"]?.split(separator: ":").last.flatMap { Int($0) }
        }
    }

    /// The snapshots that PostgreSQL logs by itself every 15 s.
    func logSnapshot() async throws { try await primary.query("CHECKPOINT") }
}
