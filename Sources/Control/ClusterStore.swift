package import AdminModel
internal import HACore
internal import LocalConfiguration
package import Logging
package import ZooKeeper

/// One cluster's znodes: a session of the command line's own, without any ephemeral znode.
package struct ClusterStore: Sendable {
    /// Granted or moved into the server's bounds; nothing hangs on its expiry.
    private static let sessionTimeout = Duration.seconds(10)
    /// For the first connection. Patroni waits as long (contract/patroni.md 1.1).
    private static let connectDeadline = Duration.seconds(15)
    static let deadline = Duration.seconds(10)

    let session: ZooKeeperSession
    let layout: ZNodeLayout
    let scope: String

    /// Connects for one command and closes afterwards, whatever came of it.
    /// - Throws: `ControlError` when ZooKeeper cannot be reached or read, and what `body` throws.
    package static func with<Value: Sendable>(
        _ config: ControlConfig, scope: String, logger: Logger, _ body: (ClusterStore) async throws -> Value
    ) async throws -> Value {
        let session: ZooKeeperSession
        let layout: ZNodeLayout
        do throws(ZooKeeperError) {
            layout = try ZNodeLayout(namespace: config.namespace, scope: scope)
            session = try await ZooKeeperSession.open(
                config.zooKeeper.session(timeout: sessionTimeout), logger: logger)
        } catch {
            throw ControlError("ZooKeeper at \(config.zooKeeper.connectString): \(error)")
        }
        do {
            do throws(ZooKeeperError) { try await session.connected(deadline: connectDeadline) } catch {
                let reason = error.code == .deadline ? "no server answers within \(connectDeadline)" : "\(error)"
                throw ControlError("cannot connect to ZooKeeper at \(config.zooKeeper.connectString): \(reason)")
            }
            let value = try await body(ClusterStore(session: session, layout: layout, scope: scope))
            await session.close()
            return value
        } catch let error as ZooKeeperError {
            await session.close()
            throw ControlError("ZooKeeper at \(config.zooKeeper.connectString): \(error)")
        } catch {
            await session.close()
            throw error
        }
    }

    /// Reads the whole tree. What cannot be parsed reads as absent, as other members take it.
    package func read() async throws -> ClusterTree {
        // A server that lags must not show the cluster as it was before what the last command did.
        try await session.sync(layout.base, deadline: Self.deadline)
        async let names = session.children(layout.members, deadline: Self.deadline)
        async let leader = get(layout.leader)
        async let initialize = get(layout.initialize)
        async let config = get(layout.config)
        async let status = get(layout.status)
        async let sync = get(layout.sync)
        async let failover = get(layout.failover)
        async let history = get(layout.history)
        var tree = ClusterTree(scope: scope)
        tree.members = try await members(try await names ?? [])
        tree.leader = try await leader.flatMap { $0.data.isEmpty ? nil : MemberID(Self.text($0.data)) }
        tree.initialize = try await initialize.map { Self.text($0.data) }
        if let (data, stat) = try await config, let object = (try? JSONParser.parse(data))?.asObject {
            tree.config = object
            tree.configVersion = stat.version
        }
        tree.optime = try await status.flatMap { try? JSONParser.parse($0.data) }.flatMap {
            StatusRecord(json: $0).optime
        }
        tree.sync = try await sync.flatMap { try? JSONParser.parse($0.data) }.map(SyncRecord.init(json:)) ?? .off
        if let (data, stat) = try await failover {
            tree.failover = (try? FailoverRecord(znode: data)) ?? FailoverRecord()
            tree.failoverVersion = stat.version
        }
        tree.history =
            try await history.flatMap { try? JSONParser.parse($0.data) }?.asArray?.compactMap(\.asArray) ?? []
        return tree
    }

    /// Replaces the cluster's configuration, if it is still the one that was read.
    /// - Returns: false when somebody else changed or removed it in between.
    package func setConfig(_ config: JSONObject, expecting version: Version) async throws -> Bool {
        do throws(ZooKeeperError) {
            try await session.set(
                layout.config, JSONValue.object(config).znode, expecting: .exactly(version), deadline: Self.deadline)
            return true
        } catch {
            guard error.code == .badVersion || error.code == .noNode else { throw error }
            return false
        }
    }

    /// Asks for another leader without the REST API, or clears the request with an empty record.
    /// - Parameter version: the request that is replaced; nil: whatever is there.
    /// - Returns: false when it was another one.
    package func setFailover(_ record: FailoverRecord, expecting version: Version? = nil) async throws -> Bool {
        let data = record.json.znode
        let expected = version.map(ExpectedVersion.exactly) ?? .any
        do throws(ZooKeeperError) {
            try await session.set(layout.failover, data, expecting: expected, deadline: Self.deadline)
            return true
        } catch {
            if error.code == .badVersion { return false }
            guard error.code == .noNode, version == nil else { throw error }
        }
        try await session.createParents(layout.base, deadline: Self.deadline)
        try await session.create(layout.failover, data, deadline: Self.deadline)
        return true
    }

    /// Deletes all that is below the cluster's path, and the path.
    package func removeAll() async throws { try await remove(layout.base, attempts: 5) }

    private func remove(_ path: ZNodePath, attempts: Int) async throws {
        for name in try await session.children(path, deadline: Self.deadline) ?? [] {
            try await remove(path.child(name), attempts: attempts)
        }
        do throws(ZooKeeperError) {
            try await session.delete(path, expecting: .any, deadline: Self.deadline)
        } catch {
            if error.code == .noNode { return }
            // A member that runs wrote into it in between.
            guard error.code == .notEmpty, attempts > 0 else { throw error }
            try await remove(path, attempts: attempts - 1)
        }
    }

    private func members(_ names: [String]) async throws -> [ClusterTree.Member] {
        try await withThrowingTaskGroup(of: ClusterTree.Member?.self) { group in
            for name in names {
                let path = try layout.member(MemberID(name))
                group.addTask {
                    guard let (data, stat) = try await get(path) else { return nil }
                    let record = (try? MemberRecord(znode: data)) ?? MemberRecord()
                    return ClusterTree.Member(name: MemberID(name), record: record, version: stat.version)
                }
            }
            var members: [ClusterTree.Member] = []
            for try await member in group { if let member { members.append(member) } }
            return members.sorted { $0.name < $1.name }
        }
    }

    func get(_ path: ZNodePath) async throws -> (data: [UInt8], stat: ZNodeStat)? {
        try await session.get(path, deadline: Self.deadline)
    }

    static func text(_ data: [UInt8]) -> String { String(decoding: data, as: UTF8.self) }
}
