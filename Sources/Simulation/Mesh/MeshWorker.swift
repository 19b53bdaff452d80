import HACore

/// The process that applies a peer's rows: it dials by the service file, starts at its origin, and confirms what it has.
///
/// As PostgreSQL does: START_REPLICATION begins at the greater of the position asked for and the slot's, and both rows
/// and keepalives are confirmed.
final class MeshWorker {
    unowned let world: MeshWorld
    let server: MeshServer
    private let incarnation: Int
    private let name: String
    var isAlive = true
    private(set) var session: MeshSession?

    init(_ world: MeshWorld, _ server: MeshServer, _ name: String) {
        self.world = world
        self.server = server
        self.name = name
        incarnation = server.incarnation
        world.after(world.dice.milliseconds(1, 10)) { self.dial() }
    }

    /// It runs, and its server still is what it was.
    var works: Bool { isAlive && server.serves && server.incarnation == incarnation }

    /// Its session has the origin in use.
    func holds(_ origin: String) -> Bool { works && session != nil && subscription?.slot == origin }

    private var subscription: MeshServer.Subscription? { server.contents.subscriptions[name] }

    private func dial() {
        guard works, let subscription else { return end() }
        guard case .open(let address) = server.routes[subscription.provider] ?? .shut else { return end() }
        world.after(world.delay(server.zone, MeshWorld.zone(of: address))) { self.attach(to: address) }
    }

    private func attach(to address: MeshRecord.Address) {
        guard works, let subscription, let provider = world.server(at: address), provider.serves else {
            return end()
        }
        if !subscription.isReady {
            guard provider.slots[subscription.slot] == nil else { return end() }
            provider.slots[subscription.slot] = MeshServer.Slot(confirmed: provider.position)
            server.write(.origin(slot: subscription.slot, provider.position), at: world.now)
            var ready = subscription
            ready.isReady = true
            server.write(.subscription(ready), at: world.now)
            world.checks.began(subscription.slot, by: server, at: provider)
        }
        guard let slot = provider.slots[subscription.slot], slot.session == nil else { return end() }
        session = MeshSession(self, provider, subscription.slot, from: max(slot.confirmed, origin(subscription)))
    }

    private func origin(_ subscription: MeshServer.Subscription) -> UInt64 {
        server.contents.origins[subscription.slot] ?? 0
    }

    func apply(row: Int, at position: UInt64, slot: String) {
        world.checks.applies(row, by: server, slot: slot)
        server.write(.applied(row: row, slot: slot, to: position), at: world.now)
    }

    /// Whoever started it starts another after a while.
    func end() {
        guard isAlive else { return }
        isAlive = false
        guard server.workers[name] === self else { return }
        server.workers[name] = nil
        let incarnation = incarnation
        world.after(world.dice.milliseconds(300, 5000)) { [world, server, name] in
            if server.incarnation == incarnation { world.startWorker(name, on: server) }
        }
    }
}

/// One walsender and its worker, with what is on the way between them.
final class MeshSession {
    private let world: MeshWorld
    private let worker: MeshWorker
    private let provider: MeshServer
    private let incarnation: Int
    private let slot: String
    private let number: Int
    private let start: UInt64
    private var sent: UInt64
    private var lastArrival: Nanoseconds = 0
    private var lastAnswer: Nanoseconds = 0

    init(_ worker: MeshWorker, _ provider: MeshServer, _ slot: String, from start: UInt64) {
        self.worker = worker
        self.provider = provider
        self.slot = slot
        self.start = start
        sent = start
        world = worker.world
        incarnation = provider.incarnation
        number = world.nextSession()
        provider.slots[slot]?.session = number
        pump()
    }

    /// The walsender lives and holds the slot.
    var isAttached: Bool {
        provider.serves && provider.incarnation == incarnation && provider.slots[slot]?.session == number
    }

    private func pump() {
        guard isAttached else {
            // The other end is gone: what was sent still arrives, then the worker notices.
            return world.at(max(lastArrival, world.now + world.dice.milliseconds(1, 1500))) { self.worker.end() }
        }
        guard worker.works else {
            return world.at(max(lastAnswer, world.now + world.dice.milliseconds(0, 2000))) {
                if self.isAttached { self.provider.slots[self.slot]?.session = nil }
            }
        }
        send()
        world.after(world.dice.milliseconds(5, 30)) { self.pump() }
    }

    private func send() {
        guard provider.position > sent else { return }
        var rows: [(row: Int, end: UInt64)] = []
        for index in provider.index(after: sent)..<provider.wal.count {
            guard case .row(let row) = provider.wal[index].change else { continue }
            rows.append((row, provider.wal[index].end))
        }
        sent = provider.position
        let (keepalive, delay) = (sent, world.delay(provider.zone, worker.server.zone))
        lastArrival = max(lastArrival, world.now + delay)
        world.at(lastArrival) { self.receive(rows, keepalive) }
    }

    private func receive(_ rows: [(row: Int, end: UInt64)], _ keepalive: UInt64) {
        guard worker.works else { return }
        for row in rows { worker.apply(row: row.row, at: row.end, slot: slot) }
        lastAnswer = max(lastAnswer, world.now + world.delay(provider.zone, worker.server.zone))
        world.at(lastAnswer) { self.confirm(keepalive) }
    }

    private func confirm(_ position: UInt64) {
        guard isAttached, let known = provider.slots[slot] else { return }
        provider.slots[slot]?.confirmed = max(known.confirmed, position)
    }
}
