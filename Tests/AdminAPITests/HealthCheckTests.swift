import AdminModel
import HACore
import PostgresControl
import Testing

@testable import AdminAPI
@testable import Agent

@Suite struct HealthCheckTests {
    private func code(_ target: String, _ scene: Scene) -> Int { HealthCheck(RequestTarget(target)).code(scene.view) }

    /// Path, then what a primary, a replica and a synchronous replica answer.
    @Test(arguments: [
        ("/", 200, 503, 503),
        ("/primary", 200, 503, 503),
        ("/master", 200, 503, 503),
        ("/read-write", 200, 503, 503),
        ("/leader", 200, 503, 503),
        ("/standby_leader", 503, 503, 503),
        ("/standby-leader", 503, 503, 503),
        ("/replica", 503, 200, 200),
        ("/read-only", 200, 200, 200),
        ("/health", 200, 200, 200),
        ("/sync", 503, 503, 200),
        ("/synchronous", 503, 503, 200),
        ("/async", 503, 200, 503),
        ("/asynchronous", 503, 200, 503),
        ("/quorum", 503, 503, 503),
        ("/read-only-sync", 200, 503, 200),
        ("/read-only-synchronous", 200, 503, 200),
        ("/read-only-quorum", 200, 503, 503),
        ("/nothing", 503, 503, 503),
        // Words are looked for anywhere, the first of the list decides.
        ("/x/replica/leader", 200, 503, 503),
        ("/primary-replica", 200, 503, 503),
        ("/replica-health", 503, 200, 200),
        ("/read-only-health", 200, 200, 200),
        ("/sync/", 503, 503, 503),
        ("//replica", 503, 200, 200),
    ])
    func path(_ path: String, primary: Int, replica: Int, synchronous: Int) {
        #expect(code(path, .primary(config: ["synchronous_mode": true])) == primary)
        #expect(code(path, .replica()) == replica)
        var scene = Scene.replica(config: ["synchronous_mode": true])
        scene.status.tree?.sync = SyncRecord(leader: Scene.primaryName, standbys: ["NODE-1"])
        #expect(code(path, scene) == synchronous)
    }

    @Test("A new leader in strict mode says so once its standby is there, or after a second")
    func strict() {
        var scene = Scene.primary(config: ["synchronous_mode": true, "synchronous_mode_strict": true])
        scene.server?.sql.synchronousNames = "node_1"
        #expect(code("/primary", scene) == 200, "it has led for long")
        scene.status.promotedAt = Scene.now - .milliseconds(999)
        #expect(code("/primary", scene) == 503)
        #expect(code("/health", scene) == 200)
        let standby = SQLStatus.Sender(name: "node-1", part: .sync, flushed: LSN(1))
        var whole = scene
        whole.server?.sql.senders = [standby]
        #expect(code("/primary", whole) == 200)
        scene.server?.sql.senders = [SQLStatus.Sender(name: "node-1", part: .async, flushed: LSN(1))]
        #expect(code("/primary", scene) == 503)
        scene.status.promotedAt = Scene.now - .milliseconds(1000)
        #expect(code("/primary", scene) == 200)
        scene.status.promotedAt = nil
        scene.status.local?.sql?.inRecovery = true
        #expect(code("/primary", scene) == 503, "promoted since the loop has looked")
        var asynchronous = Scene.primary()
        asynchronous.status.promotedAt = Scene.now
        #expect(code("/primary", asynchronous) == 200)
    }

    @Test(arguments: [
        // 1064 bytes are not replayed.
        ("/replica?lag=1064", 200), ("/replica?lag=1063", 503), ("/replica?lag=2kB", 200), ("/replica?lag=1kB", 503),
        ("/replica?lag=many", 200), ("/replica?lag=", 200), ("/replica?lag=9223372036854775807", 200),
        ("/replica?lag=-1", 503), ("/replica?lag=1063&lag=1064", 503), ("/health?lag=0", 200),
        ("/replica?replication_state=streaming", 200), ("/replica?replication_state=in+archive+recovery", 503),
        ("/replica?tag_custom=x", 200), ("/replica?tag_custom=y", 503), ("/replica?tag_absent=x", 503),
        ("/replica?tag_weight=1.4", 200), ("/replica?tag_spare=true", 200), ("/replica?tag_spare=True", 503),
        // The tag as configured counts, also where the published ones leave it out.
        ("/replica?tag_nofailover=false", 200), ("/replica?tag_custom=x&tag_spare=false", 503),
        ("/health?tag_custom=y", 503), ("/async?tag_custom=%78", 200),
    ])
    func parameters(_ target: String, expected: Int) { #expect(code(target, .replica()) == expected) }

    @Test func parametersDoNotTouchThePrimary() {
        for target in ["/?tag_custom=y", "/primary?lag=0&tag_a=b", "/leader?tag_custom=y", "/read-write?tag_a=b"] {
            #expect(code(target, .primary()) == 200, "\(target)")
        }
        #expect(code("/read-only?tag_custom=y", .primary()) == 503)
        #expect(code("/read-only?lag=0", .primary()) == 200)
    }

    @Test func lagIsMeasuredAgainstTheFurthestKnownPosition() {
        var scene = Scene.replica()
        scene.status.tree?.status = StatusRecord(optime: LSN(67_200_000))
        #expect(code("/replica?lag=64kB", scene) == 503)
        scene.status.tree?.status = nil
        #expect(code("/replica?lag=64kB", scene) == 200)
        scene.server?.receiver = nil
        #expect(code("/replica?lag=0", scene) == 200, "nothing is known to be ahead")
    }

    @Test func replicaNeedsARunningServerThatAnswers() {
        var scene = Scene.replica()
        scene.status.tags = Tags(["noloadbalance": true])
        #expect(code("/replica", scene) == 503)
        #expect(code("/health", scene) == 200)
        scene = .replica()
        scene.server = nil
        #expect(code("/replica", scene) == 503)
        #expect(code("/health", scene) == 503)
        scene = .replica()
        scene.status.state = .starting
        #expect(code("/replica", scene) == 503)
        #expect(code("/health", scene) == 503)
    }

    @Test func answersOfAnEarlierServerDoNotCount() {
        var scene = Scene.primary()
        scene.status.local?.process = .absent
        #expect(code("/primary", scene) == 503)
        #expect(code("/leader", scene) == 200, "the lock alone")
        scene = .replica()
        scene.status.local?.startedAt = Scene.now
        #expect(code("/replica", scene) == 503)
    }

    @Test func primaryNeedsLockAndPostgres() {
        var scene = Scene.primary()
        scene.holdsLock = false
        #expect(code("/primary", scene) == 503)
        #expect(code("/leader", scene) == 503)
        #expect(code("/replica", scene) == 503)
        #expect(code("/health", scene) == 200)

        scene = .primary()
        scene.status.isBootstrapping = true
        #expect(code("/primary", scene) == 503)
        #expect(code("/leader", scene) == 200)

        scene = .primary()
        scene.status.state = .stopping
        #expect(code("/primary", scene) == 503, "clients should not come any more")
        #expect(code("/leader", scene) == 200)

        scene = .replica()
        scene.holdsLock = true
        #expect(code("/primary", scene) == 503, "not yet promoted")
        #expect(code("/leader", scene) == 200)
        #expect(code("/replica", scene) == 200)
    }

    @Test func aPrimaryThatMissesOneDeadlineStaysPrimary() {
        var scene = Scene.primary()
        scene.server = nil
        #expect(code("/primary", scene) == 200)
        #expect(code("/health", scene) == 503)
        scene.status.local?.sql = nil
        #expect(code("/primary", scene) == 503, "it has never answered")
    }

    @Test func pauseWithoutAViewOfTheCluster() {
        var scene = Scene.primary(config: ["pause": true])
        scene.holdsLock = false
        #expect(code("/primary", scene) == 503)
        scene.status.tree?.view.readAt = Scene.now - .seconds(30)
        #expect(code("/primary", scene) == 200)
        #expect(code("/leader", scene) == 200)
        #expect(code("/sync", scene) == 503)
        var replica = Scene.replica(config: ["pause": true])
        replica.status.tree = nil
        #expect(code("/leader", replica) == 503)
        #expect(code("/primary", replica) == 503)
        #expect(code("/replica", replica) == 200)
        #expect(code("/async", replica) == 503, "only with a view of the cluster")
    }

    @Test func beforeTheFirstLookNothingIsHealthy() {
        let view = HealthView(
            status: nil, server: nil, holdsLock: false, now: Scene.now, startedAt: Scene.now - .seconds(69))
        for path in ["/", "/leader", "/replica", "/health", "/read-only", "/x"] {
            #expect(HealthCheck(RequestTarget(path)).code(view) == 503, "\(path)")
        }
        #expect(Probes.isAlive(view))
        #expect(!Probes.isReady(view, QueryParameters()))
        var late = view
        late.startedAt = Scene.now - .seconds(70)
        #expect(!Probes.isAlive(late))
    }
}
