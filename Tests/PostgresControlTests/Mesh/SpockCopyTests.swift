import HACore
import LibPQ
import PostgresControl
import Support
import Testing

/// A peer's rows in the place of ours, with two real workers beside it.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct SpockCopyTests {
    private func copy(_ step: MeshCopy.Step, _ here: MeshNode, from peer: MeshNode, slot: String?) async throws {
        let copy = MeshCopy(
            link: MeshLink("app", peer.name), address: .init(host: "127.0.0.1", port: Int(peer.server.port)),
            fixed: nil,
            sets: ["default", "default_insert_only"], slotOfPeer: slot, step: step)
        let (own, other) = (try await here.connect("app"), try await peer.connect("app"))
        let beside = try await here.connect("app")
        do {
            try await SpockCopy.carryOut(copy, here: own, beside: beside, peer: other, deadline: .seconds(20))
            #expect(await own.isUsable, "its session goes on")
            await own.close()
            await beside.close()
            await other.close()
        } catch {
            await own.close()
            await beside.close()
            await other.close()
            throw error
        }
    }

    /// Rows that no peer is sent.
    private func secretly(_ sql: String, at node: MeshNode) async throws {
        let connection = try await node.connect("app")
        try await connection.simple(
            """
            SELECT pg_replication_origin_create('elsewhere'); SELECT pg_replication_origin_session_setup('elsewhere');
            """, deadline: .seconds(5))
        try await connection.simple("BEGIN READ WRITE; \(sql); COMMIT", deadline: .seconds(5))
        try await connection.simple(
            "SELECT pg_replication_origin_session_reset(); SELECT pg_replication_origin_drop('elsewhere')",
            deadline: .seconds(5))
        await connection.close()
    }

    private func mesh(_ nodes: [MeshNode]) async throws {
        for node in nodes {
            try await node.register()
            // Workers that copy are clients of this server.
            try await node.run("ALTER DATABASE app SET default_transaction_read_only = off")
            try await node.run("CREATE TABLE public.part (id int PRIMARY KEY, item int REFERENCES public.item)")
            try await node.carryOut(
                .addTable(set: "default", table: .init(schema: "public", name: "part", hasKey: true)))
        }
        for node in nodes {
            for peer in nodes where peer.name != node.name { try await node.carryOut(node.subscribe(to: peer)) }
        }
        for node in nodes { for peer in nodes where peer.name != node.name { _ = try await node.replicating(peer) } }
    }

    private func count(_ table: String, at node: MeshNode) async throws -> String? {
        try await node.run("SELECT count(*) FROM public.\(table)").rows.first?.values[0]
    }

    @Test func copiesWithoutEmptyingTheOthers() async throws {
        let nodes = [try await MeshNode("n1"), try await MeshNode("n2"), try await MeshNode("n3")]
        do { try await copies(nodes[0], nodes[1], nodes[2]) } catch {
            for node in nodes {
                print(await node.describe())
                await node.discard()
            }
            throw error
        }
        for node in nodes { await node.discard() }
    }

    private func copies(_ a: MeshNode, _ b: MeshNode, _ c: MeshNode) async throws {
        try await mesh([a, b, c])
        try await b.run("INSERT INTO public.item SELECT g, 'b' FROM generate_series(1, 5) g")
        try await b.run("INSERT INTO public.part VALUES (1, 1)")
        for node in [a, c] { _ = try await node.items(5) }
        let slot = try #require(try await b.look().subscription(to: "n1")?.slot)

        // One table: what refers to nothing may be emptied by itself.
        try await secretly("DELETE FROM public.part; INSERT INTO public.part VALUES (7, 2)", at: a)
        try await copy(.table(subscription: "sub_n1_n2", table: "public.part"), a, from: b, slot: slot)
        try await eventually("the table is copied", within: .seconds(60), pace: .milliseconds(200)) {
            try await copy(.wake, a, from: b, slot: nil)
            let subscription = try await a.look().subscription(to: "n2")
            let count = try await count("part", at: a)
            return subscription?.copying.isEmpty == true && count == "1"
        }
        #expect(try await a.run("SELECT id FROM public.part").rows.map { $0.values[0] } == ["1"])
        for node in [b, c] { #expect(try await count("part", at: node) == "1", "nobody else was emptied") }

        // A peer that lacks what it is asked for, or what is here lacks what it sends.
        let unknown = await #expect(throws: PostgresError.self) {
            try await copy(.table(subscription: "sub_n1_n2", table: "public.nobody"), a, from: b, slot: nil)
        }
        #expect(unknown?.message.contains("the peer does not send public.nobody") == true)
        try await a.run("ALTER TABLE public.part RENAME item TO article")
        let misfit = await #expect(throws: PostgresError.self) {
            try await copy(.leave(subscription: "sub_n1_n2", slot: "x"), a, from: b, slot: nil)
        }
        #expect(misfit?.message.contains("not here: public.part") == true)
        try await a.run("ALTER TABLE public.part RENAME article TO item")
        #expect(try await a.look().subscription(to: "n2") != nil, "nothing was changed")

        // Everything, with a slot on the peer that nobody could drop.
        try await secretly("DELETE FROM public.part; DELETE FROM public.item WHERE id > 2", at: a)
        let known = try #require(try await a.look().subscription(to: "n2"))
        try await copy(.leave(subscription: known.name, slot: known.slot), a, from: b, slot: slot)
        #expect(try await a.look().subscription(to: "n2") == nil)
        #expect(try await b.look().slots[known.slot] == nil)
        try await b.run("SELECT pg_create_logical_replication_slot($1, 'test_decoding')", [known.slot])
        try await b.run("INSERT INTO public.item VALUES (6, 'meanwhile')")
        try await copy(.begin(subscription: known.name, dsn: b.dsn, forwardOrigins: []), a, from: b, slot: slot)
        _ = try await a.replicating(b)
        for node in [a, b, c] {
            #expect(try await node.items(6).last == "6meanwhile")
            #expect(try await count("part", at: node) == "1")
        }
        // It goes on in both directions, and nothing of the copy's own stays.
        try await a.run("INSERT INTO public.item VALUES (7, 'a')")
        try await b.run("INSERT INTO public.item VALUES (8, 'b')")
        for node in [a, b, c] { _ = try await node.items(8) }
        #expect(try await a.run("SELECT FROM pg_replication_origin WHERE roname = 'matriarch_copy'").rows.isEmpty)
    }

    @Test func aPeerThatIsBehindIsNotCopiedFrom() async throws {
        let (a, b) = (try await MeshNode("n1"), try await MeshNode("n2"))
        do { try await waits(a, b) } catch {
            await a.discard()
            await b.discard()
            throw error
        }
        await a.discard()
        await b.discard()
    }

    private func waits(_ a: MeshNode, _ b: MeshNode) async throws {
        try await mesh([a, b])
        let word = try #require(try await b.look().subscription(to: "n1"))
        try await b.run("SELECT spock.sub_disable($1, true)", [word.name])
        try await a.run("INSERT INTO public.item VALUES (1, 'unsent')")
        let refused = await #expect(throws: PostgresError.self) {
            try await copy(
                .table(subscription: "sub_n1_n2", table: "public.part"), a, from: b, slot: word.slot)
        }
        #expect(refused?.message.contains("has not applied by slot \(word.slot)") == true)
        #expect(try await a.items(1) == ["1unsent"])
    }
}
