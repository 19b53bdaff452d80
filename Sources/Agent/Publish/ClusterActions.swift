public import AdminModel
public import HACore
import LocalConfiguration
public import ZooKeeper

/// What operators may ask of the cluster through the doors: each ends in a znode that the members read.
public struct ClusterActions: Sendable {
    /// Writes `failover`.
    public let request: @Sendable (FailoverRecord) async throws -> Void
    /// Clears `failover`, if it still has this version.
    /// - Throws: `ZooKeeperError` with code `badVersion` when somebody has changed it.
    public let withdraw: @Sendable (Version) async throws -> Void
    /// Writes `config`, if it still has the version that is expected; `any`: whatever is there, also nothing.
    /// - Throws: `ZooKeeperError` with code `badVersion` when somebody has changed it, `noNode` when it is gone.
    public let configure: @Sendable (JSONObject, ExpectedVersion) async throws -> Void
    /// Reads the local configuration again; what is wrong with it is said in the log.
    public let reload: @Sendable () async -> Void
    /// Asks members where they are, each within the deadline of peers.
    public let ask: @Sendable ([(name: MemberID, record: MemberRecord)]) async -> PeerRound
    /// Asks the mesh for something, in this cluster's `spock_intents`.
    /// - Throws: `MeshRefusal`.
    public let intend: @Sendable (MeshIntents.Change) async throws -> MeshIntents
    /// What is wanted of this member's own PostgreSQL.
    public let orders: OrderBook
    /// Leaves what is being carried out; decisions derive it anew where it is still wanted.
    public let cancel: @Sendable () -> Void

    public init(
        request: @escaping @Sendable (FailoverRecord) async throws -> Void,
        withdraw: @escaping @Sendable (Version) async throws -> Void,
        configure: @escaping @Sendable (JSONObject, ExpectedVersion) async throws -> Void,
        reload: @escaping @Sendable () async -> Void,
        ask: @escaping @Sendable ([(name: MemberID, record: MemberRecord)]) async -> PeerRound,
        intend: @escaping @Sendable (MeshIntents.Change) async throws -> MeshIntents = { _ in
            throw MeshRefusal(.failed, "this cluster is in no mesh")
        },
        orders: OrderBook, cancel: @escaping @Sendable () -> Void
    ) {
        self.request = request
        self.intend = intend
        self.withdraw = withdraw
        self.configure = configure
        self.reload = reload
        self.ask = ask
        self.orders = orders
        self.cancel = cancel
    }
}

extension ClusterActions {
    init(
        sessions: SessionOwner, layout: ZNodeLayout, peers: PeerClient, reloader: ConfigReloader,
        requests: MeshRequests, orders: OrderBook,
        cancel: @escaping @Sendable () -> Void
    ) {
        let deadline = Duration.seconds(2)
        @Sendable func session() throws(ZooKeeperError) -> ZooKeeperSession {
            guard let session = sessions.session else { throw ZooKeeperError(.connectionLoss, outcome: .didNotHappen) }
            return session
        }
        /// Writes a znode, new or not.
        @Sendable func write(_ path: ZNodePath, _ data: [UInt8]) async throws(ZooKeeperError) {
            let opened = try session()
            do throws(ZooKeeperError) {
                try await opened.set(path, data, expecting: .any, deadline: deadline)
            } catch  where error.code == .noNode {
                try await opened.create(path, data, mode: .persistent, deadline: deadline)
            }
        }
        self.init(
            request: { try await write(layout.failover, $0.json.znode) },
            withdraw: { version in
                try await session().set(
                    layout.failover, FailoverRecord().json.znode, expecting: .exactly(version), deadline: deadline)
            },
            configure: { document, version in
                if version == .any { return try await write(layout.config, document.znode) }
                try await session().set(layout.config, document.znode, expecting: version, deadline: deadline)
            },
            reload: { await reloader.reload() },
            ask: { await peers.ask($0) }, intend: { try await requests.make($0) }, orders: orders, cancel: cancel)
    }
}
