import HACore
import Testing

/// The gate of the apply workers, and the kick (design/zones.md 1 and 5).
@Suite("Ways to the peers, and kicks")
struct MeshRouteTests {
    @Test("A mesh at work is left alone, and the same look concludes the same")
    func rest() {
        var scene = MeshScene()
        #expect(scene.decision.actions.isEmpty)
        #expect(scene.decision.problems.isEmpty)
        scene.view.term = Term(501)
        scene.step()
        #expect(scene.decision.actions.isEmpty)
    }

    @Test("Numbers alone are told at the slower pace")
    func pace() {
        var scene = MeshScene()
        scene.memory.publishedAt = MeshScene.now - .seconds(9)
        scene.changeDatabase { $0.origins[MeshScene.slot("a", "b")] = LSN(1500) }
        #expect(scene.decision.published == nil)
        scene.view.now = scene.view.now + .seconds(1)
        #expect(scene.decision.published?.links[MeshScene.b]?.origin == LSN(1500))
    }

    @Test("Shut: no leader, an older term, gated, made anew, removed, or unknown")
    func shut() {
        func route(_ body: (inout MeshScene) -> Void) -> MeshRoute? {
            var scene = MeshScene()
            body(&scene)
            return scene.decision.routes?["b"]
        }
        #expect(route { $0.change("b") { $0.leaderTerm = nil } } == .shut)
        #expect(route { $0.change("b") { $0.leaderTerm = Term(601) } } == .shut)
        #expect(route { $0.change("b") { $0.record.state = .gated } } == .shut)
        #expect(route { $0.change("b") { $0.record.systemIdentifier = MeshScene.system("x") } } == .shut)
        #expect(route { $0.view.intents.removed = ["b"] } == .shut)
        #expect(route { $0.view.peers.removeFirst() } == .shut)
        #expect(route { $0.view.own?.state = .gated } == .shut)
    }

    @Test("A peer that was made anew is a finding")
    func replaced() {
        var scene = MeshScene()
        scene.change("b") { $0.record.systemIdentifier = MeshScene.system("x") }
        #expect(scene.decision.published?.findings.map(\.kind) == [.peerReplaced])
    }

    @Test("An unreadable database neither opens nor shuts, unless the peer was promoted")
    func unreadable() {
        var scene = MeshScene()
        scene.view.databases = [:]
        scene.view.obstacles[MeshScene.database] = "timeout"
        #expect(scene.decision.routes == nil)
        #expect(scene.decision.published == nil)
        scene.promote("b", term: 610, at: 2000, .open, opened: 2100)
        #expect(scene.decision.routes?["b"] == .shut)
        scene = MeshScene()
        scene.view.databases = [:]
        scene.view.routes["b"] = .shut
        #expect(scene.decision.routes == nil)
    }

    @Test("A leader of the same timeline at another place: shut, then open, then the kick, which is on record")
    func moves() throws {
        var scene = MeshScene()
        scene.change("b") {
            $0.leaderTerm = Term(601)
            $0.record.term = Term(601)
            $0.record.address.port = 5433
        }
        let decision = scene.decision
        #expect(decision.actions.first == .route(["b": .shut, "c": .open(.init(host: "c1", port: 5432))]))
        let publish = try #require(decision.position { if case .publish = $0 { true } else { false } })
        let open = try #require(
            decision.position {
                guard case .route(let routes) = $0 else { return false }
                return routes["b"] == .open(.init(host: "b1", port: 5433))
            })
        let kick = try #require(decision.position { $0 == .run(database: "app", .kick(subscriptions: ["sub_a_b"])) })
        #expect(publish < open && open < kick)
        #expect(decision.published?.links[MeshScene.b]?.kick == true)
    }

    // MARK: Kicks (I21)

    @Test("A worker that does not come gets its time, then a hand, and another one no sooner than that")
    func stuck() {
        var scene = MeshScene()
        scene.changeSubscription(to: "b") {
            $0.hasWorker = false
            $0.status = "down"
        }
        scene.step()
        scene.view.now = scene.view.now + .seconds(4)
        #expect(scene.decision.statements.isEmpty)
        scene.view.now = scene.view.now + .seconds(1)
        #expect(scene.step().statements == [.kick(subscriptions: ["sub_a_b"])])
        #expect(scene.view.own?.links[MeshScene.b]?.kick == true)
        #expect(scene.step().statements.isEmpty)
        #expect(scene.view.own?.links[MeshScene.b]?.kick == false)
        scene.changeWord("b") { $0.confirmed = nil }
        scene.view.now = scene.view.now + .seconds(60)
        #expect(scene.decision.statements.isEmpty)
        #expect(scene.decision.problems.contains { $0.text.contains("has no slot") })
    }

    @Test("Killed between disable and enable: whoever leads next enables what stands on record, and nothing else")
    func killed() {
        var scene = MeshScene()
        scene.view.own?.links[MeshScene.b]?.kick = true
        scene.view.term = Term(501)
        for node in ["b", "c"] {
            scene.changeSubscription(to: node) {
                $0.isEnabled = false
                $0.hasWorker = false
            }
        }
        #expect(scene.decision.statements == [.enable(subscription: "sub_a_b")])
        #expect(scene.decision.problems.map(\.link) == [MeshScene.c])
        scene.changeSubscription(to: "b") { $0.isEnabled = true }
        let word = scene.decision.published?.links[MeshScene.b]
        #expect(word?.kick == false)
        #expect(word?.kicked == LSN(5000))
    }

    @Test("A standby promoted between the two statements of a finished kick enables it, a later one does not")
    func kickLost() {
        var scene = MeshScene()
        scene.view.own?.links[MeshScene.b]?.kicked = LSN(4500)
        scene.changeSubscription(to: "b") { $0.isEnabled = false }
        var lacking = scene
        lacking.promote(at: 4400, position: 4600)
        #expect(lacking.decision.statements == [.enable(subscription: "sub_a_b")])
        scene.promote(at: 4500, position: 4600)
        #expect(scene.decision.statements.isEmpty)
    }

    @Test("A subscription that somebody else disabled is not kicked when its way opens")
    func disabled() {
        var scene = MeshScene()
        scene.view.routes["b"] = .shut
        scene.changeSubscription(to: "b") { $0.isEnabled = false }
        #expect(scene.decision.routes?["b"] != .shut)
        #expect(scene.decision.statements.isEmpty)
    }
}
