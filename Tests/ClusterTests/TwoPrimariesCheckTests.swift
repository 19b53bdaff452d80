import Support
import Testing

/// The check itself: it must accuse what is wrong, and nothing that late clocks can explain.
@Suite struct TwoPrimariesCheckTests {
    private static let start = ContinuousClock.now

    private func write(
        _ node: String, _ timeline: UInt32, sent: Int, acknowledged: Int, id: Int64 = 0
    ) -> WriteHistory.Acknowledged {
        WriteHistory.Acknowledged(
            id: id, node: node, timeline: timeline, sent: Self.start + .milliseconds(sent),
            acknowledged: Self.start + .milliseconds(acknowledged))
    }

    @Test func oneAfterTheOtherIsFine() {
        let writes = [
            write("a", 1, sent: 0, acknowledged: 5), write("a", 1, sent: 10, acknowledged: 15),
            write("b", 2, sent: 20, acknowledged: 25), write("a", 3, sent: 30, acknowledged: 35),
        ]
        #expect(TwoPrimariesCheck.violations(writes).isEmpty)
    }

    @Test func aRequestSentBeforeTheNewPrimaryProvedItselfIsExcused() {
        let writes = [write("b", 2, sent: 10, acknowledged: 20), write("a", 1, sent: 19, acknowledged: 90)]
        #expect(TwoPrimariesCheck.violations(writes).isEmpty)
    }

    @Test func aRequestSentAfterwardsIsNot() throws {
        let writes = [
            write("a", 1, sent: 0, acknowledged: 1), write("b", 2, sent: 10, acknowledged: 20),
            write("b", 2, sent: 30, acknowledged: 40), write("a", 1, sent: 21, acknowledged: 22, id: 7),
        ]
        let violations = TwoPrimariesCheck.violations(writes)
        #expect(violations.map(\.write.id) == [7])
        #expect(try #require(violations.first).description.contains("0.001 seconds"))
    }

    @Test func oneTimelineHasOneWriter() {
        let writes = [
            write("a", 2, sent: 0, acknowledged: 1), write("b", 2, sent: 0, acknowledged: 2, id: 8),
            write("b", 2, sent: 3, acknowledged: 4, id: 9),
        ]
        #expect(TwoPrimariesCheck.violations(writes).map(\.write.id) == [8, 9])
    }

    @Test func lostAndInventedRowsAreTold() {
        var history = WriteHistory()
        history.acknowledged = [
            write("a", 1, sent: 0, acknowledged: 1, id: 1), write("a", 1, sent: 0, acknowledged: 31, id: 2),
        ]
        history.unknown = [3]
        history.refused = [4]
        #expect(history.lost(present: [1, 3]).map(\.id) == [2])
        #expect(history.invented(present: [1, 2, 3, 4, 5]) == [4, 5])
        #expect(history.longestGap == .milliseconds(30))
    }
}
