import HACore
import Testing

@Suite("The rule table")
struct RuleTableTests {
    @Test("Names are unique, lower-case and dotted; every rule says what it is for")
    func names() {
        #expect(Set(ruleTable.map(\.id)).count == ruleTable.count)
        for rule in ruleTable {
            #expect(rule.id.rawValue.allSatisfy { $0.isLowercase || $0 == "-" || $0 == "." }, "\(rule.id)")
            #expect(rule.summary.hasSuffix("."), "\(rule.id)")
        }
    }

    @Test("Urgent rules come first")
    func urgentFirst() throws {
        let last = try #require(ruleTable.lastIndex { $0.urgent })
        #expect(ruleTable[...last].filter { !$0.urgent }.map(\.id) == [])
    }

    @Test("Something always decides, and every pause is positive and at most loop_wait")
    func alwaysDecides() {
        for coordination in [Coordination.never, .connected, .uncertain, .expired] {
            for directory in [DataDirectory.empty, .unfinished("rewind"), .unusable("x")] {
                let view = ClusterView(
                    now: Instant(nanoseconds: 0), me: "n", coordination: coordination,
                    local: LocalPostgres(directory: directory))
                let decision = decide(view, DecisionMemory())
                #expect(!decision.reason.isEmpty)
                #expect(decision.recheckAfter > .zero && decision.recheckAfter <= view.policy.loopWait)
            }
        }
        #expect(ruleTable.last?.id == "idle")
    }

    @Test("While an effect runs only urgent rules decide")
    func busy() {
        var scene = Scene()
        scene.view.running = RunningEffect(.askPeers, since: Scene.now)
        #expect(scene.decision.rule == "busy")
        scene.runPrimary()
        #expect(scene.decision.urgent)
        #expect(scene.decision.effects == [.fence])
    }
}
