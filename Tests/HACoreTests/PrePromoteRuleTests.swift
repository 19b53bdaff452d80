@testable import HACore
import Testing

@Suite("The script before a promotion")
struct PrePromoteRuleTests {
    private static func scene() -> Scene {
        var scene = Scene()
        scene.lead()
        scene.view.policy.asksBeforePromotion = true
        scene.view.policy.ttl = .seconds(30)
        scene.answer(["n2": Scene.standby(2000), "n3": Scene.standby(2000)])
        return scene
    }

    private static func finish(_ scene: inout Scene, _ outcome: FinishedEffect.Outcome) {
        scene.view.finished = [FinishedEffect(.prePromote(Term(400)), outcome, at: Scene.now)]
        scene.memory = scene.decision.memory
        scene.view.finished = []
    }

    @Test("It runs first, and once in a term; the promotion follows when it agrees")
    func agrees() {
        var scene = Self.scene()
        #expect(scene.decision.effects == [.prePromote(Term(400))])
        Self.finish(&scene, .done)
        #expect(scene.decision.effects == [.arm(Term(400)), .promote(Term(400))])
    }

    @Test("When it says no, the lock goes, and this member leaves the race to others for ttl")
    func refuses() {
        var scene = Self.scene()
        Self.finish(&scene, .failed("exit code 1"))
        #expect(scene.decision.rule == "leader.refused")
        #expect(scene.decision.effects == [.release(Term(400))])
        #expect(scene.decision.reason == "Promotion cancelled because the pre-promote script failed")
        var after = Scene()
        after.memory = scene.memory
        after.view.policy.ttl = .seconds(30)
        after.view.store?.request = StoreView.Request(candidate: Scene.me, version: 1)
        #expect(after.decision.rule == "candidate.refused", "also when an operator wants it to lead")
        after.view.now = Scene.now + .seconds(30)
        #expect(after.decision.rule != "candidate.refused")
    }

    @Test("One that was not heard out is asked again, and nothing is promoted meanwhile")
    func unheard() {
        var scene = Self.scene()
        Self.finish(&scene, .unknown("ended"))
        #expect(scene.decision.effects == [])
        #expect(scene.decision.rule == "leader.promote")
        scene.view.now = Scene.now + .seconds(1)
        #expect(scene.decision.effects == [.prePromote(Term(400))])
    }

    @Test("A new term asks anew; a primary that starts again is not a promotion")
    func otherTerm() {
        var scene = Self.scene()
        scene.memory.agreedTerm = Term(399)
        #expect(scene.decision.effects == [.prePromote(Term(400))])
        scene.runPrimary()
        #expect(scene.decision.rule == "leader.lead")
    }
}
