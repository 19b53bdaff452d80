public import AdminModel
public import HACore
public import ZooKeeper

/// What operators may ask of the cluster through the doors: each ends in a znode that the leader's rules read.
public struct ClusterActions: Sendable {
    /// Writes `failover`.
    public let request: @Sendable (FailoverRecord) async throws -> Void
    /// Clears `failover`, if it still has this version.
    /// - Throws: `ZooKeeperError` with code `badVersion` when somebody has changed it.
    public let withdraw: @Sendable (Version) async throws -> Void
    /// Asks members where they are, each within the deadline of peers.
    public let ask: @Sendable ([(name: MemberID, record: MemberRecord)]) async -> PeerRound

    public init(
        request: @escaping @Sendable (FailoverRecord) async throws -> Void,
        withdraw: @escaping @Sendable (Version) async throws -> Void,
        ask: @escaping @Sendable ([(name: MemberID, record: MemberRecord)]) async -> PeerRound
    ) {
        self.request = request
        self.withdraw = withdraw
        self.ask = ask
    }
}

extension ClusterActions {
    init(sessions: SessionOwner, layout: ZNodeLayout, peers: PeerClient) {
        let deadline = Duration.seconds(2)
        @Sendable func session() throws(ZooKeeperError) -> ZooKeeperSession {
            guard let session = sessions.session else { throw ZooKeeperError(.connectionLoss, outcome: .didNotHappen) }
            return session
        }
        self.init(
            request: { record in
                let (session, data) = (try session(), record.json.znode)
                do throws(ZooKeeperError) {
                    try await session.set(layout.failover, data, expecting: .any, deadline: deadline)
                } catch  where error.code == .noNode {
                    try await session.create(layout.failover, data, mode: .persistent, deadline: deadline)
                }
            },
            withdraw: { version in
                try await session().set(
                    layout.failover, FailoverRecord().json.znode, expecting: .exactly(version), deadline: deadline)
            },
            ask: { await peers.ask($0) })
    }
}
