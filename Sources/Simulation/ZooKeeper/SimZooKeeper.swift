import HACore

/// An ensemble of three servers: one linear history of transactions, sessions that end by the leader's clock, followers
/// that lag (design/lock.md 1).
final class SimZooKeeper {
    struct Session {
        let id: Int64
        let timeout: Nanoseconds
        let node: Int
        /// The server it is connected to: requests from another one are refused.
        var server: Int
        var expiresAt: Nanoseconds
    }

    private unowned let world: SimWorld
    let tick: Nanoseconds
    let syncLimit: Int64 = 5
    private(set) var servers: [SimServer] = []
    private(set) var leader: Int? = 0
    /// The newest tree: what the leader has prepared.
    private(set) var tree = SimTree()
    private(set) var sessions: [Int64: Session] = [:]
    private var nextSession: Int64 = 0x1000
    /// Prepared by nobody yet: the leader has no quorum.
    private var stalled: [() -> Void] = []
    private var reign = 0

    var latency: Nanoseconds { world.latency }

    init(_ world: SimWorld, tick: Nanoseconds) {
        self.world = world
        self.tick = tick
        servers = (0..<3).map { SimServer(id: $0, world: world, ensemble: self) }
    }

    func start() {
        // What installations make before the first agent runs.
        commitByThirdParty([
            .create(.status, .empty, ephemeral: false), .create(.sync, .empty, ephemeral: false),
        ])
        // Pings have a phase of their own against the buckets of expiry.
        world.after(world.dice.between(0, tick / 2)) { [self] in ping() }
        expire()
    }

    // MARK: The leader's clockwork

    private func ping() {
        if let leader {
            for server in servers where server.id != leader && server.isServing {
                server.fromLeader.send(latency: latency) { server.answerPing() }
            }
        }
        world.after(tick / 2) { [self] in ping() }
    }

    private func expire() {
        if hasQuorum {
            for session in sessions.values.filter({ $0.expiresAt <= world.now }).sorted(by: { $0.id < $1.id }) {
                close(session.id)
            }
        }
        world.at((world.now / tick + 1) * tick) { [self] in expire() }
    }

    var hasQuorum: Bool {
        guard let leader else { return false }
        return servers.contains { $0.id != leader && $0.isServing && $0.cuts == 0 }
    }

    func touch(_ id: Int64) {
        guard let timeout = sessions[id]?.timeout else { return }
        sessions[id]?.expiresAt = ((world.now + timeout) / tick + 1) * tick
    }

    // MARK: Sessions

    /// A new session, or nil while nobody leads.
    func open(node: Int, server: SimServer, timeout: Nanoseconds) -> Int64? {
        guard hasQuorum else { return nil }
        nextSession += 1
        sessions[nextSession] = Session(id: nextSession, timeout: timeout, node: node, server: server.id, expiresAt: 0)
        touch(nextSession)
        return nextSession
    }

    /// A client came back to a server with its session; false when the session is over.
    func revalidate(_ id: Int64, at server: SimServer) -> Bool {
        guard sessions[id] != nil else { return false }
        sessions[id]?.server = server.id
        touch(id)
        return true
    }

    func close(_ id: Int64) {
        guard let session = sessions.removeValue(forKey: id) else { return }
        let before = tree
        let changed = tree.close(session: id)
        broadcast(changed)
        for server in servers where server.isServing { server.fromLeader.send(latency: 0) { server.closed(id) } }
        world.invariants.sessionEnded(session, before: before)
    }

    // MARK: Transactions

    func propose(
        _ operations: [SimOperation], session id: Int64, from server: SimServer,
        _ completion: @escaping (Result<SimResult, SimFailure>) -> Void
    ) {
        guard hasQuorum else {
            stalled.append { [self] in propose(operations, session: id, from: server, completion) }
            return
        }
        guard let session = sessions[id] else {
            answer(.failure(SimFailure(code: .expired)), at: server, completion)
            return
        }
        guard session.server == server.id else {
            answer(.failure(SimFailure(code: .moved)), at: server, completion)
            return
        }
        let before = tree
        switch tree.apply(operations, session: id) {
        case .failure(let failure): answer(.failure(failure), at: server, completion)
        case .success(let (result, changed)):
            world.invariants.committed(operations, by: session.node, session: id, before: before, after: tree)
            broadcast(changed, except: server)
            let tree = self.tree
            server.fromLeader.send(latency: quorumDelay(server)) {
                server.apply(tree, changed: changed)
                completion(.success(result))
            }
        }
    }

    private func answer(
        _ result: Result<SimResult, SimFailure>, at server: SimServer,
        _ completion: @escaping (Result<SimResult, SimFailure>) -> Void
    ) {
        server.fromLeader.send(latency: quorumDelay(server)) { completion(result) }
    }

    private func quorumDelay(_ server: SimServer) -> Nanoseconds { latency + (server.isLeader ? latency : 0) }

    private func broadcast(_ changed: [SimPath], except: SimServer? = nil) {
        let tree = self.tree
        for server in servers where server.isServing && server !== except {
            server.fromLeader.send(latency: quorumDelay(server)) { server.apply(tree, changed: changed) }
        }
    }

    /// A person, or another program, with a session of its own that never matters here.
    @discardableResult
    func commitByThirdParty(_ operations: [SimOperation], session: Int64 = 1) -> Bool {
        guard hasQuorum else { return false }
        guard case .success(let (_, changed)) = tree.apply(operations, session: session) else { return false }
        broadcast(changed)
        return true
    }

    /// The end of such a session.
    func closeThirdParty(session: Int64) {
        let changed = tree.close(session: session)
        broadcast(changed)
    }

    // MARK: Faults

    /// A follower loses its link for a while. Beyond syncLimit ticks it drops its clients and joins anew afterwards.
    func cutFollower(_ index: Int, for duration: Nanoseconds, oneWay: Bool = false) {
        let server = servers[index]
        guard server.isServing, leader != index else { return }
        let reign = self.reign
        server.cut(oneWay: oneWay)
        world.after(syncLimit * tick) { [self] in
            guard reign == self.reign, server.cuts > 0, server.isServing else { return }
            server.stopServing()
        }
        world.after(duration) { [self] in
            server.heal(oneWay: oneWay)
            resume()
            if server.cuts == 0, !server.isServing, reign == self.reign { rejoin(server) }
        }
    }

    private func rejoin(_ server: SimServer) {
        let reign = self.reign
        world.after(world.dice.milliseconds(20, 200)) { [self] in
            guard reign == self.reign, leader != nil, !server.isServing else { return }
            server.join(with: tree)
            resume()
        }
    }

    private func resume() {
        guard hasQuorum else { return }
        let waiting = stalled
        stalled = []
        for action in waiting { action() }
    }

    /// The leader is gone or was cut off for too long: nobody serves until another is elected; all timers start anew.
    func changeLeader(after election: Nanoseconds) {
        reign += 1
        let reign = self.reign
        leader = nil
        stalled = []
        for server in servers { server.stopServing() }
        world.after(election) { [self] in
            guard reign == self.reign else { return }
            let candidates = servers.filter { $0.cuts == 0 }
            guard candidates.count >= 2 else {
                changeLeader(after: 500 * millisecond)
                return
            }
            leader = world.dice.pick(candidates).id
            for id in sessions.keys { touch(id) }
            for server in candidates { server.join(with: tree) }
            for server in servers where server.cuts > 0 { awaitHeal(server) }
        }
    }

    private func awaitHeal(_ server: SimServer) {
        let reign = self.reign
        world.after(300 * millisecond) { [self] in
            guard reign == self.reign, !server.isServing else { return }
            if server.cuts == 0 { rejoin(server) } else { awaitHeal(server) }
        }
    }

    /// The leader loses both followers: nothing commits; beyond syncLimit ticks another election follows.
    func isolateLeader(for duration: Nanoseconds) {
        guard let leader else { return }
        for server in servers where server.id != leader && server.isServing { cutFollower(server.id, for: duration) }
        let reign = self.reign
        if duration > syncLimit * tick {
            world.after(syncLimit * tick + millisecond) { [self] in
                guard reign == self.reign else { return }
                changeLeader(after: world.dice.milliseconds(200, 2000))
            }
        }
    }
}
