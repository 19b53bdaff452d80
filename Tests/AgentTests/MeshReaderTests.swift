import AdminModel
import HACore
import LocalConfiguration
import Support
import Testing
import ZooKeeper

@testable import Agent

/// What the reader of a mesh makes of a tree with other clusters beside its own.
@Suite("Reading a mesh", .serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct MeshReaderTests {
    private struct Scene {
        let own: ZNodeLayout
        let peer: ZNodeLayout
        let writer: ZooKeeperSession
        let session: ZooKeeperSession
        let reader: MeshReader
        let log: LogCollector
        let mesh: String

        func read(_ change: (inout MeshSettings) -> Void = { _ in }) async throws -> MeshReader.Tree {
            var settings = MeshSettings(mesh: mesh, node: "n1", databases: ["app"])
            change(&settings)
            return try await reader.read(settings, session, deadline: patience)
        }

        func record(_ node: String, of mesh: String? = nil, term: Int64 = 7) -> MeshRecord {
            MeshRecord(
                mesh: mesh ?? self.mesh, node: node, term: Term(term), state: .open,
                systemIdentifier: SystemIdentifier(rawValue: "7000000000000000001"), timeline: Timeline(1),
                address: .init(host: "127.0.0.1", port: 5432), postgresVersion: 150_018)
        }

        func put(_ record: MeshRecord, at layout: ZNodeLayout) async throws {
            try await writer.put(layout.mesh, record.json.znode)
        }
    }

    /// A reader whose session's events reach it, as the agent's do.
    private func withScene(_ body: (Scene) async throws -> Void) async throws {
        let host = try await SharedZooKeeper.host()
        let (own, peer) = (try SharedZooKeeper.layout(), try SharedZooKeeper.layout())
        try await withSession(host) { writer in
            try await withSession(host) { session in
                let log = LogCollector()
                let watches = MeshWatches(wakeup: Wakeup())
                let listener = Task {
                    for await event in session.events { if case .node(_, let path) = event { _ = watches.take(path) } }
                }
                defer { listener.cancel() }
                let reader = MeshReader(
                    layout: own, scope: own.base.name ?? "", watches: watches, logger: log.logger)
                try await body(
                    Scene(
                        own: own, peer: peer, writer: writer, session: session, reader: reader, log: log,
                        mesh: "mesh-\(own.base.name ?? "")"))
            }
        }
    }

    @Test("a peer comes, changes hands and goes; what does not change is not read again")
    func follows() async throws {
        try await withScene { scene in
            #expect(try await scene.read().peers.isEmpty)
            try await scene.put(scene.record("n2"), at: scene.peer)
            let first = try await eventually("the peer is seen") { try await scene.read().peers.first }
            #expect(first.record == scene.record("n2") && first.leaderTerm == nil)
            try await scene.writer.put(scene.peer.leader, "node-0", .ephemeral)
            let led = try await eventually("its leader is seen") {
                try await scene.read().peers.first.flatMap { $0.leaderTerm == nil ? nil : $0 }
            }
            #expect(led.writtenAt == first.writtenAt, "the record is as it was")
            try await scene.put(scene.record("n2", term: 8), at: scene.peer)
            let changed = try await eventually("the change is seen") {
                try await scene.read().peers.first.flatMap { $0.record.term == Term(8) ? $0 : nil }
            }
            #expect(changed.writtenAt > first.writtenAt)
            try await scene.writer.remove(scene.peer.leader)
            try await eventually("it has no leader") { try await scene.read().peers.first?.leaderTerm == nil }
            try await scene.writer.remove(scene.peer.mesh)
            try await eventually("it is gone") { try await scene.read().peers.isEmpty }
        }
    }

    /// I19.
    @Test("two meshes in one namespace never meet, and a list of peers keeps others out")
    func apart() async throws {
        try await withScene { scene in
            let third = try SharedZooKeeper.layout()
            try await scene.put(scene.record("n2"), at: scene.peer)
            try await scene.put(scene.record("n3", of: "another"), at: third)
            #expect(try await scene.read().peers.map(\.record.node) == ["n2"])
            #expect(try await scene.read { $0.mesh = "another" }.peers.map(\.record.node) == ["n3"])
            let listed = try await scene.read { $0.peers = .listed([third.base.name ?? ""]) }
            #expect(listed.peers.isEmpty)
        }
    }

    @Test("the own record is known with its version, and read anew when it is said to be old")
    func own() async throws {
        try await withScene { scene in
            #expect(try await scene.read().ownVersion == nil)
            try await scene.put(scene.record("n1"), at: scene.own)
            let tree = try await eventually("it is seen") {
                let tree = try await scene.read()
                return tree.own == nil ? nil : tree
            }
            #expect(tree.own == scene.record("n1") && tree.ownVersion == Version(rawValue: 0) && tree.peers.isEmpty)
            try await scene.put(scene.record("n1", term: 9), at: scene.own)
            await scene.reader.forgetOwn()
            let after = try await scene.read()
            #expect(after.own?.term == Term(9) && after.ownVersion == Version(rawValue: 1))
        }
    }

    @Test("a record that cannot be read keeps the one before and is told of once")
    func broken() async throws {
        try await withScene { scene in
            try await scene.put(scene.record("n2"), at: scene.peer)
            #expect(try await scene.read().peers.count == 1)
            for text in ["{", #"{"mesh": 1}"#, "[]", "\u{0}"] {
                try await scene.writer.put(scene.peer.mesh, text)
                try await eventually("\(text) is told of") {
                    _ = try await scene.read()
                    return scene.log.count("\(scene.peer.mesh)") > 0
                }
                #expect(try await scene.read().peers.map(\.record) == [scene.record("n2")])
            }
            try await scene.put(scene.record("n2", term: 8), at: scene.peer)
            try await eventually("it is good again") {
                try await scene.read().peers.first?.record.term == Term(8)
            }
        }
    }
}
