import AdminModel
import HACore
import LibPQ
import LocalConfiguration
import Logging
import Support
import Testing
import ZooKeeper

@testable import Control

/// The clusters of a mesh, read from a real ZooKeeper.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct MeshTreeTests {
    private static func record(_ mesh: String, _ node: String) -> [UInt8] {
        MeshRecord(
            mesh: mesh, node: node, term: Term(5), state: .open,
            systemIdentifier: SystemIdentifier(rawValue: "7710451765082907510"), timeline: Timeline(1),
            address: MeshRecord.Address(host: node, port: 5432), postgresVersion: 150_020
        ).json.znode
    }

    @Test func peersOfTheSameMesh() async throws {
        let server = try await ZooKeeperServer.standalone()
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let session = try await ZooKeeperSession.open(
            ZooKeeperConfiguration(hosts: try ZooKeeperHosts(server.host), timeout: .seconds(4)), logger: logger)
        try await session.connected(deadline: .seconds(10))
        func put(_ path: String, _ data: [UInt8]) async throws {
            let path = try ZNodePath(path)
            if let parent = path.parent { try await session.createParents(parent, deadline: .seconds(5)) }
            try await session.create(path, data, deadline: .seconds(5))
        }
        try await put("/service/gold/spock", Self.record("shop", "n1"))
        try await put("/service/gold/leader", Array("a1".utf8))
        var member = MemberRecord()
        member.connURL = "postgres://127.0.0.1:25430/postgres"
        member.state = .running
        member.role = .primary
        try await put("/service/gold/members/a1", member.json.znode)
        try await put("/service/silver/spock", Self.record("shop", "n3"))
        try await put("/service/bronze/spock", Self.record("shop", "n2"))
        try await put("/service/bronze/leader", Array("gone".utf8))
        try await put("/service/iron/spock", Self.record("other", "n4"))
        try await put("/service/lead/spock", Array("{}".utf8))
        try await put("/service/plain/initialize", [])
        await session.close()

        let config = try ControlConfig.load(
            path: nil, url: "zookeeper://\(server.host)/service", isInsecure: false, environment: [:])
        func mesh(_ scope: String) async throws -> MeshTree {
            try await ClusterStore.with(config, scope: scope, logger: logger) { try await $0.readMesh() }
        }
        let tree = try await mesh("gold")
        #expect(tree.own.node == "n1" && tree.own.leader?.record.connURL == member.connURL)
        #expect(tree.peers.map(\.node) == ["n2", "n3"] && tree.peers.map(\.scope) == ["bronze", "silver"])
        #expect(tree.peers.map { $0.leader?.name } == ["gone", nil])
        let none = await #expect(throws: ControlError.self) { try await mesh("plain") }
        #expect(none?.description.contains("no record of a mesh") == true)
        try await server.stop()
    }
}
