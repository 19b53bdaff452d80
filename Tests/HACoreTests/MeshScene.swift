import HACore

/// A leader's view of a mesh at work, to be changed one fact at a time: here node `a`, with the peers `b` and `c`.
struct MeshScene {
    static let now = Instant(nanoseconds: 1_000_000_000_000)
    static let term = Term(500)
    static let database = "app"
    static let b = MeshLink(database, "b")
    static let c = MeshLink(database, "c")
    static let a = MeshLink(database, "a")

    var view: MeshView
    var memory = MeshMemory()

    /// Everybody is open and replicates; nobody was ever promoted.
    init() {
        let address = MeshRecord.Address(host: "a1", port: 5432)
        view = MeshView(
            now: Self.now, scope: "zone-a", settings: MeshSettings(mesh: "shop", node: "a", databases: [Self.database]),
            term: Self.term, own: nil, peers: [Self.peer("b", term: 600), Self.peer("c", term: 700)],
            server: MeshView.Server(
                systemIdentifier: Self.system("a"), timeline: Timeline(1), forkedAt: nil, position: LSN(5000),
                version: 150020, clientsAreShut: false, readsServices: true, standbys: ["a2": LSN(5000)]),
            addresses: [address], otherMembers: 1)
        view.databases[Self.database] = Self.catalog("a", peers: ["b", "c"])
        for node in ["b", "c"] { view.routes[node] = .open(.init(host: "\(node)1", port: 5432)) }
        var own = MeshRecord(
            mesh: "shop", node: "a", term: Self.term, state: .open, systemIdentifier: Self.system("a"),
            timeline: Timeline(1), address: address, postgresVersion: 150020)
        own.addresses = [address]
        own.databases = [Self.database: "UTF8"]
        own.spockVersion = "5.0.9"
        own.protocols = 3...4
        for link in [Self.b, Self.c] { own.links[link] = Self.word("a", of: link.peer) }
        view.own = own
    }

    static func system(_ node: String) -> SystemIdentifier { SystemIdentifier(rawValue: "70000000000000000\(node)") }

    static func slot(_ subscriber: String, _ provider: String) -> String {
        "spk_app_\(provider)_sub_\(subscriber)_\(provider)"
    }

    /// What `node` says of its link with `peer`: all that the peer wrote up to 1000 is applied.
    static func word(_ node: String, of peer: String) -> MeshLinkRecord {
        var word = MeshLinkRecord()
        word.peerSystem = system(peer)
        word.subscription = "sub_\(node)_\(peer)"
        word.slot = slot(node, peer)
        word.status = "replicating"
        word.origin = LSN(1000)
        word.provided = slot(peer, node)
        word.confirmed = LSN(1100)
        word.holdSlot = "hold_app_\(peer)"
        return word
    }

    static func peer(_ node: String, term: Int64) -> MeshView.Peer {
        var record = MeshRecord(
            mesh: "shop", node: node, term: Term(term), state: .open, systemIdentifier: system(node),
            timeline: Timeline(1), address: .init(host: "\(node)1", port: 5432), postgresVersion: 150020)
        record.databases = [database: "UTF8"]
        record.spockVersion = "5.0.9"
        record.protocols = 3...4
        record.links[a] = word(node, of: "a")
        return MeshView.Peer(
            scope: "zone-\(node)", record: record, leaderTerm: Term(term), writtenAt: now - .milliseconds(500))
    }

    static func catalog(_ node: String, peers: [String]) -> MeshDatabase {
        var database = MeshDatabase()
        database.spockVersion = "5.0.9"
        database.protocols = 3...4
        database.localNode = node
        for peer in peers {
            database.subscriptions.append(
                .init(
                    name: "sub_\(node)_\(peer)", provider: peer, dsn: "service=\(peer) dbname=app",
                    slot: slot(node, peer)))
            database.origins[slot(node, peer)] = LSN(1000)
            database.slots[slot(peer, node)] = .init(confirmed: LSN(1100), restart: LSN(1000), activePID: 77)
            database.slots["hold_app_\(peer)"] = .init(confirmed: LSN(900), restart: LSN(800))
        }
        return database
    }

    // MARK: Changes

    /// This server was promoted: the former primary's record is in the tree.
    mutating func promote(at fork: UInt64, position: UInt64) {
        view.term = Term(510)
        view.server.timeline = Timeline(2)
        view.server.forkedAt = LSN(fork)
        view.server.history = TimelineHistory(
            timeline: Timeline(2), forks: [.init(parent: Timeline(1), switchLSN: LSN(fork))])
        view.server.position = LSN(position)
        view.server.clientsAreShut = true
        for node in view.routes.keys { view.routes[node] = .shut }
        changeDatabase { database in
            for index in database.subscriptions.indices { database.subscriptions[index].hasWorker = false }
            for name in database.slots.keys { database.slots[name]?.activePID = nil }
        }
    }

    /// The peer was promoted, and its leader says `state`.
    mutating func promote(
        _ node: String, term: Int64, at fork: UInt64, _ state: MeshRecord.State, opened: UInt64? = nil
    ) {
        change(node) { peer in
            peer.leaderTerm = Term(term)
            peer.record.term = Term(term)
            peer.record.timeline = Timeline(2)
            peer.record.state = state
            peer.record.fork = .init(
                term: Term(term), timeline: Timeline(2), position: LSN(fork), openedAt: opened.map { LSN($0) })
            peer.record.address = .init(host: "\(node)2", port: 5432)
        }
    }

    mutating func change(_ node: String, _ body: (inout MeshView.Peer) -> Void) {
        let index = view.peers.firstIndex { $0.record.node == node }!
        body(&view.peers[index])
    }

    /// What a peer says of its link with us.
    mutating func changeWord(_ node: String, _ body: (inout MeshLinkRecord) -> Void) {
        change(node) { body(&$0.record.links[Self.a, default: MeshLinkRecord()]) }
    }

    mutating func changeDatabase(_ body: (inout MeshDatabase) -> Void) { body(&view.databases[Self.database]!) }

    mutating func changeSubscription(to node: String, _ body: (inout MeshDatabase.Subscription) -> Void) {
        changeDatabase { database in
            let index = database.subscriptions.firstIndex { $0.provider == node }!
            body(&database.subscriptions[index])
        }
    }

    // MARK: Decisions

    var decision: MeshDecision { decideMesh(view, memory) }

    /// Looks again as if what was published and routed had succeeded; statements of the database are left to the test.
    @discardableResult
    mutating func step() -> MeshDecision {
        let decision = decision
        memory = decision.memory
        for action in decision.actions {
            switch action {
            case .publish(let record): view.own = record
            case .route(let routes): view.routes = routes
            case .openClients: view.server.clientsAreShut = false
            case .burn(let past): view.server.position = LSN(max(view.server.position.rawValue, past.rawValue) + 100)
            case .run, .copy: break
            case .amend(let change): view.intents = view.intents.with(change)
            }
        }
        view.now = view.now + .milliseconds(20)
        return decision
    }
}

extension MeshDecision {
    var published: MeshRecord? {
        actions.compactMap { action -> MeshRecord? in
            guard case .publish(let record) = action else { return nil }
            return record
        }.last
    }

    var statements: [MeshStatement] {
        actions.compactMap { action -> MeshStatement? in
            guard case .run(_, let statement) = action else { return nil }
            return statement
        }
    }

    /// The service file as the decision leaves it.
    var routes: [String: MeshRoute]? {
        actions.compactMap { action -> [String: MeshRoute]? in
            guard case .route(let routes) = action else { return nil }
            return routes
        }.last
    }

    func position(_ matches: (MeshAction) -> Bool) -> Int? { actions.firstIndex(where: matches) }
}
