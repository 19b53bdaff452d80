import HACore
import Testing

@Suite("Positions, timelines, names")
struct PositionTests {
    @Test(
        "LSNs are read as PostgreSQL writes them",
        arguments: [
            ("0/0", 0), ("16/B374D848", 0x16_B374_D848), ("FFFFFFFF/FFFFFFFF", UInt64.max), ("a/b", 0xA_0000_000B),
        ])
    func lsn(text: String, bytes: UInt64) {
        #expect(LSN(text)?.rawValue == bytes)
        #expect(LSN(bytes).description == text.uppercased())
    }

    @Test(
        "What is no LSN", arguments: ["", "0", "/", "0/", "/0", "0/0/0", "+1/0", "0/-1", "G/0", "123456789/0", " 0/0"])
    func noLSN(text: String) { #expect(LSN(text) == nil) }

    @Test("The distance between positions never wraps")
    func distance() {
        #expect(LSN(100).bytesAhead(of: LSN(40)) == 60)
        #expect(LSN(40).bytesAhead(of: LSN(100)) == 0)
    }

    @Test("A history file is read with its comments and reasons")
    func history() throws {
        let text = "# a comment\n1\t0/3000148\tno recovery target specified\n\n2 0/50000A0 \n"
        let history = try #require(TimelineHistory(timeline: Timeline(3), text: text))
        #expect(history.forks.map(\.parent) == [Timeline(1), Timeline(2)])
        #expect(history.forks[0].reason == "no recovery target specified")
        #expect(history.switchPoint(of: Timeline(2)) == LSN("0/50000A0"))
        #expect(history.switchPoint(of: Timeline(3)) == nil)
        #expect(TimelineHistory(timeline: Timeline(1), text: "")?.forks == [])
    }

    @Test("A history file that is damaged is refused", arguments: ["1", "x\t0/1", "1\t0", "1\t0/1\n2"])
    func damaged(text: String) { #expect(TimelineHistory(timeline: Timeline(3), text: text) == nil) }

    @Test(
        "Slot names are Patroni's",
        arguments: [
            ("node1", "node1"), ("Node-1.example", "node_1_example"), ("a b", "au0032b"), ("ü", "u0252"),
            ("emoji😀", "emojiu128512"), (String(repeating: "x", count: 70), String(repeating: "x", count: 63)),
        ])
    func slot(name: String, expected: String) { #expect(MemberID(name).slotName == expected) }

    @Test("A system identifier has at least ten digits and nothing else")
    func system() {
        #expect(SystemIdentifier("7000000000000000001")?.rawValue == "7000000000000000001")
        for text in ["", "123456789", "70000000000x", "-7000000000"] { #expect(SystemIdentifier(text) == nil) }
    }

    @Test("Durations become whole nanoseconds and milliseconds")
    func durations() {
        #expect(Duration.milliseconds(1500).nanoseconds == 1_500_000_000)
        #expect(Duration.microseconds(-1500).milliseconds == -1)
        #expect((Instant(nanoseconds: 5) + .nanoseconds(3)) - Instant(nanoseconds: 2) == .nanoseconds(6))
    }
}
