import Testing

@testable import HACore

@Suite("Planned changes")
struct PlannedRuleTests {
    /// A leader whose operator wants another.
    private func requested(leader: MemberID? = Scene.me, candidate: MemberID? = nil, dueAt: Instant? = nil) -> Scene {
        var scene = Scene()
        scene.lead()
        scene.runPrimary()
        scene.view.store?.request = StoreView.Request(leader: leader, candidate: candidate, dueAt: dueAt, version: 7)
        return scene
    }

    /// The stop has begun; the control file says "shut down" with its checkpoint at 1000.
    private func shutDown(running: Bool) -> Scene {
        var scene = requested()
        scene.memory.handOver = .init(term: Term(400), since: Scene.now - .milliseconds(200))
        scene.stop(.shutDown)
        if running { scene.view.local.process = .running(as: .primary) }
        scene.view.local.stopRequested = true
        return scene
    }

    @Test("The leader asks who could take over, and begins only when somebody can")
    func begins() {
        #expect(requested().decision.effects == [.askPeers])
        var scene = requested()
        scene.answer(["n2": Scene.standby(2000), "n3": Scene.primary])
        #expect(scene.decision.effects == [.stopPlanned(Term(400))])
        #expect(scene.decision.memory.handOver?.term == Term(400))
        scene.answer(["n2": Scene.standby(10), "n3": Scene.primary])
        scene.view.local.sql?.written = LSN(1 << 40)
        #expect(scene.decision.effects == [.clearRequest(version: 7, Term(400))])
    }

    @Test("Who misses one question is asked again for a while, before the stop and after it", arguments: [false, true])
    func busy(isNamed: Bool) {
        var scene = requested(candidate: isNamed ? "n2" : nil)
        scene.answer(["n3": Scene.primary])
        #expect(scene.decision.effects == [.askPeers])
        scene.memory = scene.decision.memory
        scene.view.now = Scene.now + .seconds(4)
        scene.answer(["n3": Scene.primary], askedAt: scene.view.now)
        #expect(scene.decision.effects == [.clearRequest(version: 7, Term(400))])

        scene = shutDown(running: false)
        scene.memory = scene.decision.memory
        scene.answer([:])
        #expect(scene.decision.rule == "planned.release" && !scene.decision.effects.contains(.release(Term(400))))
        #expect(!scene.decision.effects.contains(.clearRequest(version: 7, Term(400))))
    }

    @Test("Only the candidate that is named counts")
    func namedCandidate() {
        var scene = requested(candidate: "n3")
        scene.answer(["n2": Scene.standby(2000), "n3": Scene.primary])
        #expect(scene.decision.effects == [.clearRequest(version: 7, Term(400))])
        scene.answer(["n2": Scene.standby(2000), "n3": Scene.standby(2000)])
        #expect(scene.decision.effects == [.stopPlanned(Term(400))])
    }

    @Test("What is not meant for this leader is taken back; what is for later is waited for")
    func refused() {
        for scene in [
            requested(leader: "n2"), requested(leader: nil, candidate: Scene.me),
            requested(dueAt: Scene.now - .seconds(16)),
        ] {
            #expect(scene.decision.effects == [.clearRequest(version: 7, Term(400))])
        }
        let later = requested(dueAt: Scene.now + .seconds(4)).decision
        #expect(later.rule == "request.await" && later.effects.isEmpty)
        #expect(later.recheckAfter <= .seconds(4))
    }

    @Test("A request that was fulfilled stands for a second, moves nothing, and goes")
    func fulfilled() {
        var scene = requested(candidate: Scene.me)
        scene.view.store?.request?.isFulfilled = true
        scene.answer(["n2": Scene.standby(2000)])
        let first = scene.decision
        #expect(first.effects.isEmpty && first.recheckAfter == .seconds(1))
        scene.memory = first.memory
        scene.view.now = Scene.now + .milliseconds(1001)
        #expect(scene.decision.effects == [.clearRequest(version: 7, Term(400))])
    }

    @Test("The lock goes when a candidate has the whole checkpoint record, not a byte before")
    func release() {
        for running in [true, false] {
            var scene = shutDown(running: running)
            #expect(scene.decision.effects == [.askPeers])
            scene.memory = scene.decision.memory
            scene.answer(["n2": Scene.standby(1119)])
            #expect(!scene.decision.effects.contains(.release(Term(400))))
            scene.answer(["n2": Scene.standby(1120)])
            #expect(scene.decision.effects == [.release(Term(400))])
        }
    }

    @Test("An answer from before the shutdown checkpoint proves nothing")
    func oldAnswer() {
        var scene = shutDown(running: true)
        scene.answer(["n2": Scene.standby(1120)], askedAt: Scene.now - .milliseconds(1))
        #expect(scene.decision.effects == [.askPeers])
    }

    @Test("Nobody received it: a request is taken back, a member that ends lets go")
    func nobody() {
        var scene = shutDown(running: false)
        scene.memory = scene.decision.memory
        scene.view.now = Scene.now + .seconds(2)
        scene.answer(["n2": Scene.standby(900), "n3": Scene.standby(900)], askedAt: Scene.now + .seconds(2))
        #expect(scene.decision.effects == [.clearRequest(version: 7, Term(400))])
        scene.view.leaving = true
        #expect(scene.decision.effects == [.release(Term(400))])
    }

    @Test("A stop that did not end in order is no hand-over any more")
    func crashedWhileStopping() {
        var scene = shutDown(running: false)
        scene.stop(.inProduction, crashedAt: Scene.now)
        #expect(scene.decision.memory.handOver == nil)
        #expect(!scene.decision.effects.contains(.release(Term(400))))
    }

    @Test("The candidate races although it lags and another is ahead; others wait for it")
    func candidates() {
        var scene = Scene()
        scene.memory.absentSince = Scene.now - .seconds(1)
        scene.memory.absentEpochVersion = 5
        scene.view.store?.optime = LSN(1 << 40)
        scene.view.store?.request = StoreView.Request(candidate: Scene.me, version: 7)
        scene.answer(["n2": Scene.standby(1 << 40), "n3": Scene.standby(2000)])
        #expect(scene.decision.effects == [.acquire(epochVersion: 5, request: 7), .askPeers])
        scene.view.store?.optime = nil
        scene.view.store?.request = StoreView.Request(candidate: "n3", version: 7)
        scene.answer(["n2": Scene.standby(1000), "n3": Scene.standby(2000)])
        #expect(scene.decision.rule == "candidate.defer")
        scene.answer(["n2": Scene.standby(1000)])
        #expect(scene.decision.effects == [.acquire(epochVersion: 5, request: 7), .askPeers])
    }

    @Test("A process that ends: PostgreSQL first, then the lock, then the end")
    func leaving() {
        var scene = Scene()
        scene.view.leaving = true
        #expect(scene.decision.effects == [.stop])
        scene.stop(.shutDownInRecovery)
        #expect(scene.decision.ends)
        scene.lead()
        #expect(!scene.decision.ends)
        #expect(scene.decision.effects == [.release(Term(400))])
        scene.view.unsettled = true
        #expect(scene.decision.effects == [.settle])
        scene.view.coordination = .uncertain
        #expect(scene.decision.ends, "without ZooKeeper the lock is left to the end of its session")
    }

    @Test("Who gave the lock away leaves the race to others for a moment, until one of them has led")
    func standBack() {
        var scene = Scene()
        scene.view.store?.members["n2"]?.reachable = true
        scene.view.finished = [FinishedEffect(.release(Term(300)), .done, at: Scene.now)]
        let released = scene.decision
        #expect(released.rule == "candidate.stand-back" && released.recheckAfter == .seconds(2))
        scene.memory = released.memory
        scene.view.finished = []
        var unled = scene
        unled.held(by: "n2", session: Scene.otherSession)
        unled.memory = unled.decision.memory
        unled.view.store?.leader = nil
        #expect(unled.decision.rule == "candidate.stand-back", "n2 had the lock and was no primary")

        var led = unled
        led.follow()
        led.memory = led.decision.memory
        led.view.store = unled.view.store
        led.view.store?.epoch?.holder = .released
        #expect(led.decision.rule == "candidate.ask")
        led.view.finished = [FinishedEffect(.release(Term(500)), .done, at: Scene.now)]
        #expect(led.decision.rule == "candidate.stand-back", "once more")
    }

    @Test("What is left of a released server is ended after a grace, once")
    func linger() {
        var scene = shutDown(running: true)
        scene.view.leadership = nil
        scene.view.store?.leader = nil
        scene.view.store?.epoch?.holder = .released
        scene.memory.handOver = nil
        scene.view.local.isShutDown = true
        scene.memory.stoodBackAt = Scene.now
        #expect(scene.decision.rule == "planned.linger" && scene.decision.effects.isEmpty)
        scene.memory.stoodBackAt = Scene.now - .seconds(2)
        #expect(scene.decision.effects == [.stopAtOnce])
        scene.memory.quitAt = Scene.now - .milliseconds(100)
        #expect(scene.decision.effects.isEmpty)
    }
}
