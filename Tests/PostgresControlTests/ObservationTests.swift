import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(3)))
struct ObservationTests {
    @Test func probesAPrimaryItsStandbyAndAPromotion() async throws {
        let primary = try await PostgresInstance("probe")
        try await primary.start()
        let one = try await StatusProbe.read(primary.connect(), deadline: .seconds(20))
        #expect(!one.sql.inRecovery && one.sql.timeline == Timeline(1) && one.sql.received == .zero)
        #expect(try #require(one.sql.written) > .zero && one.sql.position == one.sql.written)
        #expect(one.receiver == nil && one.replication == [] && one.replicationState == nil)
        #expect(one.serverVersion >= 150000 && one.postmasterStartEpoch > 1_600_000_000)
        let shape = try Regex(#"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d"#)
        #expect(one.postmasterStartTime.wholeMatch(of: shape) != nil, "\(one.postmasterStartTime)")
        let control = try await primary.inspector.controlData(primary.directory).control
        #expect(one.systemIdentifier == control.systemIdentifier)

        let standby = try await primary.makeStandby("probe-standby")
        let connection = try await standby.connect()
        try await primary.query("CREATE TABLE t AS SELECT 1 AS a")
        let row = try await eventually("the standby streams and has replayed all") { () -> ServerStatus? in
            let status = try await StatusProbe.read(connection, deadline: .seconds(20))
            let written = try await StatusProbe.read(primary.connect(), deadline: .seconds(20)).sql.written
            return status.sql.streaming && status.sql.replayed == written ? status : nil
        }
        #expect(row.sql.inRecovery && row.sql.written == nil && row.sql.timeline == Timeline(1))
        #expect(row.sql.received == row.sql.replayed && row.receivedLocation == row.sql.received)
        #expect(row.sql.upstream == "127.0.0.1:\(primary.port)")
        #expect(row.replicationState == "streaming" && !row.replayPaused)
        #expect(row.replayTimestamp?.wholeMatch(of: shape) != nil)
        #expect(row.primaryConninfo.reveal().contains("application_name=probe-standby"))
        #expect(row.systemIdentifier == control.systemIdentifier)

        let two = try await StatusProbe.read(primary.connect(), deadline: .seconds(20))
        #expect(two.replication.count == 1)
        #expect(two.replication.first?.applicationName == "probe-standby")
        #expect(two.replication.first?.userName == "postgres" && two.replication.first?.clientAddress == "127.0.0.1")
        #expect(two.replication.first?.state == "streaming" && two.replication.first?.syncState == "async")

        try await connection.query("SELECT pg_wal_replay_pause()", deadline: .seconds(20))
        #expect(try await StatusProbe.read(connection, deadline: .seconds(20)).replayPaused)
        try await primary.stop()
        let alone = try await eventually("the walreceiver ends") { () -> ServerStatus? in
            let status = try await StatusProbe.read(connection, deadline: .seconds(20))
            return status.receiver == nil ? status : nil
        }
        #expect(!alone.sql.streaming && alone.sql.upstream == nil && alone.sql.timeline == Timeline(1))
        try await connection.query("SELECT pg_promote()", deadline: .seconds(30))
        let promoted = try await StatusProbe.read(connection, deadline: .seconds(20))
        #expect(!promoted.sql.inRecovery && promoted.sql.timeline == Timeline(2), "before any checkpoint")

        let (identity, history) = try await TimelineReader(target: standby.conninfo).read()
        #expect(identity.timeline == Timeline(2) && identity.systemIdentifier == control.systemIdentifier)
        #expect(history.timeline == Timeline(2) && history.forks.count == 1)
        let fork = try #require(history.switchPoint(of: Timeline(1)))
        #expect(fork > .zero && fork <= identity.position)
        await standby.discard()
        await primary.discard()
    }

    @Test func aStandbyWithoutAWalreceiverFallsBack() async throws {
        let primary = try await PostgresInstance("lonely-source")
        try await primary.start()
        let standby = try await primary.makeStandby("lonely")
        try await eventually("the standby streams") {
            try await StatusProbe.read(standby.connect(), deadline: .seconds(20)).sql.streaming
        }
        try await standby.stop()
        try await primary.stop()
        try await standby.start()
        let status = try await StatusProbe.read(standby.connect(), deadline: .seconds(20))
        #expect(status.sql.inRecovery && !status.sql.streaming && status.receiver == nil)
        // What it asks for is the start of a segment, and may already show as received.
        #expect(status.sql.replayed > .zero && status.sql.position == max(status.sql.replayed, status.sql.received))
        #expect(status.receivedLocation > .zero)
        #expect(status.sql.timeline == Timeline(1))
        await standby.discard()
        await primary.discard()
    }

    @Test func keepsReplicationSlots() async throws {
        let server = try await PostgresInstance("slots")
        try await server.start(["wal_level": "logical"])
        let connection = try await server.connect()
        try await connection.query(
            "SELECT pg_create_logical_replication_slot('logical', 'pgoutput')", deadline: .seconds(10))
        let desired = ["a": DesiredSlot(), "b": DesiredSlot(expectedActive: false)]
        func apply(_ desired: [String: DesiredSlot]) async throws -> [SlotStep] {
            let existing = try await SlotKeeper.list(connection, deadline: .seconds(20))
            let limit = try await StatusProbe.read(connection, deadline: .seconds(20)).sql.written
            let steps = SlotPlan.steps(
                desired: desired, existing: existing,
                dropping: .allExcept([SlotMatcher(name: "kept"), SlotMatcher(type: "logical")]), limit: limit)
            #expect(try await SlotKeeper.carryOut(steps, on: connection, deadline: .seconds(20)) == [])
            return steps
        }
        #expect(try await apply(desired) == [.create("a"), .create("b")])
        #expect(try await apply(desired) == [])
        try await connection.query("SELECT pg_create_physical_replication_slot('kept')", deadline: .seconds(20))
        try await connection.query("SELECT pg_create_physical_replication_slot('old')", deadline: .seconds(20))
        try await connection.query("SELECT pg_switch_wal()", deadline: .seconds(20))
        try await connection.query("CREATE TABLE t AS SELECT 1 AS a", deadline: .seconds(20))
        let written = try #require(try await StatusProbe.read(connection, deadline: .seconds(20)).sql.written)
        let moved = ["b": DesiredSlot(expectedActive: false, position: written)]
        #expect(try await apply(moved) == [.drop("a"), .drop("old"), .advance("b", to: written)])
        let slots = try await SlotKeeper.list(connection, deadline: .seconds(20))
        #expect(slots.map(\.name) == ["b", "kept", "logical"])
        #expect(slots.last?.kind == .logical(plugin: "pgoutput", database: "postgres"))
        #expect(slots.first?.restartLSN == written)
        // A step that is out of date does nothing; one that cannot be done is reported and the rest goes on.
        let failures = try await SlotKeeper.carryOut(
            [.create("b"), .drop("gone"), .drop("logical"), .create("Not A Name"), .create("last")], on: connection,
            deadline: .seconds(20))
        #expect(failures.map(\.step) == [.create("Not A Name")])
        let all = try await connection.query(
            "SELECT slot_name FROM pg_replication_slots ORDER BY 1", deadline: .seconds(20))
        #expect(all.rows.map { $0["slot_name"] } == ["b", "kept", "last"])
        await server.discard()
    }

    @Test func theTimelineReaderKeepsItsDeadline() async throws {
        let server = try await PostgresInstance("frozen")
        try await server.start()
        server.freeze()
        let shortest = await shortest(of: 10, until: .seconds(2)) {
            let start = ContinuousClock.now
            let error = await #expect(throws: PostgresError.self) {
                try await TimelineReader(target: server.conninfo).read(deadline: .milliseconds(300))
            }
            #expect(error?.code == .timedOut)
            return ContinuousClock.now - start
        }
        #expect(shortest < .seconds(2))
        await server.discard()
    }
}
