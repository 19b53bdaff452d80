@testable import HACore
import Testing

@Suite("Whom a standby streams from")
struct SourceRuleTests {
    /// A standby of n2 on its timeline.
    private static func scene() -> Scene {
        var scene = Scene()
        scene.follow(fork: 2000)
        scene.view.following = Following(member: "n2", term: Term(400))
        scene.view.store?.members["n4"] = MemberView(session: 44)
        return scene
    }

    @Test("replicatefrom names it, as long as that member runs and there is no circle")
    func cascade() {
        var scene = Self.scene()
        scene.view.policy.replicatefrom = "n3"
        #expect(scene.decision.effects == [.follow("n3", Term(400))])
        scene.view.store?.members["n3"]?.isRunning = false
        #expect(scene.decision.rule == "replica.follow", "a member that does not run: the leader")
        scene.view.store?.members["n3"] = nil
        #expect(scene.decision.rule == "replica.follow", "nobody of that name: the leader")
        scene.view.policy.replicatefrom = Scene.me
        #expect(scene.decision.rule == "replica.follow", "never itself")
    }

    @Test("Nobody of a circle follows another of it")
    func circle() {
        var scene = Self.scene()
        scene.view.policy.replicatefrom = "n3"
        scene.view.store?.members["n3"]?.replicatefrom = "n4"
        #expect(scene.decision.effects == [.follow("n3", Term(400))])
        scene.view.store?.members["n4"]?.replicatefrom = Scene.me
        #expect(scene.decision.rule == "replica.follow")
        scene.view.store?.members["n4"]?.replicatefrom = "n3"
        #expect(scene.decision.rule == "replica.follow", "a circle of others gets nothing either")
    }

    @Test("nostream: nobody, and nobody wakes it")
    func nostream() {
        var scene = Self.scene()
        scene.view.policy.nostream = true
        #expect(scene.decision.effects == [.follow(nil, Term(400))])
        scene.view.following = Following(member: nil, term: Term(400))
        scene.view.local.sql?.streaming = false
        #expect(scene.decision.rule == "replica.follow")
    }

    @Test("A clone comes from a member that offers itself and is on the leader's timeline, else from the leader")
    func clones() {
        var scene = Self.scene()
        scene.view.local = LocalPostgres(directory: .empty)
        #expect(scene.decision.effects == [.clone(from: "n2")])
        scene.view.store?.members["n2"]?.timeline = Timeline(2)
        scene.view.store?.members["n3"]?.clonefrom = true
        #expect(scene.decision.effects == [.clone(from: "n2")])
        scene.view.store?.members["n3"]?.timeline = Timeline(2)
        #expect(scene.decision.effects == [.clone(from: "n3")])
    }

    @Test("Without a leader only a cluster that exists can be restored, by a method that needs no leader")
    func restores() {
        var scene = Scene()
        scene.view.local = LocalPostgres(directory: .empty)
        #expect(scene.decision.rule == "bootstrap.wait")
        scene.view.policy.restoresWithoutLeader = true
        #expect(scene.decision.effects == [.restore])
        scene.view.store?.initialize = .inProgress
        #expect(scene.decision.rule == "bootstrap.wait")
    }

    @Test("What a command that was cut off has left does not keep a member from making the cluster")
    func leftover() {
        var scene = Scene()
        scene.view.store?.initialize = .absent
        scene.view.store?.members = [:]
        scene.view.local = LocalPostgres(directory: .unfinished("a clone from backup", .clone))
        #expect(scene.decision.effects == [.raceInitialize])
    }

    @Test("A bootstrap by a command is given up when its first server does not come up; one that was fenced is not")
    func bootstrapFails() {
        var scene = Scene()
        scene.lead()
        scene.view.policy.hasBootstrapCommand = true
        scene.memory.bootstrap = .created
        scene.memory.createdAt = Scene.now - .seconds(5)
        scene.stop(.inArchiveRecovery, crashedAt: Scene.now)
        scene.view.local.wasFenced = true
        #expect(scene.decision.rule == "bootstrap.start")
        scene.view.local.wasFenced = false
        #expect(scene.decision.rule == "bootstrap.cancel")
    }

    @Test(
        "A new cluster whose server ends three times as it starts is given up, and the reason points to PostgreSQL's log"
    )
    func bootstrapDoesNotStart() {
        var scene = Scene()
        scene.lead()
        scene.memory.bootstrap = .created
        scene.memory.createdAt = Scene.now - .seconds(5)
        scene.memory.hasAnswered = false
        for start in 1...3 {
            scene.stop(.inProduction, crashedAt: Scene.now - .seconds(1) + .milliseconds(100 * start))
            #expect(scene.decision.rule == (start < 3 ? "bootstrap.start" : "bootstrap.cancel"))
            scene.memory = scene.decision.memory
        }
        #expect(scene.decision.reason.hasSuffix(": PostgreSQL ended as it started, its own lines say why"))
    }

    @Test("A new cluster that could not be written into the tree is written again, not made again")
    func finishIsTriedAgain() {
        var scene = Scene()
        scene.lead()
        scene.runPrimary()
        scene.memory.bootstrap = .created
        #expect(scene.decision.effects == [.finishBootstrap(Term(400))])
        scene.view.finished = [FinishedEffect(.finishBootstrap(Term(400)), .unknown("no answer"), at: Scene.now)]
        scene.memory = scene.decision.memory
        scene.view.finished = []
        #expect(scene.decision.effects == [])
        scene.view.now = Scene.now + .milliseconds(100)
        #expect(scene.decision.effects == [.finishBootstrap(Term(400))])
        scene.view.finished = [FinishedEffect(.finishBootstrap(Term(400)), .failed("exit code 1"), at: Scene.now)]
        #expect(scene.decision.rule == "bootstrap.cancel")
    }

    @Test("A cascading standby is not synchronous, unless the one above it is gone")
    func synchronous() {
        var scene = Scene()
        scene.lead()
        scene.runPrimary()
        scene.view.policy.synchronous = true
        scene.view.store?.sync = StoreView.Sync(leader: Scene.me, version: 3)
        scene.view.store?.members["n3"]?.replicatefrom = "n2"
        scene.view.local.sql?.synchronousNames = ""
        scene.view.local.sql?.senders = [.init(name: "n3", flushed: LSN(2000))]
        #expect(scene.decision.rule == "leader.lead")
        scene.view.store?.members["n2"] = nil
        #expect(scene.decision.rule == "sync.set")
    }
}
