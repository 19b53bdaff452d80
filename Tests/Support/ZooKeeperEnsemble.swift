/// Three real ZooKeeper servers that elect a leader among themselves.
public final class ZooKeeperEnsemble: Sendable {
    public let servers: [ZooKeeperServer]
    /// "127.0.0.1:P1,127.0.0.1:P2,127.0.0.1:P3".
    public var hosts: String { servers.map(\.host).joined(separator: ",") }

    private init(servers: [ZooKeeperServer]) { self.servers = servers }

    /// An ensemble in which all three serve.
    public static func start(tick: Duration = .milliseconds(200)) async throws -> ZooKeeperEnsemble {
        let ports = try FreePort.next(9)
        let lines = (0..<3).map { "server.\($0 + 1)=127.0.0.1:\(ports[3 + $0]):\(ports[6 + $0])" }
        let servers = try (0..<3).map {
            try ZooKeeperServer(port: ports[$0], tick: tick, membership: .init(number: $0 + 1, servers: lines))
        }
        let ensemble = ZooKeeperEnsemble(servers: servers)
        for server in servers { try server.launch() }
        for server in servers { try await server.ready() }
        return ensemble
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
