import AdminModel
import HACore
import LocalConfiguration
import Logging
import ZooKeeper

/// Reads what the clusters of a mesh say of themselves, and keeps it until a watch says that it has changed.
actor MeshReader {
    /// One read of all.
    struct Tree: Sendable {
        var own: MeshRecord?
        /// Data version of the znode; nil: there is none.
        var ownVersion: Version?
        var intents = MeshIntents()
        var peers: [MeshView.Peer] = []
    }

    private typealias Found = (data: [UInt8], stat: ZNodeStat)

    private let layout: ZNodeLayout
    private let scope: String
    private let watches: MeshWatches
    private let lastGood: LastGood
    private let logger: Logger
    /// The session that the watches are of.
    private var session: SessionID?
    private var clusters: [String]?
    /// What was read; a znode that is not there is known as nil.
    private var known: [ZNodePath: Found?] = [:]
    /// When a peer's record was last seen to change, by scope.
    private var seen: [String: (zxid: Int64, at: Instant)] = [:]
    private var refused: Set<ZNodePath> = []

    init(layout: ZNodeLayout, scope: String, watches: MeshWatches, logger: Logger) {
        self.layout = layout
        self.scope = scope
        self.watches = watches
        self.lastGood = LastGood(logger: logger)
        self.logger = logger
    }

    /// - Parameters:
    ///   - wanted: the mesh's name.
    ///   - deadline: for each round trip.
    /// - Throws: `ZooKeeperError` when a read fails: nothing is concluded from half of it.
    func read(
        _ settings: MeshSettings, _ session: ZooKeeperSession, deadline: Duration
    ) async throws(ZooKeeperError) -> Tree {
        guard let id = session.connection?.session else { throw ZooKeeperError(.connectionLoss) }
        if id != self.session {
            watches.forget()
            known = [:]
            clusters = nil
            self.session = id
        }
        for path in watches.changes() {
            known[path] = nil
            if path == layout.base.parent { clusters = nil }
        }
        var tree = Tree()
        tree.own = try await record(layout.mesh, session, deadline)
        tree.ownVersion = (known[layout.mesh] ?? nil)?.stat.version
        if let found = try await find(layout.meshIntents, session, deadline) {
            tree.intents =
                lastGood.read(layout.meshIntents, found.data, found.stat) {
                    MeshIntents(json: try JSONParser.parse($0))
                } ?? MeshIntents()
        }
        for scope in try await peers(settings.peers, session, deadline) {
            if let peer = try await peer(scope, settings.mesh, session, deadline) { tree.peers.append(peer) }
        }
        return tree
    }

    /// This agent has written it; the watch would say so a moment later.
    func forget(_ path: ZNodePath) { known[path] = nil }

    /// This agent has written its record, or could not: what is known of it is old, whether its event has come or not.
    func forgetOwn() { known[layout.mesh] = nil }

    private func peers(
        _ wanted: MeshSettings.Peers, _ session: ZooKeeperSession, _ deadline: Duration
    ) async throws(ZooKeeperError) -> [String] {
        if case .listed(let scopes) = wanted { return scopes.filter { $0 != scope }.sorted() }
        guard let parent = layout.base.parent else { return [] }
        if clusters == nil {
            watches.expect(parent)
            var names = try await session.children(parent, watch: true, deadline: deadline)
            // Like a get: on an ensemble that is new, nobody may have made the namespace yet.
            if names == nil, try await session.exists(parent, watch: true, deadline: deadline) != nil {
                names = try await session.children(parent, watch: true, deadline: deadline)
            }
            clusters = names ?? []
        }
        return (clusters ?? []).filter { $0 != layout.base.name }.sorted()
    }

    private func peer(
        _ scope: String, _ mesh: String, _ session: ZooKeeperSession, _ deadline: Duration
    ) async throws(ZooKeeperError) -> MeshView.Peer? {
        guard let parent = layout.base.parent, let base = try? parent.child(scope),
            let path = try? base.child("spock"), let leader = try? base.child("leader"),
            let record = try await record(path, session, deadline), record.mesh == mesh
        else { return nil }
        let term = try await find(leader, session, deadline)?.stat.czxid
        let zxid = (known[path] ?? nil)?.stat.mzxid ?? 0
        if seen[scope]?.zxid != zxid { seen[scope] = (zxid, Instant.now) }
        return MeshView.Peer(
            scope: scope, record: record, leaderTerm: term.map { Term($0) }, writtenAt: seen[scope]?.at ?? Instant.now)
    }

    private func record(
        _ path: ZNodePath, _ session: ZooKeeperSession, _ deadline: Duration
    ) async throws(ZooKeeperError) -> MeshRecord? {
        guard let found = try await find(path, session, deadline) else { return nil }
        return lastGood.read(path, found.data, found.stat) { try MeshRecord(json: try JSONParser.parse($0)) }
    }

    /// A znode's data; nil when it is not there, or not for us to read.
    private func find(
        _ path: ZNodePath, _ session: ZooKeeperSession, _ deadline: Duration
    ) async throws(ZooKeeperError) -> Found? {
        if let found = known[path] { return found }
        do throws(ZooKeeperError) {
            watches.expect(path)
            var found = try await session.get(path, watch: true, deadline: deadline)
            // A get of a missing znode sets no watch: exists does.
            if found == nil, try await session.exists(path, watch: true, deadline: deadline) != nil {
                found = try await session.get(path, watch: true, deadline: deadline)
            }
            known[path] = .some(found)
            refused.remove(path)
            return found
        } catch  where error.code == .noAuth {
            if refused.insert(path).inserted { logger.warning("\(path) is not for this agent to read") }
            return nil
        }
    }
}
