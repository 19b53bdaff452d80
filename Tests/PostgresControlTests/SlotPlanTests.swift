import HACore
import PostgresControl
import Testing

struct SlotPlanTests {
    private func steps(
        _ desired: [String: DesiredSlot], _ existing: [PhysicalSlot],
        dropping: SlotPlan.DropRule = .allExcept([]), limit: LSN? = LSN(1000)
    ) -> [SlotStep] {
        SlotPlan.steps(desired: desired, existing: existing, dropping: dropping, limit: limit)
    }

    @Test func createsWhatIsMissingAndDropsWhatIsNotNeeded() {
        #expect(
            steps(["a": DesiredSlot(), "b": DesiredSlot()], [PhysicalSlot(name: "b"), PhysicalSlot(name: "c")])
                == [.drop("c"), .create("a")])
        #expect(steps(["a": DesiredSlot()], [PhysicalSlot(name: "a", active: true)]) == [])
    }

    @Test func activeAndTemporarySlotsStay() {
        #expect(
            steps([:], [PhysicalSlot(name: "a", active: true), PhysicalSlot(name: "t", temporary: true)]) == [])
    }

    @Test func dropsOnlyWhatTheRulePermits() {
        let existing = [PhysicalSlot(name: "member"), PhysicalSlot(name: "backup")]
        #expect(steps([:], existing, dropping: .nothing) == [])
        #expect(steps([:], existing, dropping: .allExcept(["backup"])) == [.drop("member")])
        #expect(steps([:], existing, dropping: .only(["member"])) == [.drop("member")])
    }

    @Test func advancesWhatNobodyMoves() {
        let idle = DesiredSlot(expectedActive: false, position: LSN(500))
        #expect(steps(["a": idle], [PhysicalSlot(name: "a", restartLSN: LSN(100))]) == [.advance("a", to: LSN(500))])
        #expect(
            steps(["a": idle], [PhysicalSlot(name: "a", restartLSN: LSN(100))], limit: LSN(300))
                == [.advance("a", to: LSN(300))])
        #expect(steps(["a": idle], [PhysicalSlot(name: "a", restartLSN: LSN(500))]) == [])
        #expect(steps(["a": idle], [PhysicalSlot(name: "a", active: true, restartLSN: LSN(1))]) == [])
        #expect(steps(["a": idle], [PhysicalSlot(name: "a")]) == [])
        let followed = DesiredSlot(expectedActive: true, position: LSN(500))
        #expect(steps(["a": followed], [PhysicalSlot(name: "a", restartLSN: LSN(100))]) == [])
    }

    @Test func makesLostSlotsAndForgottenHorizonsAnew() {
        let idle = DesiredSlot(expectedActive: false, position: LSN(500))
        let lost = PhysicalSlot(name: "a", restartLSN: LSN(1), walStatus: "lost")
        #expect(steps(["a": DesiredSlot()], [lost]) == [.drop("a"), .create("a")])
        let holding = PhysicalSlot(name: "a", restartLSN: LSN(1), holdsXmin: true)
        #expect(steps(["a": idle], [holding]) == [.drop("a"), .create("a")])
        #expect(steps(["a": DesiredSlot()], [holding]) == [])
    }
}
