import Testing

@testable import HACore

@Suite("Rules about a PostgreSQL that somebody else started")
struct FoundRuleTests {
    /// A primary that no keeper watches, seen long enough; nobody holds the lock.
    private func unkept(_ role: StartRole = .primary) -> Scene {
        var scene = Scene()
        if role == .primary { scene.runPrimary() }
        scene.view.local.process = .unkept(as: role)
        scene.memory.unkeptSince = Scene.now - .seconds(1)
        return scene
    }

    /// Taken over and armed, as the keeper says.
    private func found() -> Scene {
        var scene = Scene()
        scene.runPrimary()
        scene.view.local.takenOver = true
        scene.view.local.armedUntil = Scene.now + .seconds(8)
        scene.view.local.armedZxid = 0
        scene.memory.absentSince = Scene.now - .milliseconds(1)
        scene.memory.absentEpochVersion = 5
        return scene
    }

    @Test("It gets a keeper, whatever else is to be done; what a killed keeper left may end first")
    func takeOver() {
        var scene = unkept()
        #expect(scene.decision.effects == [.takeOver(as: .primary)])
        scene.held(by: "n2", session: Scene.otherSession)
        #expect(scene.decision.effects == [.takeOver(as: .primary)])
        scene.memory.unkeptSince = Scene.now - .milliseconds(50)
        #expect(scene.decision.effects.isEmpty)
        #expect(unkept(.standby).decision.effects == [.takeOver(as: .standby)])
    }

    @Test("Without a lease a new process waits for its first session, for a while; a standby waits for nothing")
    func withoutLease() {
        var scene = unkept()
        scene.view.coordination = .never
        scene.view.store = nil
        scene.view.lease = nil
        #expect(scene.decision.effects.isEmpty)
        scene.memory.unkeptSince = Scene.now - .seconds(20)
        #expect(scene.decision.effects == [.takeOver(as: .primary), .fence])
        var standby = unkept(.standby)
        standby.view.coordination = .never
        standby.view.store = nil
        standby.view.lease = nil
        #expect(standby.decision.effects == [.takeOver(as: .standby)])
    }

    @Test("A primary that led here and has lost its keeper is stopped when its lease is over")
    func ledBefore() {
        var scene = unkept()
        scene.memory.ledTerm = Term(400)
        scene.view.coordination = .uncertain
        #expect(scene.decision.effects == [.takeOver(as: .primary)])
        scene.view.lease?.provenUntil = Scene.now + .milliseconds(100)
        #expect(scene.decision.effects == [.takeOver(as: .primary), .fence])
    }

    @Test("It takes the lock as it is, also with nobody known to have led, and although tagged nofailover")
    func acquires() {
        var scene = found()
        #expect(scene.decision.rule == "candidate.ask")
        scene.answer(["n2": Scene.standby(1900), "n3": Scene.standby(2000)])
        #expect(scene.decision.effects == [.acquire(epochVersion: 5), .askPeers])
        scene.view.store?.epoch?.holder = .nobody
        #expect(scene.decision.effects == [.acquire(epochVersion: 5), .askPeers])
        scene.view.policy.nofailover = true
        #expect(scene.decision.effects == [.acquire(epochVersion: 5), .askPeers])
        // Somebody removed the lock of a member whose session lives.
        scene.view.store?.epoch?.holder = .taken(by: "n2", session: Scene.otherSession, nonce: "x")
        #expect(scene.decision.rule == "candidate.absence")
        scene.view.store?.epoch?.holder = .released
        scene.answer(["n2": Scene.primary, "n3": Scene.standby(2000)])
        #expect(scene.decision.rule == "candidate.primary-alive")
    }

    @Test("The end of a Patroni's lock of its name is waited for, under the deadline that was given once")
    func legacy() {
        var scene = found()
        scene.held(by: Scene.me, session: 99, version: 0)
        #expect(scene.decision.rule == "lock.legacy")
        scene.view.local.armedUntil = Scene.now + .milliseconds(1250)
        #expect(scene.decision.effects == [.stepDown])
    }

    @Test("Another's lock stops it, and so does an older timeline or another's synchronous replication")
    func unfit() {
        var scene = found()
        scene.held(by: "n2", session: Scene.otherSession)
        #expect(scene.decision.rule == "fence.other-leader")
        scene = found()
        scene.view.store?.historyTimeline = Timeline(2)
        #expect(scene.decision.rule == "found.unfit" && scene.decision.effects == [.fence])
        scene = found()
        scene.view.policy.synchronous = true
        scene.view.store?.sync = StoreView.Sync(leader: "n2", standbys: ["n1"], version: 3)
        #expect(scene.decision.rule == "found.unfit" && scene.decision.effects == [.fence])
        scene.view.store?.sync = StoreView.Sync(leader: "N1", standbys: ["n2"], version: 3)
        #expect(scene.decision.rule == "candidate.ask")
    }

    @Test("A keeper that is not armed for it stops it")
    func unarmed() {
        var scene = found()
        scene.view.local.armedUntil = nil
        scene.view.local.armedZxid = nil
        #expect(scene.decision.rule == "found.unarmed" && scene.decision.urgent)
    }

    @Test("With the lock proved everybody is asked again; a silent member is not waited for, another primary ends it")
    func confirms() {
        var scene = found()
        scene.held(by: Scene.me, session: Scene.session)
        scene.view.leadership = Leadership(
            term: Term(400), epochVersion: 5, epochZxid: 500, provedAt: Scene.now - .seconds(1))
        #expect(scene.decision.effects == [.askPeers])
        scene.view.store?.members["n3"]?.kept = false
        scene.answer(["n2": Scene.standby(1900)])
        #expect(scene.decision.effects == [.arm(Term(400))])
        scene.answer(["n2": Scene.primary])
        #expect(scene.decision.effects == [.fence])
        // Until then the deadline is the one that it was found with, whatever the session proves.
        scene.answer([:])
        scene.view.local.armedUntil = Scene.now + .milliseconds(1250)
        #expect(scene.decision.effects == [.stepDown])
    }

    @Test("An agent that is asked to end leaves alone what it did not take over")
    func leaves() {
        var scene = unkept()
        scene.view.leaving = true
        #expect(scene.decision.ends && scene.decision.effects.isEmpty)
    }

    @Test("Others do not rely on the keeper of a primary that was found")
    func kept() {
        #expect(!unkept().view.local.isKept && !found().view.local.isKept)
        var scene = found()
        scene.view.local.armedZxid = 500
        #expect(scene.view.local.isKept)
    }
}
