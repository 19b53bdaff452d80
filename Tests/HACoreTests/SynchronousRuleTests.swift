import Testing

@testable import HACore

@Suite("Synchronous replication")
struct SynchronousRuleTests {
    /// A strict leader with its two standbys streaming.
    private func leading(
        names: String = "", listed: Set<MemberID> = [],
        parts: [MemberID: SQLStatus.Sender.Part] = ["n2": .async, "n3": .async]
    ) -> Scene {
        var scene = Scene()
        scene.lead()
        scene.runPrimary()
        scene.view.policy.synchronous = true
        scene.view.policy.synchronousStrict = true
        scene.view.store?.sync = StoreView.Sync(leader: Scene.me, standbys: listed, version: 3)
        scene.view.local.sql?.synchronousNames = names
        scene.view.local.sql?.senders = parts.sorted { $0.key < $1.key }.map {
            SQLStatus.Sender(name: $0.key.rawValue, part: $0.value, flushed: LSN(2000))
        }
        return scene
    }

    private func write(_ standbys: Set<MemberID>) -> Effect {
        .writeSync(leader: Scene.me, standbys: standbys, version: 3, Term(400))
    }

    @Test(
        "Settings are written and read as Patroni writes them",
        arguments: [
            (SynchronousNames.none, ""), (.all(["postgres-1"]), "\"postgres-1\""), (.all(["a"]), "a"),
            (.all(["b", "a"]), "2 (a,b)"), (.all(["first"]), "\"first\""), (.all(["say \"hi\""]), "\"say \"\"hi\"\"\""),
            (.blocked, "__patroni_strict_sync_replica_placeholder__"),
        ])
    func settings(names: SynchronousNames, setting: String) {
        #expect(names.setting == setting)
        #expect(SynchronousNames(setting: setting) == names)
    }

    @Test("What others write is read; what is not ours counts as unmanaged")
    func foreignSettings() {
        #expect(SynchronousNames(setting: "FIRST 2 (a, \"b\")") == .all(["a", "b"]))
        for text in ["*", "ANY 1 (a,b)", "1 (a,b)", "a,b", "(a)", "2 (a,", "\"a"] {
            #expect(SynchronousNames(setting: text) == .unmanaged, "\(text)")
        }
    }

    @Test("A standby is set before it is listed, and listed only once it has all that came before")
    func adding() {
        var scene = leading()
        #expect(scene.decision.effects == [.setSynchronous(.all(["n2"]))])
        scene = leading(names: "n2", parts: ["n2": .async, "n3": .async])
        #expect(scene.decision.rule == "leader.lead", "not synchronous yet")
        scene = leading(names: "n2", parts: ["n2": .sync, "n3": .async])
        scene.memory.synchronousSince = LSN(2001)
        #expect(scene.decision.rule == "leader.lead", "has not come far enough")
        scene.memory.synchronousSince = LSN(2000)
        #expect(scene.decision.effects == [write(["n2"])])
    }

    @Test("Once the server waits for the new standby, commits that waited for another are let go, once")
    func wakes() {
        var scene = leading(names: "n2", listed: ["n2"], parts: ["n2": .async])
        scene.memory.commitsWoken = false
        #expect(scene.decision.rule == "leader.lead", "its sender has not read the setting")
        scene.view.local.sql?.senders[0].part = .sync
        #expect(scene.decision.effects == [.wakeCommits])
        scene.view.finished = [FinishedEffect(.wakeCommits, .done, at: Scene.now)]
        #expect(scene.decision.rule == "leader.lead")
        scene.view.finished = [FinishedEffect(.setSynchronous(.all(["n2"])), .done, at: Scene.now)]
        #expect(scene.decision.effects == [.wakeCommits])
    }

    @Test("A standby that is gone leaves sync before the setting")
    func removing() {
        var scene = leading(names: "n2", listed: ["n2"], parts: ["n3": .async])
        #expect(scene.decision.effects == [write([])])
        scene.view.store?.sync.standbys = []
        #expect(scene.decision.effects == [.setSynchronous(.all(["n3"]))])
    }

    @Test("Who led before and was started again as a standby waits for its standbys before it is promoted")
    func leadsAgain() {
        var scene = Scene()
        scene.lead()
        scene.view.policy.synchronous = true
        scene.view.policy.synchronousStrict = true
        scene.view.store?.sync = StoreView.Sync(leader: Scene.me, standbys: ["n2"], version: 3)
        scene.view.local.sql?.synchronousNames = ""
        scene.answer([:])
        #expect(scene.decision.effects == [.setSynchronous(.all(["n2"])), write(["n2"])])
        scene.view.local.sql?.synchronousNames = "n2"
        #expect(scene.decision.rule == "leader.promote")
        // Without strictness nobody is waited for, and then nobody is promised either.
        scene.view.policy.synchronousStrict = false
        scene.view.local.sql?.synchronousNames = ""
        #expect(scene.decision.effects == [.setSynchronous(.none), write([])])
    }

    @Test("Strict: without a standby the promise stands, or nothing is acknowledged")
    func strict() {
        var scene = leading(names: "n2", listed: ["n2"], parts: [:])
        #expect(scene.decision.rule == "leader.lead")
        scene = leading(parts: [:])
        #expect(scene.decision.effects == [.setSynchronous(.blocked)])
        scene.view.policy.synchronousStrict = false
        #expect(scene.decision.rule == "leader.lead")
        scene.view.local.sql?.synchronousNames = "n2"
        #expect(scene.decision.effects == [.setSynchronous(.none)])
    }

    @Test("Who may not, lags, or is less wanted is not chosen; who is synchronous stays")
    func choosing() {
        var scene = leading()
        scene.view.store?.members["n2"]?.nosync = true
        #expect(scene.decision.effects == [.setSynchronous(.all(["n3"]))])
        scene = leading()
        scene.view.store?.members["n2"]?.nofailover = true
        #expect(scene.decision.effects == [.setSynchronous(.all(["n3"]))])
        scene = leading()
        scene.view.store?.members["n3"]?.syncPriority = 2
        #expect(scene.decision.effects == [.setSynchronous(.all(["n3"]))])
        scene = leading(names: "n3", listed: ["n3"], parts: ["n2": .async, "n3": .sync])
        #expect(scene.decision.rule == "leader.lead")
        scene.view.local.sql?.senders[1].flushed = LSN(1000)
        scene.view.policy.maximumLagOnSyncNode = 500
        #expect(scene.decision.effects == [write([])])
        scene = leading()
        scene.view.policy.synchronousCount = 2
        #expect(scene.decision.effects == [.setSynchronous(.all(["n2", "n3"]))])
    }

    /// A standby that has just taken the lock of n2, whose synchronous standbys were `listed`.
    private func promoting(listed: Set<MemberID>, strict: Bool = true) -> Scene {
        var scene = leading(listed: listed)
        scene.view.policy.synchronousStrict = strict
        scene.view.store?.sync.leader = "n2"
        scene.view.local.process = .running(as: .standby)
        scene.view.local.sql?.inRecovery = true
        return scene
    }

    @Test("Before its promotion a new leader takes the promises over")
    func beforePromotion() {
        var scene = promoting(listed: [Scene.me, "n3"], strict: false)
        #expect(scene.decision.effects == [.setSynchronous(.none), write([])])
        scene = promoting(listed: [Scene.me, "n3"])
        scene.view.peers = nil
        #expect(scene.decision.effects == [.askPeers])
        scene.answer([:])
        #expect(scene.decision.effects == [.setSynchronous(.all(["n2", "n3"])), write(["n2", "n3"])])
    }

    @Test("A new leader waits for a standby that is there, and promises it nothing that it may not have")
    func beforePromotionPresent() {
        var scene = promoting(listed: [Scene.me])
        scene.answer(["n3": Scene.standby(2000)])
        #expect(scene.decision.effects == [.setSynchronous(.all(["n3"])), write([])])
        // One of the former leader's synchronous standbys has every row.
        scene.view.store?.sync.standbys.insert("N3")
        #expect(scene.decision.effects == [.setSynchronous(.all(["n3"])), write(["n3"])])
        scene.view.store?.sync.standbys.remove("N3")
        scene.view.store?.members["n3"]?.nosync = true
        #expect(scene.decision.effects == [.setSynchronous(.all(["n2"])), write(["n2"])])
    }

    @Test("What the only standby has beyond the new leader is received first, for a moment: else it had to be rewound")
    func beforePromotionAhead() {
        var scene = promoting(listed: [Scene.me])
        scene.view.leadership?.provedAt = Scene.now - .milliseconds(100)
        scene.view.local.sql?.written = nil
        scene.view.local.sql?.received = LSN(2000)
        scene.answer(["n3": Scene.standby(2001)])
        #expect(scene.decision.effects == [.follow("n3", Term(400))])
        scene.view.following = Following(member: "n3", term: Term(400))
        #expect(scene.decision.rule == "sync.before-promotion")
        #expect(scene.decision.effects.isEmpty)
        scene.view.local.sql?.received = LSN(2001)
        #expect(scene.decision.effects == [.setSynchronous(.all(["n3"])), write([])])

        scene.view.local.sql?.received = LSN(2000)
        scene.view.leadership?.provedAt = Scene.now - .milliseconds(500)
        #expect(scene.decision.effects == [.setSynchronous(.all(["n2"])), write(["n2"])])
    }

    @Test("Once promoted, the standby that is waited for stays so until it streams, and is then listed")
    func afterPromotion() {
        var scene = leading(names: "n3", parts: [:])
        scene.memory.synchronousSince = LSN(2000)
        #expect(scene.decision.rule == "leader.lead")
        #expect(scene.decision.recheckAfter == .milliseconds(25), "clients wait")
        scene = leading(names: "n3", parts: ["n3": .sync])
        scene.memory.synchronousSince = LSN(2000)
        #expect(scene.decision.effects == [write(["n3"])])
        // Another one came first.
        scene = leading(names: "n3", parts: ["n2": .async])
        #expect(scene.decision.effects == [.setSynchronous(.all(["n2"]))])
    }

    @Test("Only the former leader and its synchronous standbys race, by the version of sync that was read")
    func racing() {
        var scene = Scene()
        scene.view.policy.synchronous = true
        scene.memory.absentSince = Scene.now - .seconds(1)
        scene.memory.absentEpochVersion = 5
        scene.view.store?.sync = StoreView.Sync(leader: "n2", standbys: ["n3"], version: 3)
        scene.answer(["n2": Scene.standby(9000), "n3": Scene.standby(1000)])
        #expect(scene.decision.rule == "candidate.not-synchronous")
        scene.view.store?.sync.standbys = ["N1", "n3"]
        // The former leader's surplus counts for nothing.
        #expect(scene.decision.effects == [.acquire(epochVersion: 5, sync: 3), .askPeers])
        scene.answer(["n2": Scene.standby(1000), "n3": Scene.standby(9000)])
        #expect(scene.decision.rule == "candidate.behind")
    }

    @Test("A synchronous standby that ends is let go by its leader first")
    func leaving() {
        var scene = Scene()
        scene.follow()
        scene.view.policy.synchronous = true
        scene.view.leaving = true
        scene.view.store?.sync = StoreView.Sync(leader: "n2", standbys: [Scene.me], version: 3)
        #expect(scene.decision.rule == "leaving.opt-out")
        scene.view.store?.sync.standbys = []
        #expect(scene.decision.effects == [.stop])
        scene.view.store?.sync.standbys = [Scene.me]
        scene.memory.leavingSince = Scene.now - .seconds(60)
        #expect(scene.decision.effects == [.stop])
    }
}
