import HACore

/// What the leader of zone `a` sees of a mesh with the zones `b` and `c`: everybody is open and replicates.
struct MeshScene {
    static let now = Instant(nanoseconds: 1_000_000_000_000)
    static let database = "app"

    var view: MeshView
    var memory = MeshMemory()

    init() {
        let address = MeshRecord.Address(host: "10.0.0.1", port: 5432)
        view = MeshView(
            now: Self.now, scope: "zone-a", settings: MeshSettings(mesh: "shop", node: "a", databases: [Self.database]),
            term: Term(500), own: nil, peers: [Self.peer("b", Term(600)), Self.peer("c", Term(700))],
            server: MeshView.Server(
                systemIdentifier: Self.system("a"), timeline: Timeline(1), forkedAt: nil, position: LSN(5000),
                version: 170002, clientsAreShut: false, readsServices: true,
                standbys: ["a2": LSN(5000), "a3": LSN(5000)]),
            addresses: [address], otherMembers: 2)
        var own = Self.record("a", Term(500), of: ["b", "c"])
        own.addresses = [address]
        view.own = own
        for node in ["b", "c"] { view.routes[node] = .open(.init(host: "10.0.0.1", port: 5432)) }
        view.databases[Self.database] = Self.catalog
    }

    private static func system(_ node: String) -> SystemIdentifier {
        SystemIdentifier(rawValue: "70000000000000000\(node)")
    }

    private static func slot(_ subscriber: String, _ provider: String) -> String {
        "spk_app_\(provider)_sub_\(subscriber)_\(provider)"
    }

    private static func record(_ node: String, _ term: Term, of peers: [String]) -> MeshRecord {
        var record = MeshRecord(
            mesh: "shop", node: node, term: term, state: .open, systemIdentifier: system(node), timeline: Timeline(1),
            address: .init(host: "10.0.0.1", port: 5432), postgresVersion: 170002)
        record.databases = [database: "UTF8"]
        record.spockVersion = "5.0.9"
        record.protocols = 3...4
        for peer in peers {
            var link = MeshLinkRecord()
            link.peerSystem = system(peer)
            link.subscription = "sub_\(node)_\(peer)"
            link.slot = slot(node, peer)
            link.status = "replicating"
            link.origin = LSN(1000)
            link.provided = slot(peer, node)
            link.confirmed = LSN(1100)
            link.holdSlot = "hold_app_\(peer)"
            record.links[MeshLink(database, peer)] = link
        }
        return record
    }

    private static func peer(_ node: String, _ term: Term) -> MeshView.Peer {
        MeshView.Peer(
            scope: "zone-\(node)", record: record(node, term, of: ["a"]), leaderTerm: term,
            writtenAt: now - .milliseconds(500))
    }

    private static var catalog: MeshDatabase {
        var catalog = MeshDatabase()
        catalog.spockVersion = "5.0.9"
        catalog.protocols = 3...4
        catalog.localNode = "a"
        for peer in ["b", "c"] {
            catalog.subscriptions.append(
                .init(
                    name: "sub_a_\(peer)", provider: peer, dsn: "service=\(peer) dbname=app", slot: slot("a", peer)))
            catalog.origins[slot("a", peer)] = LSN(1000)
            catalog.slots[slot(peer, "a")] = .init(confirmed: LSN(1100), restart: LSN(1000), activePID: 77)
            catalog.slots["hold_app_\(peer)"] = .init(confirmed: LSN(900), restart: LSN(800))
        }
        return catalog
    }

    /// This server was just promoted where timeline 1 parted: nobody knows of it yet, and clients wait.
    mutating func promote() {
        view.term = Term(510)
        view.server.timeline = Timeline(2)
        view.server.forkedAt = LSN(4000)
        view.server.history = TimelineHistory(
            timeline: Timeline(2), forks: [.init(parent: Timeline(1), switchLSN: LSN(4000))])
        view.server.position = LSN(4100)
        view.server.clientsAreShut = true
        for node in view.routes.keys { view.routes[node] = .shut }
        for index in view.databases[Self.database]?.subscriptions.indices ?? 0..<0 {
            view.databases[Self.database]?.subscriptions[index].hasWorker = false
        }
    }

    /// Looks some times more, as if all that was published and routed had succeeded.
    mutating func settle() {
        for _ in 0..<10 {
            let decision = decideMesh(view, memory)
            memory = decision.memory
            for action in decision.actions {
                switch action {
                case .publish(let record): view.own = record
                case .route(let routes): view.routes = routes
                default: break
                }
            }
        }
    }
}
