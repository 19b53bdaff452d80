import HACore
import PostgresControl
import Testing

struct SlotPlanTests {
    private func steps(
        _ desired: [String: DesiredSlot], _ existing: [ReplicationSlot],
        dropping: SlotPlan.DropRule = .allExcept([]), limit: LSN? = LSN(1000)
    ) -> [SlotStep] {
        SlotPlan.steps(desired: desired, existing: existing, dropping: dropping, limit: limit)
    }

    @Test func createsWhatIsMissingAndDropsWhatIsNotNeeded() {
        #expect(
            steps(["a": DesiredSlot(), "b": DesiredSlot()], [ReplicationSlot(name: "b"), ReplicationSlot(name: "c")])
                == [.drop("c"), .create("a")])
        #expect(steps(["a": DesiredSlot()], [ReplicationSlot(name: "a", active: true)]) == [])
    }

    @Test func activeAndTemporarySlotsStay() {
        #expect(
            steps([:], [ReplicationSlot(name: "a", active: true), ReplicationSlot(name: "t", temporary: true)]) == [])
    }

    @Test func dropsOnlyWhatTheRulePermits() {
        let existing = [ReplicationSlot(name: "member"), ReplicationSlot(name: "backup")]
        #expect(steps([:], existing, dropping: .nothing) == [])
        #expect(steps([:], existing, dropping: .allExcept([SlotMatcher(name: "backup")])) == [.drop("member")])
    }

    /// A name that every matcher leaves out or has equal is ignored; a plugin of a mesh needs none.
    @Test(arguments: [
        (SlotMatcher(), true), (SlotMatcher(plugin: "wal2json"), true), (SlotMatcher(type: "logical"), true),
        (SlotMatcher(type: "physical"), false), (SlotMatcher(name: "cdc", database: "app"), true),
        (SlotMatcher(name: "cdc", database: "other"), false), (SlotMatcher(name: "other"), false),
    ])
    func ignores(matcher: SlotMatcher, isIgnored: Bool) {
        let slot = ReplicationSlot(name: "cdc", kind: .logical(plugin: "wal2json", database: "app"))
        #expect(steps([:], [slot], dropping: .allExcept([matcher])) == (isIgnored ? [] : [.drop("cdc")]))
    }

    @Test func neverDropsTheSlotsOfAMesh() {
        for plugin in ["spock_output", "pglogical_output"] {
            for status in ["reserved", "lost"] {
                let slot = ReplicationSlot(
                    name: "mesh", kind: .logical(plugin: plugin, database: "app"), walStatus: status)
                #expect(steps([:], [slot]) == [])
                #expect(steps(["mesh": DesiredSlot()], [slot]) == [], "not for a member of that name either")
            }
        }
        let plain = ReplicationSlot(name: "a", kind: .logical(plugin: "pgoutput", database: "app"), walStatus: "lost")
        #expect(steps([:], [plain]) == [.drop("a")])
        #expect(steps(["a": DesiredSlot()], [plain]) == [.drop("a"), .create("a")])
        let failover = ReplicationSlot(
            name: "a", kind: .logical(plugin: "pgoutput", database: "app"), isFailover: true)
        #expect(steps([:], [failover]) == [], "PostgreSQL 17 keeps it")
    }

    @Test func advancesWhatNobodyMoves() {
        let idle = DesiredSlot(expectedActive: false, position: LSN(500))
        #expect(steps(["a": idle], [ReplicationSlot(name: "a", restartLSN: LSN(100))]) == [.advance("a", to: LSN(500))])
        #expect(
            steps(["a": idle], [ReplicationSlot(name: "a", restartLSN: LSN(100))], limit: LSN(300))
                == [.advance("a", to: LSN(300))])
        #expect(steps(["a": idle], [ReplicationSlot(name: "a", restartLSN: LSN(500))]) == [])
        #expect(steps(["a": idle], [ReplicationSlot(name: "a", active: true, restartLSN: LSN(1))]) == [])
        #expect(steps(["a": idle], [ReplicationSlot(name: "a")]) == [])
        let followed = DesiredSlot(expectedActive: true, position: LSN(500))
        #expect(steps(["a": followed], [ReplicationSlot(name: "a", restartLSN: LSN(100))]) == [])
    }

    @Test func makesLostSlotsAndForgottenHorizonsAnew() {
        let idle = DesiredSlot(expectedActive: false, position: LSN(500))
        let lost = ReplicationSlot(name: "a", restartLSN: LSN(1), walStatus: "lost")
        #expect(steps(["a": DesiredSlot()], [lost]) == [.drop("a"), .create("a")])
        let holding = ReplicationSlot(name: "a", restartLSN: LSN(1), holdsXmin: true)
        #expect(steps(["a": idle], [holding]) == [.drop("a"), .create("a")])
        #expect(steps(["a": DesiredSlot()], [holding]) == [])
    }
}
