import Testing

@testable import HACore

@Suite("Rules about the lock and fencing")
struct LockRuleTests {
    @Test("A primary without the lock is fenced, whoever has it")
    func fences() {
        var scene = Scene()
        scene.runPrimary()
        #expect(scene.decision.rule == "fence.no-lock")
        scene.held(by: "n2", session: Scene.otherSession)
        #expect(scene.decision.rule == "fence.other-leader")
        scene.held(by: Scene.me, session: Scene.session, version: 0)
        #expect(scene.decision.rule == "fence.no-lock")
        // Started as a standby, and promoted by somebody else.
        scene = Scene()
        scene.held(by: "n2", session: Scene.otherSession)
        scene.runPrimary()
        scene.view.local.process = .running(as: .standby)
        #expect(scene.decision.effects == [.fence] && scene.decision.urgent)
        // Backends that outlived the postmaster are as dangerous.
        scene = Scene()
        scene.view.local.process = .remains
        #expect(scene.decision.effects == [.fence])
    }

    @Test("A standby that was asked to promote counts as writable")
    func promoteRequested() {
        var scene = Scene()
        scene.view.local.promoteRequested = true
        #expect(scene.decision.effects == [.fence])
    }

    @Test("Our lock that vanished or was taken anew fences; an older read than the proof does not")
    func lockGone() {
        var scene = Scene()
        scene.lead()
        scene.runPrimary()
        scene.view.store?.leader = nil
        #expect(scene.decision.rule == "fence.lock-gone")
        scene.held(by: Scene.me, session: Scene.session, term: 999)
        #expect(scene.decision.rule == "fence.lock-gone")
        scene.view.store?.leader = nil
        scene.view.store?.readAt = Scene.now - .seconds(6)
        #expect(scene.decision.effects != [.fence])
    }

    @Test("The lease's end stops PostgreSQL before the keeper has to, once")
    func stepDown() {
        var scene = Scene()
        scene.lead()
        scene.runPrimary()
        scene.view.coordination = .uncertain
        #expect(scene.decision.rule == "wait.store")
        #expect(scene.decision.recheckAfter <= .seconds(7))
        scene.view.lease?.provenUntil = Scene.now + .milliseconds(1250)
        let decision = scene.decision
        #expect(decision.rule == "step-down.lease-ends")
        #expect(decision.effects == [.stepDown])
        scene.memory = decision.memory
        #expect(scene.decision.rule == "wait.store")
    }

    @Test("An unknown outcome is read back before anything else about the lock")
    func unsettled() {
        var scene = Scene()
        scene.view.unsettled = true
        #expect(scene.decision.effects == [.settle])
    }

    @Test("Own locks: adopt this session's, replace an older session's, leave a Patroni's")
    func ownership() {
        var scene = Scene()
        scene.held(by: Scene.me, session: Scene.session)
        #expect(scene.decision.effects == [.adopt(epochVersion: 5)])
        scene.held(by: Scene.me, session: 9)
        #expect(scene.decision.effects == [.replace(epochVersion: 5)])
        scene.held(by: Scene.me, session: 9, version: 0)
        #expect(scene.decision.rule == "lock.legacy")
        #expect(scene.decision.effects.isEmpty)
    }

    @Test("A keeper that fenced under this epoch is given a newer one before anything starts")
    func latched() {
        var scene = Scene()
        scene.lead()
        scene.stop(.inProduction, crashedAt: Scene.now)
        scene.view.local.latch = 500
        #expect(scene.decision.effects == [.adopt(epochVersion: 5)])
        scene.view.local.latch = 499
        #expect(scene.decision.rule == "leader.crashed")
    }

    @Test("A primary that cannot even be started is given up when somebody can take over")
    func unstartable() {
        var scene = Scene()
        scene.lead()
        scene.stop(.inProduction, crashedAt: Scene.now)
        scene.memory.ledTerm = Term(400)
        scene.answer(["n2": Scene.standby(2000), "n3": Scene.standby(2000)])
        #expect(scene.decision.effects.last == .start(as: .primary, term: Term(400)))
        scene.memory.retries["start"] = .init(failures: 3, notBefore: Scene.now, reason: "no space left on device")
        #expect(scene.decision.effects.last == .start(as: .primary, term: Term(400)))
        scene.memory.retries["start"]?.failures = 4
        #expect(scene.decision.effects == [.release(Term(400))])
        scene.answer([:])
        #expect(scene.decision.effects.last == .start(as: .primary, term: Term(400)), "nobody could")
    }

    @Test("A lock that somebody removed is taken back only to be released")
    func cleared() {
        var scene = Scene()
        scene.view.store?.epoch?.holder = .taken(by: Scene.me, session: Scene.session, nonce: "x")
        let decision = scene.decision
        #expect(decision.rule == "lock.clear")
        #expect(decision.effects == [.acquire(epochVersion: 5)])
        scene.memory = decision.memory
        scene.lead()
        #expect(scene.decision.rule == "lock.cleared")
        #expect(scene.decision.effects == [.release(Term(400))])
        scene.view.finished = [FinishedEffect(.release(Term(400)), .done, at: Scene.now)]
        scene.view.leadership = nil
        scene.view.store?.leader = nil
        scene.view.store?.epoch?.holder = .released
        #expect(!scene.decision.memory.clearing)
    }

    @Test("`epoch` is made anew above every version known, by the lock's holder if there is one")
    func prepareTree() {
        var scene = Scene()
        scene.view.store?.epoch = nil
        scene.view.store?.highestEpochVersion = 7
        #expect(scene.decision.effects == [.prepareTree(aboveVersion: 7)])
        scene.memory.highestEpochVersion = 9
        #expect(scene.decision.effects == [.prepareTree(aboveVersion: 9)])
        scene.view.store?.leader = StoreView.Leader(
            member: "n2", term: Term(1), session: Scene.otherSession, version: 1)
        #expect(scene.decision.rule == "wait.tree")
        scene.view.store?.leader = StoreView.Leader(
            member: Scene.me, term: Term(1), session: Scene.session, version: 1)
        #expect(scene.decision.rule == "tree.prepare")
    }

    @Test("Absence proves something only when the last holder is gone, has released, or time has passed")
    func absence() throws {
        var scene = Scene()
        func proof(_ scene: Scene) throws -> AbsenceProof {
            let store = try #require(scene.view.store)
            var memory = scene.memory
            memory.observe(scene.view)
            return AbsenceProof(
                Situation(view: scene.view, memory: memory), store: store, epoch: try #require(store.epoch))
        }
        guard case .proven = try proof(scene) else { return #expect(Bool(false), "released") }
        scene.view.store?.epoch?.holder = .taken(by: "n2", session: Scene.otherSession, nonce: "x")
        guard case .reserved("n2") = try proof(scene) else { return #expect(Bool(false), "its session lives") }
        scene.view.store?.livingSessions = [Scene.session, 33]
        guard case .proven = try proof(scene) else { return #expect(Bool(false), "its session is over") }
        scene.view.store?.epoch?.holder = .nobody
        guard case .wait(let until) = try proof(scene) else { return #expect(Bool(false), "made anew") }
        #expect(until == Scene.now + .milliseconds(10_300))
        scene.memory.absentSince = Scene.now - .milliseconds(10_300)
        scene.memory.absentEpochVersion = 5
        guard case .proven = try proof(scene) else { return #expect(Bool(false), "T + M has passed") }
    }

    @Test("A Patroni that led for long enough beside a new epoch is not waited for after its end")
    func afterAPatroni() {
        var scene = Scene()
        scene.view.store?.epoch?.holder = .nobody
        scene.view.store?.leader = StoreView.Leader(
            member: "n2", term: Term(400), session: Scene.otherSession, version: 0)
        scene.view.store?.readAt = Scene.now - .seconds(20)
        var memory = scene.decision.memory
        scene.view.store?.leader = nil
        scene.view.store?.readAt = Scene.now
        #expect(decide(scene.view, memory).rule == "candidate.ask")
        // Made anew meanwhile: somebody of ours may have led.
        scene.view.store?.epoch?.version = 9
        #expect(decide(scene.view, memory).rule == "candidate.absence")
        memory = DecisionMemory()
        scene.view.store?.epoch?.version = 5
        #expect(decide(scene.view, memory).rule == "candidate.absence", "a new process has seen nothing")
    }
}
