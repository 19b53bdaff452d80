/// The ZooKeeper of one suite: the server that all share, or servers of its own, which its tests may break.
public final class SuiteZooKeeper: Sendable {
    /// How a suite asks for it.
    public enum Kind: Sendable {
        case shared
        /// A standalone server; each member reaches it through a wire of its own.
        case wired
        /// Three servers; each member knows all.
        case ensemble
    }

    public let servers: [ZooKeeperServer]
    /// All servers, for whoever goes by no wire.
    public let hosts: String
    /// Nil unless it is one.
    public let ensemble: ZooKeeperEnsemble?
    private let wires: [String: Wire]
    private let isOwn: Bool

    private init(
        servers: [ZooKeeperServer], ensemble: ZooKeeperEnsemble? = nil, wires: [String: Wire] = [:], isOwn: Bool
    ) {
        self.servers = servers
        hosts = servers.map(\.host).joined(separator: ",")
        self.ensemble = ensemble
        self.wires = wires
        self.isOwn = isOwn
    }

    /// The tick of whole-cluster tests: sessions of 1 to 10 s.
    public static let tick: Duration = .milliseconds(500)

    /// Servers that answer.
    public static func start(_ kind: Kind, members: [String]) async throws -> SuiteZooKeeper {
        switch kind {
        case .shared:
            return SuiteZooKeeper(servers: [try await SharedZooKeeper.shared.server()], isOwn: false)
        case .wired:
            let server = try await ZooKeeperServer.standalone(tick: tick)
            let wires = try members.map { ($0, try Wire(to: server.port)) }
            return SuiteZooKeeper(
                servers: [server], wires: Dictionary(uniqueKeysWithValues: wires), isOwn: true)
        case .ensemble:
            let ensemble = try await ZooKeeperEnsemble.start(tick: tick)
            return SuiteZooKeeper(servers: ensemble.servers, ensemble: ensemble, isOwn: true)
        }
    }

    /// By member, what its configuration names.
    public var memberHosts: [String: String] { wires.mapValues { "127.0.0.1:\($0.port)" } }

    /// The way of a member to the server.
    public func wire(of node: ClusterNode) throws -> Wire {
        guard let wire = wires[node.name] else { throw SupportError("\(node.name) has no wire to ZooKeeper") }
        return wire
    }

    /// SIGKILL to the servers, unless others use them.
    public func stop() async throws {
        guard isOwn else { return }
        for server in servers { try await server.stop() }
    }
}
