import Testing

@testable import HACore

@Suite("Divergence and the rules of a replica")
struct ReplicaRuleTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let state: ControlFile.State
        let checkpoint: UInt64
        var minimum: UInt64 = 0
        let fork: UInt64
        var timeline: UInt32 = 1
        let expected: String
        var testDescription: String { "\(state) checkpoint \(checkpoint) fork \(fork)" }
    }

    /// contract 4.12, postgres.md 6: what a stopped directory may follow.
    @Test(
        "A stopped directory",
        arguments: [
            Row(state: .shutDown, checkpoint: 1000, fork: 1120, expected: "sound"),
            Row(state: .shutDown, checkpoint: 1000, fork: 1000, expected: "diverged"),
            Row(state: .shutDown, checkpoint: 1001, fork: 1000, expected: "diverged"),
            Row(state: .shutDownInRecovery, checkpoint: 900, minimum: 1000, fork: 1000, expected: "sound"),
            Row(state: .shutDownInRecovery, checkpoint: 900, minimum: 1001, fork: 1000, expected: "diverged"),
            Row(state: .inArchiveRecovery, checkpoint: 1200, minimum: 0, fork: 1000, expected: "diverged"),
            Row(state: .inProduction, checkpoint: 900, fork: 1000, expected: "unknown"),
            Row(state: .inProduction, checkpoint: 1000, fork: 1000, expected: "diverged"),
            Row(state: .inProduction, checkpoint: 5000, fork: 1000, timeline: 2, expected: "sound"),
            Row(state: .shutDown, checkpoint: 900, fork: 1000, timeline: 3, expected: "diverged"),
        ])
    func stopped(row: Row) throws {
        var scene = Scene()
        scene.follow(fork: row.fork)
        scene.view.local = LocalPostgres(
            directory: .ready(
                ControlFile(
                    systemIdentifier: Scene.system, state: row.state, timeline: Timeline(row.timeline),
                    checkpoint: LSN(row.checkpoint), redo: .zero, minRecoveryPoint: LSN(row.minimum),
                    minRecoveryTimeline: Timeline(row.minimum > 0 ? row.timeline : 0))))
        switch Divergence(scene.view.local, upstream: try #require(scene.view.upstream)) {
        case .sound: #expect(row.expected == "sound")
        case .diverged: #expect(row.expected == "diverged")
        case .unknownEnd: #expect(row.expected == "unknown")
        }
    }

    @Test("A rewind that was cut off is done again, a clone that was cut off is made anew, whatever the policy")
    func unfinished() {
        var scene = Scene()
        scene.follow()
        scene.stop(.shutDown)
        scene.view.policy.useRewind = true
        scene.view.local.directory = .unfinished("a rewind", .rewind)
        #expect(scene.decision.effects == [.rewind(from: "n2")])
        scene.view.store?.members["n2"]?.checkpointPending = true
        #expect(scene.decision.effects.isEmpty)
        scene.view.store?.members["n2"]?.checkpointPending = false
        scene.view.store?.members["n2"]?.isPrimary = false
        #expect(scene.decision.effects.isEmpty)
        scene.view.store?.members["n2"]?.isPrimary = true
        // After three failures a clone where it is allowed; else again, but rarely, and at once from a new leader.
        scene.memory.seenTerm = Term(400)
        scene.memory.retries["rewind"] = .init(failures: 3, notBefore: Scene.now - .seconds(59), reason: "x")
        #expect(scene.decision.effects.isEmpty)
        scene.memory.retries["rewind"]?.notBefore = Scene.now - .seconds(60)
        #expect(scene.decision.effects == [.rewind(from: "n2")])
        scene.view.policy.cloneOnRewindFailure = true
        #expect(scene.decision.effects == [.clone(from: "n2")])
        scene.memory.seenTerm = Term(300)
        #expect(scene.decision.effects == [.rewind(from: "n2")])
        scene.view.policy.cloneOnRewindFailure = false
        scene.view.local.directory = .unfinished("a clone", .clone)
        #expect(scene.decision.effects == [.clone(from: "n2")])
        scene.view.local.directory = .unfinished("something")
        #expect(scene.decision.effects.isEmpty)
    }

    @Test("A running standby may be at the fork and not past it", arguments: [(2000, true), (1999, false)])
    func running(fork: UInt64, isSound: Bool) throws {
        var scene = Scene()
        scene.follow(fork: fork)
        let divergence = Divergence(scene.view.local, upstream: try #require(scene.view.upstream))
        #expect((divergence == .sound) == isSound)
    }

    @Test("A standby looks at the leader's history, then follows, then rests")
    func follow() {
        var scene = Scene()
        scene.follow()
        let upstream = scene.view.upstream
        scene.view.upstream = nil
        #expect(scene.decision.effects == [.readUpstream("n2", Term(400))])
        scene.view.upstream = upstream
        #expect(scene.decision.effects == [.follow("n2", Term(400))])
        scene.view.following = Following(member: "n2", term: Term(400))
        #expect(scene.decision.rule == "replica.follow")
        #expect(scene.decision.effects.isEmpty)
        #expect(scene.decision.recheckAfter == .seconds(1), "still on the timeline before")
        scene.view.local.sql?.timeline = Timeline(2)
        #expect(scene.decision.recheckAfter == scene.view.policy.loopWait)
        scene.view.local.sql?.streaming = false
        #expect(scene.decision.effects == [.kick])
    }

    @Test("A leader that was promoted again under the same lock is asked again")
    func promotedAgain() {
        var scene = Scene()
        scene.follow()
        scene.view.following = Following(member: "n2", term: Term(400))
        scene.view.store?.members["n2"]?.timeline = Timeline(3)
        #expect(scene.decision.effects == [.readUpstream("n2", Term(400))])
    }

    @Test("Diverged data: stopped, then rewound after the leader's checkpoint, else cloned if allowed, else left alone")
    func diverged() {
        var scene = Scene()
        scene.follow(fork: 1500)
        scene.view.policy.useRewind = true
        #expect(scene.decision.effects == [.stop])
        scene.stop(.shutDown)
        scene.follow(fork: 900)
        scene.view.store?.members["n2"]?.checkpointPending = true
        #expect(scene.decision.effects.isEmpty)
        scene.view.store?.members["n2"]?.checkpointPending = false
        #expect(scene.decision.effects == [.rewind(from: "n2")])
        scene.view.policy.useRewind = false
        #expect(scene.decision.effects.isEmpty)
        scene.view.policy.cloneOnDivergence = true
        #expect(scene.decision.effects == [.clone(from: "n2")])
        scene.view.store?.members["n3"]?.clonefrom = true
        #expect(scene.decision.effects == [.clone(from: "n3")])
        // A member that has not come over to the leader's timeline has nothing to offer.
        scene.view.store?.members["n2"]?.timeline = Timeline(2)
        scene.view.store?.members["n3"]?.timeline = Timeline(1)
        #expect(scene.decision.effects == [.clone(from: "n2")])
    }

    @Test("A crashed primary whose end is unknown is never cloned over before its end was found")
    func unknownEnd() throws {
        var scene = Scene()
        scene.follow(fork: 1500)
        scene.stop(.inProduction, crashedAt: Scene.now)
        scene.view.policy.useRewind = true
        scene.view.policy.cloneOnRewindFailure = true
        #expect(scene.decision.effects == [.rewind(from: "n2")])
        for _ in 0..<3 {
            scene.view.finished = [FinishedEffect(.rewind(from: "n2"), .failed("no"), at: Scene.now - .seconds(60))]
            scene.memory = scene.decision.memory
        }
        scene.view.finished = []
        #expect(scene.decision.effects == [.start(as: .standby, term: nil)])
    }

    @Test("A server that ends before it has answered is started again after a pause that grows, until one has answered")
    func endsAtOnce() {
        var scene = Scene()
        scene.follow()
        let start = Effect.start(as: .standby, term: nil)
        /// The server ends; the pause until it is started again, in milliseconds.
        func pause(_ ended: Instant) -> Int? {
            scene.stop(.inArchiveRecovery, crashedAt: ended)
            defer { scene.view.finished = [FinishedEffect(start, .done, at: scene.view.now)] }
            return (0...2000).first { milliseconds in
                scene.view.now = ended + .milliseconds(milliseconds)
                scene.memory = scene.decision.memory
                scene.view.finished = []
                return scene.decision.effects.contains(start)
            }
        }
        #expect(pause(Scene.now) == 0)
        #expect(pause(Scene.now + .milliseconds(100)) == 50)
        #expect(pause(Scene.now + .milliseconds(200)) == 100)
        #expect(pause(Scene.now + .milliseconds(400)) == 200)
        #expect(
            scene.decision.memory.retries["start"]?.reason == "PostgreSQL ended as it started, its own lines say why")
        var answers = scene
        answers.view.local = Scene().view.local
        scene.memory = answers.decision.memory
        scene.view.finished = []
        #expect(pause(Scene.now + .seconds(1)) == 0)
    }

    @Test("Data of another cluster: PostgreSQL stops, the lock goes, the process ends")
    func foreign() {
        var scene = Scene()
        scene.view.store?.initialize = .done(SystemIdentifier(rawValue: "7999999999999999999"))
        #expect(scene.decision.effects == [.stop])
        scene.stop(.shutDownInRecovery)
        #expect(scene.decision.effects == [.exit(code: 1)])
    }
}
