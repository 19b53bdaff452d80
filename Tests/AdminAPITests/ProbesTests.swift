import AdminModel
import HACore
import PostgresControl
import Testing

@testable import AdminAPI
@testable import Agent

@Suite struct ProbesTests {
    private func isReady(_ query: String, _ scene: Scene) -> Bool {
        Probes.isReady(scene.view, QueryParameters(query))
    }

    /// Defaults: `ttl` 30, `loop_wait` 10.
    @Test(arguments: [(39, true, true), (40, false, true), (69, false, true), (70, false, false)])
    func liveness(secondsSinceLook: Int, primary: Bool, replica: Bool) {
        for (scene, expected) in [(Scene.primary(), primary), (Scene.replica(), replica)] {
            var scene = scene
            scene.status.lookedAt = Scene.now - .seconds(secondsSinceLook)
            #expect(Probes.isAlive(scene.view) == expected, "\(scene.status.name)")
        }
    }

    @Test func livenessOfAStoppedPrimaryAndInPause() {
        var scene = Scene.primary()
        scene.status.lookedAt = Scene.now - .seconds(60)
        scene.status.local?.process = .absent
        #expect(Probes.isAlive(scene.view))
        scene = .primary(config: ["pause": true])
        scene.status.lookedAt = Scene.now - .seconds(1000)
        #expect(Probes.isAlive(scene.view))
    }

    @Test(arguments: [
        ("", true), ("lag=1064", true), ("lag=1063", false), ("lag=64&mode=write", true), ("lag=63&mode=write", false),
        ("lag=1064&mode=apply", true), ("lag=1063&mode=apply", false), ("lag=what", true),
    ])
    func readinessOfAReplica(_ query: String, expected: Bool) { #expect(isReady(query, .replica()) == expected) }

    @Test func readinessNeedsStreamingAndSomethingToCompareWith() {
        #expect(isReady("lag=0", .primary()))
        var scene = Scene.primary()
        scene.holdsLock = false
        #expect(!isReady("", scene))

        scene = .replica()
        scene.server?.sql.streaming = false
        #expect(!isReady("", scene))
        scene = .replica()
        scene.server = nil
        #expect(!isReady("", scene))

        scene = .replica()
        scene.status.tree = nil
        #expect(isReady("", scene), "the walreceiver knows where the sender is")
        scene.server?.receiver?.latestEndLSN = nil
        #expect(!isReady("", scene))
    }

    @Test func readinessTakesItsLimitFromTheConfiguration() {
        #expect(!isReady("", .replica(config: ["maximum_lag_on_failover": 1063])))
        #expect(isReady("", .replica(config: ["maximum_lag_on_failover": 1064])))
    }
}
