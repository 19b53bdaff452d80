import HACore

/// The agent of a zone's leader: it looks, decides and acts, one action after another, and may die between any two.
final class MeshAgent {
    unowned let world: MeshWorld
    let zone: MeshZone
    let server: MeshServer
    let term: Term
    var isAlive = true
    private var memory = MeshMemory()
    /// Of the own record, as it was read last.
    private var version = 0
    /// When each peer's record was read: never an older one after a newer one.
    private var readAt: [Int: Nanoseconds] = [:]
    private var failures = 0
    /// The server that the view is of.
    private var seen = 0

    init(_ world: MeshWorld, _ zone: MeshZone, _ server: MeshServer, _ term: Term) {
        self.world = world
        self.zone = zone
        self.server = server
        self.term = term
        world.after(world.dice.milliseconds(5, 200)) { self.look() }
    }

    /// As far as it knows it leads, and its server answers.
    private var mayAct: Bool { isAlive && server.serves }

    private func look() {
        guard isAlive else { return }
        guard server.serves, let view = view() else { return again(after: .milliseconds(100)) }
        let decision = world.decide(view, memory)
        memory = decision.memory
        world.log("zone \(zone.number) term \(term): \(MeshTrace.line(decision))", when: !decision.actions.isEmpty)
        let pause = decision.actions.isEmpty ? decision.recheckAfter : .milliseconds(1)
        act(decision.actions[...], view: view, pause: pause)
    }

    private func again(after pause: Duration) {
        let jitter = world.dice.milliseconds(1, 20)
        world.after(min(pause.nanoseconds, 2 * second) + jitter) { self.look() }
    }

    private func act(_ actions: ArraySlice<MeshAction>, view: MeshView, pause: Duration) {
        guard isAlive else { return }
        guard let action = actions.first else {
            if pause < .milliseconds(50) { failures = 0 }
            return again(after: pause)
        }
        let delay = world.dice.chance(3) ? world.dice.milliseconds(50, 700) : world.dice.milliseconds(1, 12)
        world.after(delay) {
            guard self.mayAct, self.server.incarnation == self.seen else {
                return self.again(after: .milliseconds(100))
            }
            let isDone = !self.world.fails() && self.perform(action, view)
            guard isDone else {
                self.failures = min(5, self.failures + 1)
                self.world.log("zone \(self.zone.number): failed \(MeshTrace.line(action))")
                let pause = Duration.milliseconds(50 << self.failures)
                guard case .run = action else { return self.again(after: pause) }
                return self.act(actions.dropFirst(), view: view, pause: pause)
            }
            self.act(actions.dropFirst(), view: view, pause: pause)
        }
    }

    // MARK: Seeing

    func view() -> MeshView? {
        var peers: [MeshView.Peer] = []
        for other in world.zones where other.number != zone.number {
            let late = world.lateness()
            let time = max(readAt[other.number] ?? 0, world.now - late)
            readAt[other.number] = time
            let node = world.tree.node(other.number, at: time)
            guard let record = node.record else { continue }
            peers.append(
                MeshView.Peer(
                    scope: other.node, record: record, leaderTerm: node.term,
                    writtenAt: Instant(nanoseconds: node.writtenAt)))
        }
        let own = world.tree.node(zone.number)
        seen = server.incarnation
        version = own.version
        let standby = zone.standby
        var view = MeshView(
            now: Instant(nanoseconds: world.now), scope: zone.node, settings: world.settings(zone), term: term,
            own: own.record, peers: peers, intents: world.intents[zone.number] ?? MeshIntents(),
            server: MeshView.Server(
                systemIdentifier: SystemIdentifier(rawValue: "700000000000000000\(zone.number)"),
                timeline: Timeline(server.timeline), forkedAt: server.forkedAt,
                position: LSN(server.position), version: 150020, clientsAreShut: server.clientsAreShut,
                readsServices: true, standbys: standby.map { [$0.member: LSN($0.position)] } ?? [:],
                history: TimelineHistory(timeline: Timeline(server.timeline), forks: server.history)),
            addresses: [server.address], otherMembers: 1, routes: server.routes)
        if world.isUnreadable() {
            view.obstacles[MeshWorld.database] = "timeout"
        } else {
            view.databases[MeshWorld.database] = MeshDatabase(server)
        }
        return view
    }

    // MARK: Doing

    private func perform(_ action: MeshAction, _ view: MeshView) -> Bool {
        switch action {
        case .route(let routes):
            server.routes = routes
            return true
        case .publish(let record): return publish(record, view)
        case .openClients:
            world.checks.opens(server, zone)
            server.clientsAreShut = false
            world.log("zone \(zone.number): clients write at \(server.position)")
            return true
        case .burn(let past):
            if server.position <= past.rawValue {
                server.write(.noise, size: past.rawValue - server.position + 50, at: world.now)
            }
            return true
        case .run(_, let statement): return run(statement)
        // Nobody asks for copies here.
        case .copy, .amend: return true
        }
    }

    private func publish(_ record: MeshRecord, _ view: MeshView) -> Bool {
        if record.state == .gated, let fork = record.fork { world.gates(fork.term) }
        if record.state == .open, view.own?.state != .open { world.checks.decidesToOpen(record, view, zone) }
        guard
            world.tree.publish(record, zone.number, term: term, version: version, now: world.now)
        else { return false }
        version += 1
        // The outcome may stay unknown.
        return !world.fails()
    }

    private func run(_ statement: MeshStatement) -> Bool {
        guard case .kick(let names) = statement else { return server.run(statement, world) }
        for name in names {
            guard server.run(.enable(subscription: name), world, enables: false) else { return false }
        }
        let incarnation = server.incarnation
        world.after(world.dice.milliseconds(1, 30)) {
            guard self.mayAct, self.server.incarnation == incarnation, !self.world.fails() else { return }
            for name in names { _ = self.server.run(.enable(subscription: name), self.world) }
        }
        return true
    }
}
