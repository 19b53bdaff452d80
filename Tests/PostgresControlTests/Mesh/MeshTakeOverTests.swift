import HACore
import LibPQ
import PostgresControl
import Support
import Testing

/// A mesh that somebody else has made is taken over as it is (design/zones.md 7, I20).
@Suite(.serialized, .timeLimit(.minutes(3)))
struct MeshTakeOverTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)

    /// What the clusters say of themselves once their first leader has looked.
    private static func record(_ node: MeshNode) -> MeshRecord {
        var record = MeshRecord(
            mesh: "shop", node: node.name, term: Term(7), state: .open,
            systemIdentifier: SystemIdentifier(rawValue: "700000000000000000\(node.name.suffix(1))"),
            timeline: Timeline(1), address: .init(host: "127.0.0.1", port: Int(node.server.port)),
            postgresVersion: 150_018)
        record.databases = [MeshNode.database: "UTF8"]
        return record
    }

    private static func view(_ here: MeshNode, _ peer: MeshNode, _ mode: MeshSettings.ConnectionMode) -> MeshView {
        var settings = MeshSettings(mesh: "shop", node: here.name, databases: [MeshNode.database])
        settings.connection.mode = mode
        settings.connection.fixed = mode == .fixed ? "host=127.0.0.1 port=\(here.server.port)" : nil
        var set = MeshNode.set
        set.schemas = ["public"]
        settings.replicationSets = [set]
        let own = record(here)
        return MeshView(
            now: start, scope: here.name, settings: settings, term: Term(7), own: own,
            peers: [
                MeshView.Peer(scope: peer.name, record: record(peer), leaderTerm: Term(7), writtenAt: start)
            ],
            server: .init(
                systemIdentifier: own.systemIdentifier, timeline: Timeline(1), forkedAt: nil, position: LSN(1 << 40),
                version: 150_018, clientsAreShut: false, readsServices: true),
            addresses: [own.address], otherMembers: 0,
            routes: [peer.name: .open(.init(host: "127.0.0.1", port: Int(peer.server.port)))])
    }

    /// Looks and acts as a leader does until nothing is left.
    /// - Returns: what was done to the database.
    private func reconcile(_ here: MeshNode, _ peer: MeshNode, _ mode: MeshSettings.ConnectionMode) async throws
        -> [MeshStatement]
    {
        var (view, memory) = (Self.view(here, peer, mode), MeshMemory())
        var done: [MeshStatement] = []
        for _ in 0..<10 {
            view.databases = [MeshNode.database: try await here.look(view.settings.replicationSets)]
            view.now = view.now + .milliseconds(100)
            let decision = decideMesh(view, memory)
            memory = decision.memory
            var isQuiet = true
            for action in decision.actions {
                switch action {
                case .publish(let record): view.own = record
                case .run(_, let statement):
                    isQuiet = false
                    done.append(statement)
                    try await here.carryOut(statement)
                default: break
                }
            }
            if isQuiet { return done }
        }
        throw SupportError("it comes to no end: \(done)")
    }

    /// The names of pgEdge's two tools for a mesh.
    @Test(arguments: ["sub_n1n2", "sub_n1_n2"], MeshSettings.ConnectionMode.allCases)
    func nothingIsMadeAnew(subscription: String, mode: MeshSettings.ConnectionMode) async throws {
        let nodes = [try await MeshNode("n1"), try await MeshNode("n2")]
        do {
            for node in nodes { try await node.register() }
            let names = [subscription, subscription == "sub_n1n2" ? "sub_n2n1" : "sub_n2_n1"]
            for (index, node) in nodes.enumerated() {
                let peer = nodes[1 - index]
                try await node.run(
                    "SELECT spock.sub_create($1::name, $2, ARRAY['default'], false, false, '{}')",
                    [names[index], peer.dsn])
                _ = try await node.replicating(peer)
            }
            let before = try await nodes[0].look()
            let done = try await reconcile(nodes[0], nodes[1], mode)
            #expect(done == [], "whatever is there suffices")
            let after = try await nodes[0].look()
            #expect(after.subscriptions.map(\.name) == [subscription])
            #expect(after.subscriptions.first?.slot == before.subscriptions.first?.slot)
            #expect(after.slots.keys == before.slots.keys)
            try await nodes[1].run("INSERT INTO public.item VALUES (1, 'b')")
            #expect(try await nodes[0].items(1) == ["1b"])
        } catch {
            for node in nodes { await node.discard() }
            throw error
        }
        for node in nodes { await node.discard() }
    }
}
