/// Which links are up: between nodes and ZooKeeper servers, and among nodes (questions to peers, replication).
final class SimNetwork {
    private unowned let world: SimWorld
    private var blocked: [[Int]]
    private var pipes: [[[Weak]]]
    private var peerBlocks: [[Int]]
    /// When nodes last lost or found each other.
    private(set) var changedAt: Nanoseconds = 0
    /// When each node last lost or found a server.
    private var linksChangedAt: [Nanoseconds]

    private struct Weak {
        weak var pipe: SimPipe?
    }

    init(_ world: SimWorld, nodes: Int) {
        self.world = world
        linksChangedAt = Array(repeating: 0, count: nodes)
        blocked = Array(repeating: [0, 0, 0], count: nodes)
        pipes = Array(repeating: [[], [], []], count: nodes)
        peerBlocks = Array(repeating: Array(repeating: 0, count: nodes), count: nodes)
    }

    /// A new direction of a connection between a node and a server, as blocked as their link is.
    func pipe(node: Int, server: Int) -> SimPipe {
        let pipe = SimPipe(world)
        for _ in 0..<blocked[node][server] { pipe.block() }
        pipes[node][server].removeAll { $0.pipe == nil }
        pipes[node][server].append(Weak(pipe: pipe))
        return pipe
    }

    func block(node: Int, server: Int, for duration: Nanoseconds) {
        blocked[node][server] += 1
        linksChangedAt[node] = world.now
        for pipe in pipes[node][server] { pipe.pipe?.block() }
        world.after(duration) { [self] in
            blocked[node][server] -= 1
            linksChangedAt[node] = world.now
            for pipe in pipes[node][server] { pipe.pipe?.unblock() }
        }
    }

    func block(_ a: Int, _ b: Int, for duration: Nanoseconds) {
        peerBlocks[a][b] += 1
        peerBlocks[b][a] += 1
        changedAt = world.now
        world.after(duration) { [self] in
            peerBlocks[a][b] -= 1
            peerBlocks[b][a] -= 1
            changedAt = world.now
        }
    }

    /// The node has reached every server since then.
    func reachesStore(_ node: Int, since: Nanoseconds) -> Bool {
        linksChangedAt[node] < since && blocked[node].allSatisfy { $0 == 0 }
    }

    func reaches(_ a: Int, _ b: Int) -> Bool { a == b || peerBlocks[a][b] == 0 }
}
