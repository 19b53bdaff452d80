import Testing

@testable import HACore

@Suite("Rules of the race, of promotion and of a crash")
struct RaceRuleTests {
    private func racing(_ answers: [MemberID: PeerRound.Answer]) -> Scene {
        var scene = Scene()
        scene.answer(answers)
        return scene
    }

    @Test("Everybody is asked, then the healthiest takes the lock")
    func race() {
        #expect(Scene().decision.effects == [.askPeers])
        #expect(racing([:]).decision.effects == [.acquire(epochVersion: 5), .askPeers])
        #expect(racing(["n2": Scene.standby(2000)]).decision.effects == [.acquire(epochVersion: 5), .askPeers])
        #expect(racing(["n2": Scene.standby(2001)]).decision.rule == "candidate.behind")
        #expect(racing(["n2": Scene.standby(2000, priority: 2)]).decision.rule == "candidate.behind")
        #expect(racing(["n3": Scene.primary]).decision.rule == "candidate.primary-alive")
    }

    @Test("Among equals in WAL more usable slots of a mesh count first; alone, a member without any leads")
    func slots() {
        func rule(_ rival: Int, own: Int, position: UInt64 = 2000, priority: Int = 1) -> RuleID {
            var answer = Scene.standby(position, priority: priority)
            answer.provedSlots = rival
            var scene = racing(["n2": answer])
            scene.view.provedSlots = own
            return scene.decision.rule
        }
        #expect(rule(1, own: 0) == "candidate.behind")
        #expect(rule(1, own: 1) == "candidate.acquire")
        #expect(rule(3, own: 0, position: 1999) == "candidate.acquire", "rows come before slots")
        #expect(rule(0, own: 3, position: 2001) == "candidate.behind")
        // Both ask by the same order: one of them leads.
        #expect(rule(1, own: 2, priority: 2) == "candidate.acquire")
        #expect(rule(2, own: 2, priority: 2) == "candidate.behind")
        #expect(racing([:]).decision.rule == "candidate.acquire")
    }

    @Test("Answers asked for before the lock was seen absent, or grown old, do not count")
    func staleAnswers() {
        var scene = racing([:])
        scene.view.peers?.askedAt = Scene.now - .milliseconds(1)
        #expect(scene.decision.rule == "candidate.ask")
        scene.memory.absentSince = Scene.now - .seconds(2)
        scene.memory.absentEpochVersion = 5
        #expect(scene.decision.rule == "candidate.acquire")
        scene.view.peers?.askedAt = Scene.now - .milliseconds(251)
        #expect(scene.decision.rule == "candidate.ask")
    }

    @Test("Who may not lead: nofailover, too far behind, an old timeline, an old lease, a lock reserved for another")
    func barred() {
        var scene = racing([:])
        scene.view.policy.nofailover = true
        #expect(scene.decision.rule == "candidate.nofailover")
        scene = racing([:])
        scene.view.lease?.terms = LeaseTerms(timeout: .seconds(10), tickTime: .seconds(6))
        #expect(scene.decision.rule == "lease.unfit")
        #expect(scene.decision.effects.isEmpty)
        scene.view.local.process = .absent
        #expect(scene.decision.rule == "candidate.start", "a standby is started all the same")
        scene = racing([:])
        scene.view.store?.optime = LSN(2001 + 1_048_576)
        #expect(scene.decision.rule == "candidate.lag")
        scene = racing([:])
        scene.view.policy.checkTimeline = true
        scene.view.store?.historyTimeline = Timeline(2)
        #expect(scene.decision.rule == "candidate.timeline")
        scene = racing([:])
        scene.view.lease?.anchor = Scene.now - .seconds(5)
        #expect(scene.decision.rule == "candidate.lease")
        scene = racing([:])
        scene.view.store?.epoch?.holder = .taken(by: "n2", session: Scene.otherSession, nonce: "x")
        #expect(scene.decision.rule == "candidate.absence")
    }

    @Test("A rival that bars itself by check_timeline is not waited for")
    func outdatedRival() {
        var scene = racing(["n2": Scene.standby(9000)])
        scene.view.policy.checkTimeline = true
        scene.view.store?.historyTimeline = Timeline(2)
        scene.view.local.sql?.timeline = Timeline(2)
        #expect(scene.decision.rule == "candidate.acquire")
    }

    @Test("Promotion: asked after the proof, armed first, never beside a primary or without lease")
    func promotion() {
        var scene = Scene()
        scene.lead()
        #expect(scene.decision.effects == [.askPeers])
        scene.answer(["n2": Scene.standby(1), "n3": Scene.standby(1)], askedAt: Scene.now - .seconds(6))
        #expect(scene.decision.effects == [.askPeers])
        scene.answer(["n2": Scene.standby(1), "n3": Scene.standby(1)], askedAt: Scene.now - .seconds(5))
        #expect(scene.decision.effects == [.arm(Term(400)), .promote(Term(400))])
        scene.answer(["n2": Scene.primary, "n3": Scene.standby(1)])
        #expect(scene.decision.effects == [.release(Term(400))])
        scene.view.lease?.provenUntil = Scene.now + .milliseconds(1400)
        #expect(scene.decision.effects.isEmpty)
    }

    @Test("A silent member without a keeper is waited for, one with a keeper or without a session is not")
    func silent() {
        var scene = Scene()
        scene.lead()
        scene.answer(["n3": Scene.standby(1)])
        #expect(scene.decision.effects == [.arm(Term(400)), .promote(Term(400))])
        scene.view.store?.members["n2"]?.kept = false
        #expect(scene.decision.effects.isEmpty)
        #expect(scene.decision.recheckAfter == .milliseconds(250))
        scene.view.peers?.askedAt = Scene.now - .milliseconds(250)
        #expect(scene.decision.effects == [.askPeers], "it may say more by now")
        scene.view.peers?.stopped = ["n2"]
        #expect(scene.decision.effects == [.arm(Term(400)), .promote(Term(400))])
        scene.view.peers?.stopped = []
        scene.view.leadership?.provedAt = Scene.now - .seconds(11)
        scene.memory.askedSince = Scene.now - .milliseconds(10_300)
        #expect(scene.decision.effects == [.arm(Term(400)), .promote(Term(400))], "however late it was asked last")
        scene.view.leadership?.provedAt = Scene.now - .seconds(5)
        #expect(scene.decision.effects == [.askPeers], "that was another lock")
        scene.answer(["n3": Scene.standby(1)])
        scene.view.store?.livingSessions.remove(Scene.otherSession)
        #expect(scene.decision.effects == [.arm(Term(400)), .promote(Term(400))])
    }

    @Test("A crashed primary starts again within primary_start_timeout, else another takes over")
    func crash() {
        var scene = Scene()
        scene.lead()
        scene.stop(.inProduction, crashedAt: Scene.now - .seconds(1))
        scene.answer(["n2": Scene.standby(2000), "n3": Scene.standby(2000)])
        #expect(scene.decision.effects == [.arm(Term(400)), .start(as: .primary, term: Term(400))])
        scene.view.policy.primaryStartTimeout = .zero
        #expect(scene.decision.effects == [.release(Term(400))])
        scene.answer([:])
        #expect(scene.decision.effects == [.arm(Term(400)), .start(as: .primary, term: Term(400))])
        // Nothing is started or released while a backend of the dead postmaster may still acknowledge.
        scene.view.local.process = .remains
        #expect(scene.decision.rule == "leader.remains")
        #expect(scene.decision.effects.isEmpty)
        // Who is to take over is asked meanwhile; nobody is where PostgreSQL comes back here.
        scene.view.peers = nil
        #expect(scene.decision.rule == "leader.remains")
        #expect(scene.decision.effects == [.askPeers])
        scene.view.policy.primaryStartTimeout = .seconds(300)
        #expect(scene.decision.effects.isEmpty)
    }

    @Test("A leader without a usable directory gives the lock away")
    func noDirectory() {
        for directory in [DataDirectory.empty, .unfinished("rewind"), .unusable("x")] {
            var scene = Scene()
            scene.lead()
            scene.stop(.shutDown)
            scene.view.local.directory = directory
            #expect(scene.decision.effects == [.release(Term(400))])
        }
    }

    @Test("No race for a new cluster where somebody has data, and none beside another's")
    func bootstrap() {
        var scene = Scene()
        scene.stop(.shutDown)
        scene.view.local.directory = .empty
        scene.view.store?.initialize = .absent
        #expect(scene.decision.rule == "bootstrap.wait")
        scene.view.store?.members["n2"]?.isRunning = false
        scene.view.store?.members["n3"]?.isRunning = false
        #expect(scene.decision.effects == [.raceInitialize])
        scene.memory.bootstrap = .created
        scene.view.store?.initialize = .done(SystemIdentifier(rawValue: "7999999999999999999"))
        #expect(scene.decision.effects == [.cancelBootstrap])
    }
}
