import AdminModel
import Foundation
import Logging
import Support
import ZooKeeper

/// The znodes of one test cluster, through a session of the test's own.
struct ClusterTree {
    private let session: ZooKeeperSession
    private let root: ZNodePath
    private static let deadline = Duration.seconds(5)

    /// Opens a session for the length of `body`.
    static func with<Value>(
        _ cluster: TestCluster, _ body: (ClusterTree) async throws -> Value
    ) async throws -> Value {
        let login = cluster.settings.zooKeeperLogin.map {
            ZooKeeperConfiguration.Authentication(scheme: "digest", credential: Array($0.utf8))
        }
        let configuration = ZooKeeperConfiguration(
            hosts: try ZooKeeperHosts(cluster.zooKeeperHosts), timeout: .seconds(10),
            authentication: login.map { [$0] } ?? [])
        var logger = Logger(label: "test")
        logger.logLevel = .error
        let session = try await ZooKeeperSession.open(configuration, logger: logger)
        do {
            try await session.connected(deadline: deadline)
            let tree = ClusterTree(session: session, root: try ZNodePath("/service/\(cluster.scope)"))
            let value = try await body(tree)
            await session.close()
            return value
        } catch {
            await session.close()
            throw error
        }
    }

    /// - Parameter name: such as `members/member-a`.
    func get(_ name: String) async throws -> (text: String, stat: ZNodeStat)? {
        guard let (data, stat) = try await session.get(try path(name), deadline: Self.deadline) else { return nil }
        return (String(decoding: data, as: UTF8.self), stat)
    }

    func text(_ name: String) async throws -> String? { try await get(name)?.text }

    /// The znode's JSON object.
    func object(_ name: String) async throws -> JSONObject {
        guard let text = try await text(name) else { throw SupportError("no znode \(name)") }
        guard let object = try JSONParser.parse(text).asObject else {
            throw SupportError("\(name) is no object: \(text)")
        }
        return object
    }

    /// The znode's JSON list of lists; empty when there is none.
    func lines(_ name: String) async throws -> [[JSONValue]] {
        guard let text = try await text(name) else { return [] }
        return try JSONParser.parse(text).asArray?.compactMap(\.asArray) ?? []
    }

    /// Writes a znode, new or not.
    func set(_ name: String, _ text: String) async throws {
        let path = try path(name)
        if try await session.exists(path, deadline: Self.deadline) == nil {
            _ = try await session.create(path, Array(text.utf8), deadline: Self.deadline)
        } else {
            _ = try await session.set(path, Array(text.utf8), expecting: .any, deadline: Self.deadline)
        }
    }

    /// Deletes znodes, children before their parents, all at once.
    func delete(_ names: String...) async throws {
        let operations = try names.map { Operation.delete(try path($0), .any) }
        _ = try await session.multi(operations, deadline: Self.deadline)
    }

    /// Every znode of the cluster with its text, for searches.
    func everything() async throws -> [(name: String, text: String)] {
        var found: [(String, String)] = []
        var open = [root]
        while let next = open.popLast() {
            guard let (data, _) = try await session.get(next, deadline: Self.deadline) else { continue }
            found.append((next.description, String(decoding: data, as: UTF8.self)))
            for child in try await session.children(next, deadline: Self.deadline) ?? [] {
                open.append(try next.child(child))
            }
        }
        return found
    }

    private func path(_ name: String) throws -> ZNodePath { try ZNodePath("\(root)/\(name)") }
}

extension TestCluster {
    /// Changes one key of the dynamic configuration, nil removes it, and waits until every member has seen it.
    func configure(_ key: String, _ value: JSONValue?) async throws {
        try await ClusterTree.with(self) { tree in
            var config = try await tree.object("config")
            config[key] = value
            try await tree.set("config", config.text(.compact))
        }
        try await seen("the new \(key)")
    }

    /// Waits until every member has read the znodes after this call.
    func seen(_ words: String) async throws {
        // `dcs_last_seen` counts whole seconds: a greater one than the present second began after now.
        let now = Int64(Date().timeIntervalSince1970)
        for node in nodes {
            try await eventually("\(node.name) sees \(words)", within: AgentCommand.deadline(), pace: .milliseconds(50))
            {
                guard let answer = try? await HTTPProbe.send("GET", "/patroni", port: node.restPort),
                    let seen = try JSONParser.parse(answer.body)["dcs_last_seen"]?.asInt
                else { return false }
                return seen > now
            }
        }
    }
}
