/// The nodes, sets and subscriptions that should be, from those that are (contract/spock.md 6.3). A second pass of it
/// concludes nothing.
extension MeshLook {
    mutating func plan() {
        guard isOpen else { return }
        if settings.connection.mode == .service, !view.server.readsServices {
            return problem(nil, "PostgreSQL does not read the agent's service file before its next restart")
        }
        for name in settings.databases {
            guard let database = view.databases[name] else {
                problem(nil, "database \(name): \(view.obstacles[name] ?? "not looked at yet")")
                continue
            }
            plan(name, database)
        }
    }

    private mutating func plan(_ name: String, _ database: MeshDatabase) {
        if view.intents.removed.contains(me) { return leave(name, database) }
        guard database.spockVersion != nil else {
            steps.append(.run(database: name, .createExtension))
            return
        }
        guard let node = database.localNode else {
            steps.append(
                .run(
                    database: name,
                    .createNode(
                        name: me, dsn: dsn(of: me, record, name), location: settings.location,
                        country: settings.country, info: settings.info)))
            return
        }
        guard node == me else {
            return problem(nil, "database \(name) is node \(node) already, the configuration says \(me)")
        }
        planSets(name, database)
        for peer in peers { planSubscription(name, database, peer) }
        for node in view.intents.removed.sorted() { remove(node, name, database) }
    }

    private mutating func planSets(_ name: String, _ database: MeshDatabase) {
        for wanted in settings.replicationSets {
            let flags = MeshDatabase.ReplicationSet(
                insert: wanted.insert, update: wanted.update, delete: wanted.delete, truncate: wanted.truncate)
            guard var found = database.sets[wanted.name] else {
                steps.append(.run(database: name, .createSet(wanted.name, flags)))
                recheck(.zero)
                continue
            }
            let tables = found.tables
            found.tables = []
            if found != flags { steps.append(.run(database: name, .alterSet(wanted.name, flags))) }
            let needsKey = wanted.update || wanted.delete
            for table in database.tables where !tables.contains(table.qualified) {
                let isNamed = wanted.tables.contains(table.qualified)
                guard isNamed || wanted.schemas.contains(table.schema) else { continue }
                guard table.hasKey || !needsKey else {
                    problem(nil, "database \(name): \(table.qualified) has no primary key and is not replicated")
                    continue
                }
                steps.append(.run(database: name, .addTable(set: wanted.name, table: table)))
            }
            let known = Set(database.tables.map(\.qualified))
            for table in wanted.tables where !known.contains(table) {
                problem(nil, "database \(name): there is no table \(table)")
            }
        }
    }

    private mutating func planSubscription(_ name: String, _ database: MeshDatabase, _ peer: MeshView.Peer) {
        let link = MeshLink(name, peer.record.node)
        guard peer.isCurrent, peer.record.state == .open else { return }
        if let subscription = database.subscription(to: link.peer) {
            if settings.connection.mode == .service, subscription.dsn != dsn(of: link.peer, peer.record, name) {
                problem(link, "subscription \(subscription.name) connects in its own way: its worker has no gate")
            }
            helpIfStuck(peer, link, subscription)
            return
        }
        // What is to be copied makes its own subscription.
        guard view.intents.resync(of: link) == nil, let encoding = peer.record.databases[name] else { return }
        guard encoding == database.encoding else {
            return problem(link, "its encoding is \(encoding), here it is \(database.encoding)")
        }
        if let here = record.protocols, let there = peer.record.protocols, !here.overlaps(there) {
            return problem(
                link,
                "its Spock \(peer.record.spockVersion ?? "?") and \(record.spockVersion ?? "?") have no protocol "
                    + "in common")
        }
        if settings.connection.mode == .service {
            guard case .open = view.routes[link.peer] ?? .shut else { return }
        }
        let wanted = settings.subscription(to: link.peer)
        record.links[link]?.subscription = wanted
        // On record first: a peer that is promoted meanwhile waits for what this subscription has applied. And the peer has
        // said that no older slot has to go back.
        guard view.own?.links[link]?.subscription == wanted, isReturned(peer, link) else {
            return recheck(.milliseconds(50))
        }
        let synchronization = settings.synchronization
        steps.append(
            .run(
                database: name,
                .subscribe(
                    name: wanted, dsn: dsn(of: link.peer, peer.record, name),
                    sets: settings.subscribedSets, structure: synchronization != .none,
                    data: synchronization == .full, forwardOrigins: settings.forwardOrigins)))
    }

    /// A worker gets time to connect by itself, also a new one; one that copies tables is left alone.
    private mutating func helpIfStuck(
        _ peer: MeshView.Peer, _ link: MeshLink, _ subscription: MeshDatabase.Subscription
    ) {
        guard case .open = view.routes[link.peer] ?? .shut, subscription.isEnabled,
            subscription.status != "initializing",
            !subscription.hasWorker || subscription.status == "down"
        else { return }
        guard word(of: peer, link)?.confirmed != nil else {
            return problem(link, "the peer has no slot for subscription \(subscription.name)")
        }
        guard memory.kickedAt[link] != nil else {
            memory.kickedAt[link] = view.now
            return
        }
        if isKickDue(link) { kick(link, subscription) }
    }

    // MARK: Ends

    /// A node that an operator has removed: subscription, slots, and what the catalogs say of it.
    private mutating func remove(_ node: String, _ name: String, _ database: MeshDatabase) {
        let link = MeshLink(name, node)
        if let subscription = database.subscription(to: node) {
            steps.append(.run(database: name, .dropSubscription(subscription.name)))
            return recheck(.zero)
        }
        let there = view.peers.first { $0.record.node == node }
        let own = record.links[link]
        let named = [there.flatMap { word(of: $0, link)?.slot }, own?.provided, own?.holdSlot, Self.holdSlot(link)]
        for slot in Set(named.compactMap { $0 }).sorted() where database.slots[slot] != nil {
            steps.append(.run(database: name, .dropSlot(slot)))
        }
        if database.nodes[node] != nil { steps.append(.run(database: name, .dropNode(node))) }
        record.links[link] = nil
    }

    /// This cluster's own end in the mesh.
    private mutating func leave(_ name: String, _ database: MeshDatabase) {
        for subscription in database.subscriptions {
            steps.append(.run(database: name, .dropSubscription(subscription.name)))
        }
        for peer in view.peers {
            let hold = Self.holdSlot(MeshLink(name, peer.record.node))
            if database.slots[hold] != nil { steps.append(.run(database: name, .dropSlot(hold))) }
        }
        guard database.subscriptions.isEmpty, let node = database.localNode else { return recheck(.zero) }
        steps.append(.run(database: name, .dropNode(node)))
    }

    // MARK: Connection strings

    /// How workers reach a node; no secret is in it.
    func dsn(of node: String, _ record: MeshRecord, _ database: String) -> String {
        let connection = settings.connection
        var words: [(String, String)] = []
        switch connection.mode {
        case .service: words = [("service", MeshSettings.service(of: node))]
        case .multihost:
            words = [
                ("host", record.addresses.map(\.host).joined(separator: ",")),
                ("port", record.addresses.map { String($0.port) }.joined(separator: ",")),
                ("target_session_attrs", "primary"), ("user", connection.user),
            ]
        case .fixed: words = [("user", connection.user)]
        }
        words.append(("dbname", database))
        if connection.mode != .service {
            if let passfile = connection.passfile { words.append(("passfile", passfile)) }
            words += connection.options.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
        let text = words.map { "\($0.0)=\(Self.quoted($0.1))" }.joined(separator: " ")
        return connection.mode == .fixed ? "\(record.fixed ?? "") \(text)" : text
    }

    private static func quoted(_ value: String) -> String {
        let isPlain = !value.isEmpty && !value.contains { $0 == "'" || $0 == "\\" || $0.isWhitespace }
        guard !isPlain else { return value }
        var text = "'"
        for character in value {
            if character == "'" || character == "\\" { text += "\\" }
            text.append(character)
        }
        return text + "'"
    }
}
