/// Three real ZooKeeper servers that elect a leader among themselves.
public final class ZooKeeperEnsemble: Sendable {
    public let servers: [ZooKeeperServer]
    /// "127.0.0.1:P1,127.0.0.1:P2,127.0.0.1:P3".
    public var hosts: String { servers.map(\.host).joined(separator: ",") }
    /// `wires[i][j]`: the way from server i to server j, for the data of the quorum; empty without wires.
    private let wires: [[Wire]]

    private init(servers: [ZooKeeperServer], wires: [[Wire]]) {
        self.servers = servers
        self.wires = wires
    }

    /// An ensemble in which all three serve.
    /// - Parameters:
    ///   - syncLimit: the ticks after which servers that hear nothing of each other part.
    ///   - wired: between the servers lie wires that ``cut(_:_:)`` can cut. Not for servers that are killed: a wire
    ///     accepts where nobody listens yet, which the others take for a leader that hung up.
    public static func start(tick: Duration = .milliseconds(200), syncLimit: Int = 10, wired: Bool = false) async throws
        -> ZooKeeperEnsemble
    {
        let ports = try FreePort.next(9)
        let wires = wired ? try (0..<3).map { _ in try (0..<3).map { try Wire(to: ports[3 + $0]) } } : []
        let servers = try (0..<3).map { own in
            let lines = (0..<3).map { other in
                let quorum = wired && other != own ? wires[own][other].port : ports[3 + other]
                return "server.\(other + 1)=127.0.0.1:\(quorum):\(ports[6 + other])"
            }
            return try ZooKeeperServer(
                port: ports[own], tick: tick, membership: .init(number: own + 1, servers: lines, syncLimit: syncLimit))
        }
        let ensemble = ZooKeeperEnsemble(servers: servers, wires: wires)
        for server in servers { try server.launch() }
        for server in servers { try await server.ready() }
        return ensemble
    }

    /// Cuts two servers of a wired ensemble apart: each hears nothing of the other any more, and is told nothing.
    public func cut(_ one: ZooKeeperServer, _ other: ZooKeeperServer) { between(one, other).forEach { $0.cut() } }

    /// Undoes ``cut(_:_:)``.
    public func mend(_ one: ZooKeeperServer, _ other: ZooKeeperServer) { between(one, other).forEach { $0.mend() } }

    private func between(_ one: ZooKeeperServer, _ other: ZooKeeperServer) -> [Wire] {
        guard let first = servers.firstIndex(where: { $0 === one }),
            let second = servers.firstIndex(where: { $0 === other }), !wires.isEmpty
        else { return [] }
        return [wires[first][second], wires[second][first]]
    }

    /// The server that leads now.
    public func leader() async throws -> ZooKeeperServer {
        try await eventually("a ZooKeeper leader", within: .seconds(20)) { servers.first { $0.mode == "leader" } }
    }

    /// The servers that follow now.
    public func followers() async throws -> [ZooKeeperServer] {
        let leader = try await leader()
        return servers.filter { $0 !== leader && $0.mode == "follower" }
    }

    /// SIGKILL to all.
    public func stop() async throws { for server in servers { try await server.stop() } }
}
