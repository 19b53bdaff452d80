import HACore
import Testing

/// Nodes, sets and subscriptions (contract/spock.md 6.3).
@Suite("The plan of a mesh")
struct MeshPlanTests {
    /// Nothing is here but the database, and the record that says who this is.
    private static func empty() -> MeshScene {
        var scene = MeshScene()
        scene.view.databases[MeshScene.database] = MeshDatabase()
        scene.view.own?.links = [:]
        scene.view.own?.databases = [:]
        for node in ["b", "c"] { scene.changeWord(node) { $0 = MeshLinkRecord() } }
        return scene
    }

    private static func subscribe(_ node: String) -> MeshStatement {
        .subscribe(
            name: "sub_a_\(node)", dsn: "service=\(node) dbname=app",
            sets: ["default", "default_insert_only", "ddl_sql"], structure: false, data: false, forwardOrigins: [])
    }

    @Test("In pause nothing is registered, and that is said; a gate opens all the same")
    func paused() {
        var scene = Self.empty()
        scene.view.isPaused = true
        #expect(scene.decision.statements == [])
        let words = "the cluster is paused; steps that wait until it is resumed: 1"
        #expect(scene.decision.problems.map(\.description) == [words])
        scene.view.isPaused = false
        #expect(scene.decision.statements == [.createExtension])
        var gated = MeshGateTests.gated()
        gated.view.isPaused = true
        for node in ["b", "c"] { gated.changeWord(node) { $0.answered = Term(510) } }
        #expect(gated.decision.published?.state == .open)
    }

    @Test("From nothing: extension, node, then subscriptions, each on record before it is made")
    func fromNothing() {
        var scene = Self.empty()
        #expect(scene.step().statements == [.createExtension])
        scene.changeDatabase {
            $0.spockVersion = "5.0.9"
            $0.protocols = 3...4
        }
        #expect(
            scene.step().statements == [
                .createNode(name: "a", dsn: "service=a dbname=app", location: nil, country: nil, info: nil)
            ])
        scene.changeDatabase { $0.localNode = "a" }
        let intent = scene.step()
        #expect(intent.statements.isEmpty)
        #expect(intent.published?.links[MeshScene.b]?.subscription == "sub_a_b")
        #expect(scene.step().statements == [Self.subscribe("b"), Self.subscribe("c")])
        scene.view.databases[MeshScene.database] = MeshScene.catalog("a", peers: ["b", "c"])
        for node in ["b", "c"] { scene.changeWord(node) { $0 = MeshScene.word(node, of: "a") } }
        scene.step()
        #expect(scene.decision.actions.isEmpty)
    }

    @Test("An existing mesh is taken as it is, under whatever names")
    func existing() {
        var scene = MeshScene()
        for node in ["b", "c"] {
            scene.changeSubscription(to: node) {
                $0.name = "sub_\(node)_a"
                $0.dsn = "host=proxy-\(node) dbname=app"
            }
        }
        let decision = scene.step()
        #expect(decision.statements.isEmpty)
        #expect(decision.problems.count == 2)
        #expect(scene.decision.actions.isEmpty)
    }

    @Test("No subscription while something stands against it")
    func notYet() {
        func statements(_ body: (inout MeshScene) -> Void) -> [MeshStatement] {
            var scene = MeshScene()
            scene.changeDatabase { $0.subscriptions.removeAll { $0.provider == "b" } }
            body(&scene)
            scene.step()
            return scene.decision.statements
        }
        #expect(statements { _ in } == [Self.subscribe("b")])
        #expect(statements { $0.change("b") { $0.record.databases = ["app": "LATIN1"] } } == [])
        #expect(statements { $0.change("b") { $0.record.databases = [:] } } == [])
        #expect(statements { $0.change("b") { $0.record.protocols = 2...2 } } == [])
        #expect(statements { $0.change("b") { $0.record.state = .gated } } == [])
        #expect(statements { $0.change("b") { $0.leaderTerm = nil } } == [])
        #expect(statements { $0.view.server.readsServices = false } == [])
        // Promoted here: not before the peer has said that no older slot has to go back.
        let fork = MeshRecord.Fork(term: Term(490), timeline: Timeline(1), position: LSN(100), openedAt: LSN(200))
        #expect(statements { $0.view.own?.fork = fork } == [])
    }

    @Test("A database that is another node already, or unreadable, is said and left")
    func otherNode() {
        var scene = MeshScene()
        scene.changeDatabase { $0.localNode = "z" }
        #expect(scene.decision.statements.isEmpty)
        #expect(scene.decision.problems.contains { $0.text.contains("is node z already") })
        scene.view.databases = [:]
        scene.view.obstacles["app"] = "no such role"
        #expect(scene.decision.problems.contains { $0.text == "database app: no such role" })
    }

    @Test("Sets and their tables: what is missing is added, what differs is changed, the rest is left")
    func sets() {
        var scene = MeshScene()
        var wanted = MeshSettings.ReplicationSet(name: "default")
        wanted.schemas = ["public"]
        var audit = MeshSettings.ReplicationSet(name: "audit")
        (audit.update, audit.delete, audit.tables) = (false, false, ["public.log", "public.none"])
        scene.view.settings.replicationSets = [wanted, audit]
        let tables = [
            MeshDatabase.Table(schema: "public", name: "a", hasKey: true),
            .init(schema: "public", name: "log", hasKey: false), .init(schema: "other", name: "b", hasKey: true),
        ]
        scene.changeDatabase {
            $0.tables = tables
            $0.sets = ["default": .init(truncate: false)]
        }
        #expect(
            scene.decision.statements == [
                .alterSet("default", .init()), .addTable(set: "default", table: tables[0]),
                .createSet("audit", .init(update: false, delete: false)),
            ])
        #expect(
            scene.decision.problems.map(\.text) == ["database app: public.log has no primary key and is not replicated"]
        )
        scene.changeDatabase {
            $0.sets = [
                "default": .init(tables: ["public.a", "other.b"]), "audit": .init(update: false, delete: false),
            ]
        }
        #expect(scene.decision.statements == [.addTable(set: "audit", table: tables[1])])
        #expect(scene.decision.problems.map(\.text).contains("database app: there is no table public.none"))
    }

    @Test("A node that was removed: subscription first, then slots and node, and nothing once that is gone")
    func removed() {
        var scene = MeshScene()
        scene.changeDatabase { $0.nodes = ["b": "service=b dbname=app"] }
        scene.view.intents.removed = ["b"]
        scene.view.peers.removeFirst()
        #expect(scene.step().statements == [.dropSubscription("sub_a_b")])
        scene.changeDatabase { $0.subscriptions.removeFirst() }
        #expect(
            scene.step().statements == [
                .dropSlot("hold_app_b"), .dropSlot(MeshScene.slot("b", "a")), .dropNode("b"),
            ])
        scene.changeDatabase {
            $0.nodes = [:]
            $0.slots["hold_app_b"] = nil
            $0.slots[MeshScene.slot("b", "a")] = nil
        }
        scene.step()
        #expect(scene.decision.actions.isEmpty)
    }

    @Test("A cluster that was removed itself drops what is its own, and makes nothing anew")
    func leaves() {
        var scene = MeshScene()
        scene.view.intents.removed = ["a"]
        let first = scene.step().statements
        #expect(first.prefix(2) == [.dropSubscription("sub_a_b"), .dropSubscription("sub_a_c")])
        #expect(first.suffix(2) == [.dropSlot("hold_app_b"), .dropSlot("hold_app_c")])
        scene.changeDatabase {
            $0.subscriptions = []
            $0.slots = $0.slots.filter { !$0.key.hasPrefix("hold") }
        }
        #expect(scene.step().statements == [.dropNode("a")])
        scene.changeDatabase { $0.localNode = nil }
        scene.step()
        #expect(scene.decision.statements.isEmpty)
        scene.changeDatabase { $0.spockVersion = nil }
        scene.step()
        #expect(scene.decision.statements.isEmpty)
    }
}

@Suite("Names of nodes")
struct MeshNameTests {
    @Test(
        "A name that is used twice, and one that Spock cannot tell from another, are left out before anything is written"
    )
    func refused() {
        var scene = MeshScene()
        var twin = MeshScene.peer("a", term: 800)
        twin.scope = "another"
        scene.view.peers.append(twin)
        // Both have the id 47033.
        #expect(NodeID(of: "n271") == NodeID(of: "n430"))
        for name in ["n271", "n430"] {
            scene.view.peers.append(MeshScene.peer(name, term: 900))
            scene.view.routes[name] = .open(.init(host: "\(name)1", port: 5432))
        }
        let decision = scene.step()
        #expect(decision.problems.count { $0.description.contains("is left out") } == 2)
        #expect(
            !decision.statements.contains {
                if case .subscribe = $0 { true } else { false }
            })
        #expect(
            decision.actions.contains {
                $0
                    == .route([
                        "b": scene.view.routes["b"]!, "c": scene.view.routes["c"]!, "n271": .shut, "n430": .shut,
                    ])
            })
    }
}
