import HACore
import Testing

@Suite("Rules of a paused cluster")
struct PauseRuleTests {
    private func paused(_ change: (inout Scene) -> Void) -> Decision {
        var scene = Scene()
        scene.view.policy.paused = true
        scene.view.local.keeperPaused = true
        change(&scene)
        return scene.decision
    }

    @Test("The keeper's deadline goes first, and comes back once the lock is proved to it")
    func theKeeper() {
        var scene = Scene()
        scene.lead()
        scene.runPrimary()
        scene.view.policy.paused = true
        #expect(scene.decision.effects == [.pauseKeeper(true)])
        scene.view.local.keeperPaused = true
        #expect(scene.decision.rule == "leader.lead" && scene.decision.effects.isEmpty)
        #expect(scene.decision.reason.hasPrefix("PAUSE: no action. I am (n1), the leader"))
        scene.view.policy.paused = false
        #expect(scene.decision.effects == [.pauseKeeper(false)])
        // ZooKeeper was away in the pause: its proofs begin anew.
        var late = scene
        late.view.lease?.provenUntil = Scene.now - .seconds(2)
        #expect(late.decision.effects.isEmpty)
        late.memory.pauseOverSince = Scene.now - .seconds(6)
        #expect(late.decision.effects == [.stepDown], "no proof comes")
        late.memory.pauseOverSince = Scene.now - .seconds(1)
        late.view.store = nil
        late.view.coordination = .uncertain
        #expect(late.decision.effects == [.stepDown], "ZooKeeper is away, and the pause is over")
        late = scene
        late.view.store?.leader = nil
        #expect(late.decision.effects == [.fence])
        // Its deadline has passed meanwhile, or is another lock's: armed first.
        scene.view.local.armedZxid = 7
        #expect(scene.decision.rule == "leader.arm")
    }

    @Test("A primary is stopped for nothing: not without ZooKeeper, not without the lock, not beside another's")
    func nothingStops() {
        let lost = paused { scene in
            scene.lead()
            scene.runPrimary()
            scene.view.store = nil
            scene.view.coordination = .uncertain
            scene.view.lease?.provenUntil = Scene.now - .seconds(20)
        }
        #expect(lost.rule == "wait.store")
        let other = paused { scene in
            scene.held(by: "n2", session: Scene.otherSession)
            scene.runPrimary()
        }
        #expect(other.rule == "pause.other-leader" && other.effects.isEmpty)
        let free = paused { $0.runPrimary() }
        #expect(free.rule == "candidate.ask", "it takes the free lock")
    }

    @Test("Without a keeper that knows of the pause the lease counts while the tree cannot be read")
    func unknownPause() {
        var scene = Scene()
        scene.lead()
        scene.runPrimary()
        scene.view.policy.paused = true
        scene.view.store = nil
        scene.view.coordination = .uncertain
        scene.view.lease?.provenUntil = Scene.now
        #expect(scene.decision.rule == "step-down.lease-ends")
    }

    @Test("What is down stays down, and gives the lock to whoever runs")
    func nothingStarts() {
        let standby = paused { $0.stop(.shutDownInRecovery) }
        #expect(standby.rule == "pause.stopped" && standby.effects.isEmpty)
        let leader = paused { scene in
            scene.lead()
            scene.stop(.inProduction, crashedAt: Scene.now)
        }
        #expect(leader.effects == [.release(Term(400))])
        let empty = paused { $0.view.local = LocalPostgres(directory: .empty) }
        #expect(empty.rule == "pause.begin", "a new keeper knows nothing of the pause")
    }

    @Test("A standby takes no lock, and keeps none, unless an operator named it")
    func nobodyRaces() {
        #expect(paused { _ in }.rule == "pause.no-race")
        let holder = paused { $0.lead() }
        #expect(holder.rule == "pause.standby" && holder.effects == [.release(Term(400))])
        let named = paused { scene in
            scene.view.store?.request = StoreView.Request(candidate: "n1", version: 1)
        }
        #expect(named.rule == "candidate.ask")
        let later = paused { scene in
            scene.view.store?.request = StoreView.Request(
                leader: "n2", candidate: "n1", dueAt: Scene.now - .seconds(1), version: 1)
        }
        #expect(later.rule == "pause.no-race", "what is scheduled waits for the end of the pause")
    }

    @Test("After a stop that an operator asked for it is started again")
    func whatIsOwed() {
        let restarted = paused { scene in
            scene.lead()
            scene.stop(.shutDown)
            scene.memory.ledTerm = Term(400)
            scene.view.order = MemberOrder(id: 1, kind: .restart(timeout: nil), since: Scene.now - .seconds(1))
            scene.answer(["n2": Scene.standby(1), "n3": Scene.standby(1)])
        }
        #expect(restarted.rule == "leader.restart")
        let ordered = paused { scene in
            scene.lead()
            scene.runPrimary()
            scene.view.local.startedAt = Scene.now - .seconds(60)
            scene.view.order = MemberOrder(id: 1, kind: .restart(timeout: nil), since: Scene.now)
        }
        #expect(ordered.effects == [.stopForRestart])
    }

    @Test("A process that ends leaves PostgreSQL and the lock")
    func leaving() {
        let left = paused { scene in
            scene.lead()
            scene.runPrimary()
            scene.view.leaving = true
        }
        #expect(left.ends && left.effects.isEmpty)
    }

    @Test("A member whose keeper enforces nothing is waited for like any other")
    func notKept() {
        var scene = Scene()
        scene.view.local.keeperPaused = true
        #expect(!scene.view.local.isKept)
    }
}
