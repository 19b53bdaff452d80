import HACore
import LibPQ
import Support
import SystemPackage
import Testing

@testable import PostgresControl

@Suite("Copies of a mesh's slots on a standby")
struct SlotCopyTests {
    /// A slot whose `restart` lies where a transaction was open, as on any busy server, with another one open now.
    private func busyPair(_ name: String) async throws -> (SlotPair, PostgresConnection) {
        let pair = try await SlotPair(name, binaries: DecodingInstallation.binaries())
        try await pair.query("CREATE TABLE t (n int)")
        try await pair.clone()
        try await pair.query("SELECT pg_create_logical_replication_slot('\(SlotPair.slot)', 'spock_output')")
        for _ in 0..<2 {
            try await pair.logSnapshot()
            try await pair.consume()
        }
        let (first, second) = (try await SlotPair.app(pair.primary), try await SlotPair.app(pair.primary))
        try await first.simple("BEGIN; INSERT INTO t VALUES (1)", deadline: .seconds(5))
        try await pair.logSnapshot()
        try await pair.consume()
        try await second.simple("BEGIN; INSERT INTO t VALUES (2)", deadline: .seconds(5))
        try await first.simple("COMMIT", deadline: .seconds(5))
        await first.close()
        try await pair.logSnapshot()
        #expect(try await pair.consume() == [1])
        try await pair.query("INSERT INTO t VALUES (3)")
        #expect(try await pair.consume() == [3])
        return (pair, second)
    }

    private func failOver(_ pair: SlotPair, _ open: PostgresConnection) async throws {
        try await open.simple("COMMIT", deadline: .seconds(5))
        await open.close()
        try await pair.query("INSERT INTO t VALUES (4)")
        try await eventually("the standby has row 4") {
            try await pair.query("SELECT FROM t WHERE n = 4", pair.standby).rows.count == 1
        }
        try await pair.primary.kill()
        try await pair.standby.query("SELECT pg_promote()")
        try await pair.query("INSERT INTO t VALUES (5)", pair.standby)
    }

    @Test func everythingIsDecodedAfterAFailover() async throws {
        let (pair, open) = try await busyPair("copy")
        let installed = try await SlotFiles(dataDirectory: pair.standby.directory).install(
            pair.parcels(), limit: 10)
        #expect(installed == [SlotPair.slot])
        try await pair.startStandby()
        #expect(try await pair.round().proved == [SlotPair.slot])
        // Nothing is put under a running server.
        let refused = await #expect(throws: PostgresControlError.self) {
            try await SlotFiles(dataDirectory: pair.standby.directory).install(pair.parcels(), limit: 10)
        }
        #expect(refused?.code == .wrongState)
        try await failOver(pair, open)
        #expect(try await pair.consume(pair.standby) == [2, 4, 5])
        await pair.end()
    }

    /// What the state alone is worth: present, and row 2 is lost without a word.
    @Test func withoutTheSnapshotItIsNoProof() async throws {
        let (pair, open) = try await busyPair("bare")
        let bare = try await pair.parcels().map { SlotParcel(state: $0.state, snapshot: nil) }
        _ = try await SlotFiles(dataDirectory: pair.standby.directory).install(bare, limit: 10)
        try await pair.startStandby()
        let copies = try await pair.round()
        #expect(copies.proved.isEmpty && copies.waiting == [SlotPair.slot])
        try await failOver(pair, open)
        #expect(try await !pair.consume(pair.standby).contains(2))
        await pair.end()
    }

    @Test func aCopyOlderThanTheStandbysWALIsFoundUnusable() async throws {
        let pair = try await SlotPair("stale", binaries: DecodingInstallation.binaries())
        try await pair.query("CREATE TABLE t (n int)")
        try await pair.query("SELECT pg_create_logical_replication_slot('\(SlotPair.slot)', 'spock_output')")
        try await pair.clone()
        let files = SlotFiles(dataDirectory: pair.standby.directory)
        _ = try await files.install(pair.parcels(), limit: 10)
        try await pair.startStandby()
        let stale = try await pair.round()
        #expect(stale.proved.isEmpty && stale.needs.isEmpty && stale.beyond == [SlotPair.slot: .unusable])
        #expect(
            try await pair.query("SELECT wal_status FROM pg_replication_slots", pair.standby).first()
                .text("wal_status") == "reserved")

        // The subscriber gets on: now another copy helps.
        for number in 1...2 {
            try await pair.query("INSERT INTO t VALUES (\(number))")
            try await pair.logSnapshot()
            try await pair.consume()
        }
        #expect(try await pair.round([SlotPair.slot: .unusable("")]).needs == [SlotPair.slot: .unusable])
        try await pair.standby.stop()
        let leader = try await pair.leader()
        let contents = try await files.read(as: leader)
        #expect(contents.slots.map(\.database) == ["app"])
        let wanted = SlotCopies.toInstall(leader: leader.slots, own: contents.slots, oldestWAL: contents.oldestWAL)
        #expect(wanted == leader.slots)
        #expect(
            try await files.install(pair.parcels(), limit: 1) == [SlotPair.slot], "one that is there needs no place")
        try await pair.startStandby()
        #expect(try await pair.round().proved == [SlotPair.slot])
        try await dropLeftover(pair)
        await pair.end()
    }

    /// The leader's slot goes, and the copy with it, but never on a primary.
    private func dropLeftover(_ pair: SlotPair) async throws {
        func drop(_ server: PostgresInstance) async throws -> [String] {
            let connection = try await server.connect()
            let dropped = try await SlotAdvancer.dropLeftovers([SlotPair.slot], on: connection, deadline: .seconds(5))
            await connection.close()
            return dropped
        }
        #expect(try await drop(pair.primary).isEmpty)
        #expect(try await drop(pair.standby) == [SlotPair.slot])
    }

    /// Its own slot is still there, has confirmed more than the copy that leads now, and may lead itself one day.
    @Test func aFormerPrimaryTakesTheLeadersState() async throws {
        let (before, open) = try await busyPair("former")
        try await open.simple("COMMIT", deadline: .seconds(5))
        await open.close()
        _ = try await SlotFiles(dataDirectory: before.standby.directory).install(before.parcels(), limit: 10)
        try await before.startStandby()
        #expect(try await before.round().proved == [SlotPair.slot])
        #expect(try await before.consume() == [2])
        let pair = try await before.exchanged()
        let files = SlotFiles(dataDirectory: pair.standby.directory)
        let leader = try await pair.leader()
        let contents = try await files.read(as: leader)
        let (own, theirs) = (try #require(contents.slots.first), try #require(leader.slots.first))
        #expect(own.confirmed > theirs.confirmed)
        #expect(
            SlotCopies.toInstall(leader: leader.slots, own: contents.slots, oldestWAL: contents.oldestWAL)
                == leader.slots)
        #expect(try await files.install(pair.parcels(), limit: 10) == [SlotPair.slot])
        try await pair.startStandby()
        #expect(try await pair.round().proved == [SlotPair.slot])
        try await pair.query("INSERT INTO t VALUES (6)")
        #expect(try await pair.consume() == [2, 6])
        try await pair.query("INSERT INTO t VALUES (7)")

        #expect(try await pair.round([SlotPair.slot: .done]).proved == [SlotPair.slot])
        let back = try await pair.exchanged()
        #expect(try await back.consume() == [7])
        await back.end()
    }

    @Test func noMoreThanTheServerStartsWith() async throws {
        let (pair, open) = try await busyPair("limit")
        #expect(
            try await SlotFiles(dataDirectory: pair.standby.directory).install(pair.parcels(), limit: 0).isEmpty)
        await open.close()
        await pair.end()
    }
}
