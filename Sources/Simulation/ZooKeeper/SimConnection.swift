enum SimWatch: Hashable {
    case node(SimPath)
    /// Children of `members`.
    case members
}

enum SimRequest {
    case ping
    case read((SimTree) -> SimTree, watches: Set<SimWatch>, (Result<SimTree, SimFailure>, Int64) -> Void)
    case write([SimOperation], (Result<SimResult, SimFailure>, Int64) -> Void)
    case sync((Int64) -> Void)
}

/// A TCP connection between one client and one server, as the server sees it.
final class SimConnection {
    /// A request that has not been answered; answers keep the order of requests.
    final class Slot {
        var isReady: Bool
        var run: () -> Void

        init(isReady: Bool, run: @escaping () -> Void) {
            self.isReady = isReady
            self.run = run
        }
    }

    let session: Int64
    let server: SimServer
    let toServer: SimPipe
    let toClient: SimPipe
    var watches: Set<SimWatch> = []
    private(set) var isOpen = true
    private var slots: [Slot] = []
    private unowned let world: SimWorld
    /// Set by the client: what it does when the server has closed the connection, and at a watch event.
    var onClose: () -> Void = {}
    var onEvent: (SimPath) -> Void = { _ in }

    init(session: Int64, server: SimServer, toServer: SimPipe, toClient: SimPipe, world: SimWorld) {
        self.session = session
        self.server = server
        self.toServer = toServer
        self.toClient = toClient
        self.world = world
    }

    func append(_ slot: Slot) {
        slots.append(slot)
        flush()
    }

    func flush() {
        while isOpen, let first = slots.first, first.isReady {
            slots.removeFirst()
            first.run()
        }
    }

    /// Server to client; a reply may get lost with its connection.
    func reply(aboutLock: Bool = false, _ action: @escaping () -> Void) {
        guard isOpen else { return }
        if world.losesReply(aboutLock: aboutLock) {
            close()
            return
        }
        toClient.send(latency: world.latency, action)
    }

    func fire(_ changed: [SimPath], old: SimTree, new: SimTree) {
        guard isOpen, !watches.isEmpty else { return }
        for path in changed {
            var hit = watches.remove(.node(path)) != nil
            if case .member = path, (old[path] == nil) != (new[path] == nil), watches.remove(.members) != nil {
                hit = true
            }
            guard hit else { continue }
            toClient.send(latency: world.watchLatency) { [self] in onEvent(path) }
        }
    }

    /// The server closes it; the client notices after a moment.
    func close() {
        guard isOpen else { return }
        isOpen = false
        toClient.send(latency: world.latency) { [self] in onClose() }
    }

    /// Nothing that is under way arrives any more.
    func breakDown() {
        close()
        toServer.reset()
    }
}
