import Testing

@testable import HACore

@Suite("Rules of operators' orders")
struct OrderRuleTests {
    private static let since = Scene.now - .seconds(5)

    private func scene(_ kind: MemberOrder.Kind, _ change: (inout Scene) -> Void = { _ in }) -> Scene {
        var scene = Scene()
        scene.follow()
        scene.view.following = Following(member: "n2", term: Term(400))
        scene.view.local.startedAt = Self.since - .seconds(60)
        scene.view.order = MemberOrder(id: 3, kind: kind, since: Self.since)
        change(&scene)
        return scene
    }

    @Test("A restart stops, is started by the usual rules, and ends with its first answer")
    func restart() {
        let order = MemberOrder.Kind.restart(timeout: nil)
        #expect(scene(order).decision.effects == [.stopForRestart])
        #expect(scene(order) { $0.stop(.shutDownInRecovery) }.decision.rule == "replica.start")
        let starting = scene(order) { scene in
            scene.view.local.startedAt = Scene.now - .seconds(2)
            scene.view.local.sql = nil
        }
        #expect(starting.decision.rule == "replica.starting")
        let started = scene(order) { $0.view.local.startedAt = Scene.now - .seconds(2) }
        #expect(started.decision.effects == [.finishOrder(3, .done)])
    }

    @Test("A start that fails, or takes too long, is said")
    func failures() {
        let refused = scene(.restart(timeout: nil)) { scene in
            scene.stop(.shutDownInRecovery)
            scene.memory.retries["start"] = .init(failures: 1, notBefore: Scene.now, reason: "no")
        }
        #expect(refused.decision.effects == [.finishOrder(3, .failed("no"))])
        let crashed = scene(.restart(timeout: nil)) { $0.stop(.shutDownInRecovery, crashedAt: Scene.now) }
        #expect(crashed.decision.effects == [.finishOrder(3, .failed("PostgreSQL ended"))])
        let slow = scene(.restart(timeout: .seconds(1))) { scene in
            scene.view.local.startedAt = Scene.now - .seconds(2)
            scene.view.local.sql = nil
        }
        #expect(slow.decision.effects == [.finishOrder(3, .stillStarting)])
    }

    @Test("A synchronous standby waits until the leader does without it, but not for ever")
    func optOut() {
        let listed = scene(.restart(timeout: nil)) { scene in
            scene.view.policy.synchronous = true
            scene.view.store?.sync = StoreView.Sync(leader: "n2", standbys: ["n1"], version: 1)
        }
        #expect(listed.decision.rule == "order.opt-out")
        var late = listed
        late.view.order?.since = Scene.now - .seconds(30)
        #expect(late.decision.effects == [.stopForRestart])
    }

    @Test("A scheduled restart waits for its time, and for the end of a pause")
    func scheduled() {
        var scene = Scene()
        scene.follow()
        scene.view.following = Following(member: "n2", term: Term(400))
        scene.view.scheduledRestart = Scene.now + .seconds(3)
        #expect(scene.decision.rule == "replica.follow")
        #expect(scene.decision.recheckAfter <= .seconds(3))
        scene.view.scheduledRestart = Scene.now
        #expect(scene.decision.effects == [.beginScheduledRestart])
        scene.view.policy.paused = true
        scene.view.local.keeperPaused = true
        #expect(scene.decision.rule == "replica.follow")
    }

    @Test("A member is made anew from whom it may be copied, and only while another leads")
    func reinitialize() {
        let order = MemberOrder.Kind.reinitialize(fromLeader: false)
        #expect(scene(order).decision.effects == [.stopAtOnce])
        #expect(scene(order) { $0.stop(.shutDownInRecovery) }.decision.effects == [.reinitialize(from: "n2")])
        let offered = scene(order) { scene in
            scene.stop(.shutDownInRecovery)
            scene.view.store?.members["n3"]?.clonefrom = true
        }
        #expect(offered.decision.effects == [.reinitialize(from: "n3")])
        let fromLeader = scene(.reinitialize(fromLeader: true)) { scene in
            scene.stop(.shutDownInRecovery)
            scene.view.store?.members["n3"]?.clonefrom = true
        }
        #expect(fromLeader.decision.effects == [.reinitialize(from: "n2")])
        let alone = scene(order) { $0.view.store?.leader = nil }
        #expect(
            alone.decision.effects == [.finishOrder(3, .failed("Cluster has no leader, can not reinitialize"))])
        let copied = scene(order) { $0.memory.copiedAt = Scene.now }
        #expect(copied.decision.effects == [.finishOrder(3, .done)])
    }

    @Test("A replica is given back, then its agent ends; a leader only in pause")
    func detach() {
        let refusal = Effect.finishOrder(3, .failed("I am the leader: switch over, or pause the cluster, first"))
        func leader(_ change: (inout Scene) -> Void = { _ in }) -> Decision {
            scene(.detach) { scene in
                scene.lead()
                scene.runPrimary()
                change(&scene)
            }.decision
        }
        #expect(scene(.detach).decision.effects == [.detach])
        #expect(leader().effects == [refusal])
        #expect(leader { $0.view.store?.members = [:] }.effects == [refusal], "who is down may come back and lead")
        #expect(leader { $0.view.store = nil }.effects == [refusal])
        let paused = leader { scene in
            scene.view.policy.paused = true
            scene.view.local.keeperPaused = true
        }
        #expect(paused.effects == [.detach])
        let given = scene(.detach) { $0.view.local.process = .unkept(as: .standby) }.decision
        #expect(given.effects == [.finishOrder(3, .done)] && given.ends)
        let stopped = scene(.detach) { $0.stop(.shutDownInRecovery) }
        #expect(stopped.decision.effects == [.finishOrder(3, .failed("PostgreSQL is not running"))])
        let failed = scene(.detach) { scene in
            scene.memory.retries["detach"] = .init(failures: 1, notBefore: Scene.now, reason: "no keeper")
        }
        #expect(failed.decision.effects == [.finishOrder(3, .failed("no keeper"))])
    }

    @Test("A replica is given back once it is pointed at whom it is to follow from then on")
    func detachOfAReplica() {
        func replica(_ change: (inout Scene) -> Void) -> [Effect] { scene(.detach, change).decision.effects }
        func refused(_ why: String) -> [Effect] { [.finishOrder(3, .failed(why))] }
        func leaderless(_ scene: inout Scene) { scene.view.store?.leader = nil }
        func unpointed(_ scene: inout Scene) {
            leaderless(&scene)
            scene.view.following = nil
        }
        let former = replica { $0.view.following = Following(member: "n2", term: Term(300)) }
        #expect(former == refused("it does not follow n2 yet"), "n2 of an earlier term")
        let failing = replica { scene in
            scene.view.following = nil
            scene.memory.retries["follow"] = .init(failures: 1, notBefore: Scene.now, reason: "no space left")
        }
        #expect(failing == refused("it does not follow n2 yet: no space left"))
        #expect(replica(leaderless) == [.detach], "it streams on if that one comes back")
        #expect(
            replica(unpointed) == refused("there is no leader to follow: wait for one, or pause the cluster, first"))
        let paused = replica { scene in
            unpointed(&scene)
            scene.view.policy.paused = true
            scene.view.local.keeperPaused = true
        }
        #expect(paused == [.detach])
    }
}
