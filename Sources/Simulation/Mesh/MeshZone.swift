import HACore

/// One cluster of the mesh: a primary, a standby that lags, the lock, and the agent of the leader.
///
/// Elections are not what is simulated here: a new leader takes the lock only when the old primary has stopped.
final class MeshZone {
    unowned let world: MeshWorld
    let number: Int
    let servers: [MeshServer]
    private(set) var leader: Int?
    private(set) var term: Term?
    private var lastTimeline: UInt32 = 1
    private var agent: MeshAgent?
    /// How far the standby is behind, in time.
    var lag: Nanoseconds = 5 * millisecond
    /// A change of leaders is going on.
    private(set) var isBusy = false

    init(_ world: MeshWorld, number: Int) {
        self.world = world
        self.number = number
        servers = [MeshServer(zone: number, index: 0), MeshServer(zone: number, index: 1)]
    }

    var node: String { "n\(number)" }
    var primary: MeshServer? { leader.map { servers[$0] }.flatMap { $0.serves ? $0 : nil } }
    var standby: MeshServer? { servers.first { $0.isUp && !$0.isPrimary } }

    func begin() {
        servers[0].start(asPrimary: true)
        servers[1].start(asPrimary: false)
        take(0)
        stream()
        copySlots()
    }

    // MARK: Leaders

    private func take(_ index: Int) {
        term = world.tree.lead(number, now: world.now)
        leader = index
        world.log("zone \(number): m\(index) leads with term \(term!)")
        startAgent()
    }

    func startAgent() {
        agent?.isAlive = false
        guard let leader, let term else { return }
        agent = MeshAgent(world, self, servers[leader], term)
    }

    /// kill -9 of the agent: between any two actions, or within one.
    func crashAgent(for time: Nanoseconds) {
        guard agent?.isAlive == true else { return }
        world.log("zone \(number): the agent is killed")
        agent?.isAlive = false
        let term = term
        world.after(time) { if self.term == term, self.agent?.isAlive != true { self.startAgent() } }
    }

    /// As its agent sees things now.
    func view() -> MeshView? { agent?.view() }

    private func giveUp() {
        world.tree.release(number, now: world.now)
        agent?.isAlive = false
        leader = nil
        term = nil
    }

    private func promote(_ server: MeshServer) {
        lastTimeline += 1
        let left = TimelineHistory.Fork(parent: Timeline(server.timeline), switchLSN: LSN(server.position))
        server.history.append(left)
        server.timeline = lastTimeline
        server.clientsAreShut = true
        for node in server.routes.keys { server.routes[node] = .shut }
        server.isPrimary = true
        server.write(.noise, at: world.now)
        world.log("zone \(number): \(server.member) is promoted to timeline \(lastTimeline) at \(server.forkedAt!)")
        world.startWorkers(on: server)
        isBusy = false
    }

    // MARK: Faults

    /// The primary's machine is gone; or it is asked to hand over, and nothing is lost.
    func failOver(planned: Bool, cut: Bool = false) {
        guard !isBusy, let leader else { return }
        let old = servers[leader]
        let heir = servers[1 - leader]
        guard old.serves, !planned || heir.isUp else { return }
        // Nobody is promoted who has not followed the present timeline.
        guard !heir.isDiverged else { return restart(newTimeline: true) }
        isBusy = true
        world.log("zone \(number): \(planned ? "hands over" : "loses") \(old.member)")
        if planned { catchUp(heir, with: old) }
        old.stop()
        old.isDiverged = true
        if planned || !cut { giveUp() }
        world.after(world.dice.milliseconds(50, 900)) {
            if self.leader != nil { self.giveUp() }
            if !heir.isUp { heir.start(asPrimary: false) }
            heir.promotions += 1
            self.take(heir.index)
            self.world.after(self.world.dice.milliseconds(20, 200)) { self.promote(heir) }
        }
        world.after(world.dice.milliseconds(1200, 5000)) { self.rejoin(old) }
    }

    /// The same server again: in place, or as a standby that its own agent promotes.
    func restart(newTimeline: Bool) {
        guard !isBusy, let primary else { return }
        isBusy = true
        world.log("zone \(number): \(primary.member) restarts")
        primary.stop()
        world.after(world.dice.milliseconds(100, 2000)) {
            primary.start(asPrimary: !newTimeline)
            guard !newTimeline else { return self.promote(primary) }
            self.world.startWorkers(on: primary)
            self.isBusy = false
        }
    }

    /// The lock is lost and taken again while the server runs.
    func leadAgain() {
        guard !isBusy, let leader, servers[leader].serves else { return }
        isBusy = true
        giveUp()
        world.after(world.dice.milliseconds(50, 1500)) {
            self.take(leader)
            self.isBusy = false
        }
    }

    func stopStandby(for time: Nanoseconds) {
        guard !isBusy, let standby else { return }
        world.log("zone \(number): \(standby.member) stops")
        standby.stop()
        let incarnation = standby.incarnation
        world.after(time) { if standby.incarnation == incarnation { standby.start(asPrimary: false) } }
    }

    private func rejoin(_ server: MeshServer) {
        guard !server.isUp else { return }
        guard !isBusy, let primary else {
            return world.after(500 * millisecond) { self.rejoin(server) }
        }
        server.becomeCopy(of: primary)
        server.start(asPrimary: false)
        world.log("zone \(number): \(server.member) follows")
    }

    // MARK: Replication within the zone

    private func stream() {
        if let primary, let standby {
            var count = standby.wal.count
            while count < primary.wal.count, primary.wal[count].at <= world.now - lag {
                standby.append(primary.wal[count])
                count += 1
            }
            follow(standby, primary)
        }
        world.after(world.dice.milliseconds(2, 15)) { self.stream() }
    }

    private func catchUp(_ standby: MeshServer, with primary: MeshServer) {
        for index in standby.wal.count..<primary.wal.count { standby.append(primary.wal[index]) }
        follow(standby, primary)
    }

    private func follow(_ standby: MeshServer, _ primary: MeshServer) {
        guard LSN(standby.position) >= primary.forkedAt ?? .zero else { return }
        standby.timeline = primary.timeline
        standby.history = primary.history
    }

    /// The agent's copies: late, and never back.
    private func copySlots() {
        if let primary, let standby, !world.options.losesSlots {
            let (seen, incarnation) = (primary.slots, standby.incarnation)
            world.after(world.dice.milliseconds(1, 50)) {
                guard standby.incarnation == incarnation, !standby.isPrimary else { return }
                for name in standby.slots.keys where seen[name] == nil { standby.slots[name] = nil }
                for (name, slot) in seen where slot.confirmed <= standby.position {
                    let known = standby.slots[name]?.confirmed ?? 0
                    standby.slots[name] = MeshServer.Slot(confirmed: max(known, slot.confirmed))
                }
            }
        }
        world.after(world.dice.milliseconds(100, 600)) { self.copySlots() }
    }
}
