import HACore

/// A client of the ensemble, as the C library behaves: one session, one connection at a time, looks elsewhere when a
/// server is silent for two thirds of the timeout, learns of its session's end only from a server.
final class SimHandle {
    enum Event {
        case connected, disconnected, expired
        case node(SimPath)
    }

    private unowned let world: SimWorld
    private unowned let agent: SimAgent
    private let node: Int
    let timeout: Nanoseconds
    private(set) var session: Int64
    private(set) var generation: UInt64 = 0
    /// A moment known to be before the present connection's handshake was sent.
    private(set) var handshake: Instant
    private(set) var isConnected = false
    private(set) var isOver = false
    private var connection: SimConnection?
    private var attempt = 0
    private var attemptedAt: Nanoseconds = 0
    private var server: Int
    private var lastZxid: Int64 = 0
    private var lastHeard: Nanoseconds = 0
    private var lastSent: Nanoseconds = 0
    /// When the last request was sent that the present or an earlier connection acknowledged.
    private var lastAcknowledgedSend: Instant?
    private var waiting: [Int: () -> Void] = [:]
    private var nextRequest = 0
    private let onEvent: (Event) -> Void

    /// - Parameter session: one to take up, else 0.
    init(
        agent: SimAgent, world: SimWorld, node: Int, timeout: Nanoseconds, session: Int64,
        onEvent: @escaping (Event) -> Void
    ) {
        self.agent = agent
        self.world = world
        self.node = node
        self.timeout = timeout
        self.session = session
        self.onEvent = onEvent
        handshake = agent.now
        server = world.dice.below(3)
    }

    func open() {
        connect()
        keepAlive()
    }

    func close() { isOver = true }

    var connectedServer: Int? { connection?.server.id }

    // MARK: The connection

    private func connect() {
        guard !isOver, !isConnected else { return }
        attempt += 1
        let attempt = self.attempt
        attemptedAt = world.now
        server = (server + 1) % 3
        let target = world.zookeeper.servers[server]
        let toServer = world.network.pipe(node: node, server: server)
        let toClient = world.network.pipe(node: node, server: server)
        let session = self.session
        let lastZxid = self.lastZxid
        let refuse: () -> Void = { [self] in
            toClient.send(latency: world.latency) { [self] in agent.network { [self] in refused(attempt) } }
        }
        toServer.send(latency: world.latency) { [self] in
            guard target.isServing, target.tree.zxid >= lastZxid else { return refuse() }
            target.forward { [self] in
                let ensemble = world.zookeeper!
                let accepted: Int64?
                if session == 0 {
                    accepted = ensemble.open(node: node, server: target, timeout: timeout)
                } else {
                    guard ensemble.hasQuorum else { return refuse() }
                    accepted = ensemble.revalidate(session, at: target) ? session : 0
                }
                target.fromLeader.send(latency: world.latency) { [self] in
                    guard let accepted else { return refuse() }
                    let connection = SimConnection(
                        session: accepted, server: target, toServer: toServer, toClient: toClient, world: world)
                    if accepted != 0 { target.add(connection) }
                    toClient.send(latency: world.latency) { [self] in
                        agent.network { [self] in established(connection, attempt: attempt) }
                    }
                }
            }
        }
    }

    private func refused(_ attempt: Int) {
        guard attempt == self.attempt, !isConnected, !isOver else { return }
        world.after(20 * millisecond) { [self] in
            agent.timer { [self] in if attempt == self.attempt { connect() } }
        }
    }

    private func established(_ connection: SimConnection, attempt: Int) {
        guard attempt == self.attempt, !isConnected, !isOver else { return }
        guard connection.session != 0 else {
            isOver = true
            onEvent(.expired)
            return
        }
        // The library reconnects by itself: the handshake is later than the last request that was acknowledged.
        if generation > 0, let lastAcknowledgedSend { handshake = max(handshake, lastAcknowledgedSend) }
        session = connection.session
        generation += 1
        isConnected = true
        lastHeard = world.now
        lastSent = world.now
        self.connection = connection
        connection.onClose = { [self] in
            agent.network { [self] in if self.connection === connection { disconnect() } }
        }
        connection.onEvent = { [self] path in
            agent.network { [self] in
                guard self.connection === connection else { return }
                lastHeard = world.now
                onEvent(.node(path))
            }
        }
        onEvent(.connected)
    }

    /// Gives the connection up; what was under way may still be carried out.
    func disconnect() {
        guard isConnected, !isOver else { return }
        isConnected = false
        if world.dice.chance(50) { connection?.toServer.reset() }
        connection = nil
        let lost = waiting.sorted { $0.key < $1.key }
        waiting = [:]
        for (_, fail) in lost { fail() }
        onEvent(.disconnected)
        connect()
    }

    private func keepAlive() {
        guard !isOver else { return }
        if isConnected {
            if world.now - lastHeard > timeout * 2 / 3 {
                disconnect()
            } else if world.now - lastSent > timeout / 3 {
                send(.ping)
            }
        } else if world.now - attemptedAt > timeout / 3 {
            connect()
        }
        world.after(max(timeout / 12, 50 * millisecond)) { [self] in agent.timer { [self] in keepAlive() } }
    }

    // MARK: Requests

    private func send(_ request: SimRequest) {
        guard let connection else { return }
        lastSent = world.now
        connection.toServer.send(latency: world.latency) {
            connection.server.receive(request, on: connection)
            if case .ping = request { connection.reply { [weak self] in self?.pong(connection) } }
        }
    }

    private func pong(_ connection: SimConnection) {
        agent.network { [self] in if self.connection === connection { lastHeard = world.now } }
    }

    /// Wraps a completion: the first of reply and loss of the connection counts.
    private func register(_ completion: @escaping (SimFailure?) -> Void) -> (Int, Instant) {
        nextRequest += 1
        waiting[nextRequest] = { completion(SimFailure(code: .lost)) }
        return (nextRequest, agent.now)
    }

    private func settled(_ id: Int, sentAt: Instant, zxid: Int64, _ action: @escaping () -> Void) {
        agent.network { [self] in
            guard waiting.removeValue(forKey: id) != nil else { return }
            lastHeard = world.now
            lastZxid = max(lastZxid, zxid)
            lastAcknowledgedSend = max(lastAcknowledgedSend ?? sentAt, sentAt)
            action()
        }
    }

    func multi(_ operations: [SimOperation], _ completion: @escaping (Result<SimResult, SimFailure>) -> Void) {
        guard isConnected else { return completion(.failure(SimFailure(code: .lost))) }
        let (id, sentAt) = register { if let failure = $0 { completion(.failure(failure)) } }
        send(
            .write(operations) { [self] result, zxid in
                settled(id, sentAt: sentAt, zxid: zxid) { [self] in
                    if case .failure(let failure) = result, failure.code == .moved || failure.code == .expired {
                        disconnect()
                    }
                    completion(result)
                }
            })
    }

    /// Reads `part` of the server's tree and sets watches.
    func read(watches: Set<SimWatch>, _ completion: @escaping (SimTree?) -> Void) {
        guard isConnected else { return completion(nil) }
        let (id, sentAt) = register { if $0 != nil { completion(nil) } }
        send(
            .read({ $0 }, watches: watches) { [self] result, zxid in
                settled(id, sentAt: sentAt, zxid: zxid) { completion(try? result.get()) }
            })
    }

    func sync(_ completion: @escaping (Bool) -> Void) {
        guard isConnected else { return completion(false) }
        let (id, sentAt) = register { if $0 != nil { completion(false) } }
        send(.sync { [self] zxid in settled(id, sentAt: sentAt, zxid: zxid) { completion(true) } })
    }
}
