/// One ZooKeeper server: its own, possibly old, copy of the tree, its clients, and its link to the ensemble's leader.
final class SimServer {
    let id: Int
    private unowned let world: SimWorld
    private unowned let ensemble: SimZooKeeper
    /// Commits and pings of the leader; the leader's own commits arrive here after the quorum's answer.
    let fromLeader: SimPipe
    let toLeader: SimPipe
    var tree = SimTree()
    /// Follows the present leader and serves clients.
    var isServing = true
    /// Touches noted here and not yet reported (a follower's only way to keep its clients' sessions alive).
    private var touched: Set<Int64> = []
    private var connections: [SimConnection] = []
    /// Cut off from the leader: both directions held.
    private(set) var cuts = 0

    init(id: Int, world: SimWorld, ensemble: SimZooKeeper) {
        self.id = id
        self.world = world
        self.ensemble = ensemble
        fromLeader = SimPipe(world)
        toLeader = SimPipe(world)
    }

    var isLeader: Bool { ensemble.leader == id }

    // MARK: Clients

    func add(_ connection: SimConnection) {
        // A reconnect to the same server closes the older connection; what was not read from it is lost.
        for old in connections where old.session == connection.session { old.breakDown() }
        connections.removeAll { !$0.isOpen }
        connections.append(connection)
    }

    func receive(_ request: SimRequest, on connection: SimConnection) {
        guard isServing, connection.isOpen else { return }
        if isLeader { ensemble.touch(connection.session) } else { touched.insert(connection.session) }
        switch request {
        case .ping: connection.reply {}
        case .read(let read, let watches, let completion):
            connection.append(
                SimConnection.Slot(isReady: true) { [self] in
                    connection.watches.formUnion(watches)
                    let tree = self.tree
                    connection.reply { completion(.success(read(tree)), tree.zxid) }
                })
        case .write(let operations, let completion):
            let slot = SimConnection.Slot(isReady: false) {}
            connection.append(slot)
            let aboutLock = operations.contains { $0.changesLock }
            forward { [self] in
                ensemble.propose(operations, session: connection.session, from: self) { [self] result in
                    let zxid = tree.zxid
                    slot.run = { connection.reply(aboutLock: aboutLock) { completion(result, zxid) } }
                    slot.isReady = true
                    connection.flush()
                }
            }
        case .sync(let completion):
            let slot = SimConnection.Slot(isReady: false) {}
            connection.append(slot)
            forward { [self] in
                fromLeader.send(latency: ensemble.latency) { [self] in
                    let zxid = tree.zxid
                    slot.run = { connection.reply { completion(zxid) } }
                    slot.isReady = true
                    connection.flush()
                }
            }
        }
    }

    /// To the leader: at once when this is the leader, else in the order of the link.
    func forward(_ action: @escaping () -> Void) {
        if isLeader { action() } else { toLeader.send(latency: ensemble.latency, action) }
    }

    // MARK: From the leader

    func apply(_ new: SimTree, changed: [SimPath]) {
        let old = tree
        tree = new
        for connection in connections { connection.fire(changed, old: old, new: new) }
    }

    func answerPing() {
        let reported = touched
        touched = []
        toLeader.send(latency: ensemble.latency) { [ensemble] in
            for session in reported { ensemble.touch(session) }
        }
    }

    func closed(_ session: Int64) {
        for connection in connections where connection.session == session { connection.close() }
        connections.removeAll { $0.session == session }
    }

    // MARK: Faults

    /// - Parameter oneWay: the leader is heard, and not reached.
    func cut(oneWay: Bool) {
        cuts += 1
        if !oneWay { fromLeader.block() }
        toLeader.block()
    }

    func heal(oneWay: Bool) {
        cuts -= 1
        if !oneWay { fromLeader.unblock() }
        toLeader.unblock()
    }

    /// The server gives up its role: clients are dropped, nothing in flight arrives.
    func stopServing() {
        isServing = false
        touched = []
        fromLeader.reset()
        toLeader.reset()
        for connection in connections { connection.close() }
        connections = []
    }

    func join(with tree: SimTree) {
        self.tree = tree
        isServing = true
    }
}
