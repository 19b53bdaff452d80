import HACore
import Testing

/// A peer's promotion, seen by its subscriber (design/zones.md 3, steps 2 and 6).
@Suite("Answers to a promoted peer")
struct MeshAnswerTests {
    /// Peer `b` was promoted; the way to it is shut and its worker has ended.
    static func shut(_ state: MeshRecord.State = .gated, opened: UInt64? = nil) -> MeshScene {
        var scene = MeshScene()
        scene.promote("b", term: 610, at: 2000, state, opened: opened)
        scene.view.routes["b"] = .shut
        scene.view.own?.links[MeshScene.b]?.rewind = .init(term: Term(610), isDone: true)
        scene.changeSubscription(to: "b") { $0.hasWorker = false }
        return scene
    }

    @Test("First the way is shut, then the worker ends, then the progress is the answer")
    func order() {
        var scene = MeshScene()
        scene.promote("b", term: 610, at: 2000, .gated)
        scene.view.own?.links[MeshScene.b]?.rewind = .init(term: Term(610), isDone: true)
        let first = scene.step()
        #expect(first.actions.first == .route(["b": .shut, "c": .open(.init(host: "c1", port: 5432))]))
        #expect(first.published?.links[MeshScene.b]?.answered == nil)
        let second = scene.step()
        #expect(second.statements == [.kick(subscriptions: ["sub_a_b"])])
        #expect(second.published?.links[MeshScene.b]?.kick == true)
        #expect(second.published?.links[MeshScene.b]?.answered == nil)
        scene.changeSubscription(to: "b") { $0.hasWorker = false }
        let third = scene.step()
        #expect(third.published?.links[MeshScene.b]?.answered == Term(610))
        #expect(third.published?.links[MeshScene.b]?.origin == LSN(1000))
        #expect(third.routes == nil)
    }

    @Test("The former leader's record, or a disabled subscription's last worker, is waited for")
    func waits() {
        var scene = Self.shut()
        scene.change("b") { $0.leaderTerm = Term(611) }
        #expect(scene.decision.published?.links[MeshScene.b]?.answered == nil)
        scene = Self.shut()
        scene.changeSubscription(to: "b") {
            $0.hasWorker = true
            $0.isEnabled = false
        }
        #expect(scene.decision.published?.links[MeshScene.b]?.answered == nil)
        #expect(scene.decision.statements.isEmpty)
    }

    @Test("The way opens at the new place when the peer is open and the answer is in the tree")
    func opens() {
        var scene = Self.shut()
        scene.step()
        #expect(scene.decision.actions.isEmpty)
        scene.promote("b", term: 610, at: 2000, .open, opened: 2100)
        #expect(scene.step().routes?["b"] == nil)
        #expect(scene.view.own?.links[MeshScene.b]?.followed == Term(610))
        let decision = scene.step()
        #expect(decision.routes?["b"] == .open(.init(host: "b2", port: 5432)))
        #expect(decision.statements == [.kick(subscriptions: ["sub_a_b"])])
        #expect(decision.published?.links[MeshScene.b]?.kick == true)
    }

    @Test("Beyond where the peer opened the progress goes back, on record first, before the way opens")
    func late() {
        var scene = Self.shut(.open, opened: 2100)
        scene.changeDatabase { $0.origins[MeshScene.slot("a", "b")] = LSN(2500) }
        let first = scene.step()
        #expect(first.published?.links[MeshScene.b]?.setBack == .init(to: LSN(2100)))
        let range = MeshRange(from: LSN(2000), to: LSN(2500))
        #expect(
            first.published?.findings == [MeshFinding(.aheadOfPeer, MeshScene.b, range: range, term: MeshScene.term)])
        #expect(first.statements.isEmpty)
        let second = scene.step()
        #expect(second.statements == [.setOrigin(MeshScene.slot("a", "b"), LSN(2100))])
        #expect(second.published?.links[MeshScene.b]?.origin ?? LSN(2100) == LSN(2100))
        scene.changeDatabase { $0.origins[MeshScene.slot("a", "b")] = LSN(2100) }
        let third = scene.step()
        #expect(third.published?.links[MeshScene.b]?.setBack?.finished == LSN(5000))
        #expect(third.routes == nil)
        #expect(scene.step().routes?["b"] == .open(.init(host: "b2", port: 5432)))
        // What is applied from now on stays.
        scene.changeDatabase { $0.origins[MeshScene.slot("a", "b")] = LSN(9000) }
        scene.changeSubscription(to: "b") { $0.hasWorker = true }
        scene.step()
        #expect(scene.decision.statements.isEmpty)
    }

    @Test("It is compared with the opening even if the answer came before, but unseen")
    func unseen() {
        var scene = Self.shut()
        scene.changeDatabase { $0.origins[MeshScene.slot("a", "b")] = LSN(2500) }
        scene.step()
        #expect(scene.view.own?.links[MeshScene.b]?.answered == Term(610))
        scene.promote("b", term: 610, at: 2000, .open, opened: 2100)
        #expect(scene.step().published?.links[MeshScene.b]?.setBack == .init(to: LSN(2100)))
    }

    @Test("What the peer has named itself is not named twice")
    func named() {
        var scene = Self.shut(.open, opened: 2600)
        scene.changeDatabase { $0.origins[MeshScene.slot("a", "b")] = LSN(2500) }
        let range = MeshRange(from: LSN(2000), to: LSN(2500))
        scene.change("b") { $0.record.findings = [.init(.ahead, MeshScene.a, range: range, term: Term(610))] }
        #expect(scene.decision.published?.findings == [])
    }

    @Test("Of several promotions that were missed the first counts: its opening and its fork")
    func several() {
        var scene = Self.shut(.open, opened: 4000)
        scene.change("b") {
            $0.record.earlierForks = [
                .init(term: Term(605), timeline: Timeline(2), position: LSN(1800), openedAt: LSN(2100))
            ]
        }
        scene.changeDatabase { $0.origins[MeshScene.slot("a", "b")] = LSN(2500) }
        let published = scene.decision.published
        #expect(published?.links[MeshScene.b]?.setBack == .init(to: LSN(2100)))
        #expect(published?.findings.map(\.range) == [MeshRange(from: LSN(1800), to: LSN(2500))])
        // One that was followed does not.
        scene.view.own?.links[MeshScene.b]?.followed = Term(605)
        #expect(scene.decision.published?.links[MeshScene.b]?.setBack == nil)
    }

    @Test("A standby promoted here that lacks the setting back does it again")
    func setBackLost() {
        var scene = Self.shut(.open, opened: 2100)
        scene.view.own?.links[MeshScene.b]?.answered = Term(610)
        scene.view.own?.links[MeshScene.b]?.followed = Term(610)
        scene.view.own?.links[MeshScene.b]?.setBack = .init(to: LSN(2100), finished: LSN(4500))
        scene.changeDatabase { $0.origins[MeshScene.slot("a", "b")] = LSN(2500) }
        var lacking = scene
        lacking.promote(at: 4400, position: 4600)
        lacking.step()
        #expect(lacking.decision.statements == [.setOrigin(MeshScene.slot("a", "b"), LSN(2100))])
        scene.promote(at: 4500, position: 4600)
        scene.step()
        #expect(scene.decision.statements.isEmpty)
    }

    @Test("What was subscribed to on the present timeline owes no answer")
    func new() {
        var scene = Self.shut(.open, opened: 2100)
        scene.view.own?.links[MeshScene.b] = nil
        #expect(scene.decision.published?.links[MeshScene.b]?.answered == Term(610))
        #expect(scene.decision.published?.links[MeshScene.b]?.followed == Term(610))
    }

    @Test("Without the gate of services nothing is waited for, and nothing is set back under a running worker")
    func noGate() {
        var scene = MeshScene()
        scene.view.settings.applyGate = .none
        scene.promote("b", term: 610, at: 2000, .open, opened: 500)
        let word = scene.decision.published?.links[MeshScene.b]
        #expect(word?.answered == Term(610))
        #expect(word?.setBack == nil)
    }
}
