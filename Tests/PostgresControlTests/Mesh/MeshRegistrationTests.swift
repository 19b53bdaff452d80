import HACore
import LibPQ
import PostgresControl
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(3)))
struct MeshRegistrationTests {
    /// Applies each once, then once more, which has to find nothing to do.
    private func carryOut(_ statements: [MeshStatement], at node: MeshNode) async throws {
        for statement in statements {
            let isNew = try await node.carryOut(statement)
            #expect(isNew, "\(statement)")
            let before = try await node.look()
            let again = try await node.carryOut(statement)
            #expect(!again, "\(statement)")
            let after = try await node.look()
            #expect(after.sets == before.sets && after.nodes == before.nodes)
            #expect(after.subscriptions.map(\.name) == before.subscriptions.map(\.name))
        }
    }

    @Test func aMeshFromEmptyAndBack() async throws {
        async let first = MeshNode("a")
        async let second = MeshNode("b")
        let (a, b) = try await (first, second)
        let empty = try await a.look()
        #expect(empty == MeshDatabase(encoding: "UTF8"), "no extension")

        let audit = MeshDatabase.ReplicationSet(update: false, delete: false, truncate: false)
        var flags = audit
        flags.truncate = true
        for node in [a, b] {
            try await node.run("CREATE TABLE public.log (note text)")
            try await carryOut(
                [
                    .createExtension,
                    .createNode(
                        name: node.name, dsn: node.dsn, location: "az 1", country: "XX", info: #"{"tiebreaker": 7}"#),
                    .createSet("audit", audit), .alterSet("audit", flags),
                    .addTable(set: "default", table: .init(schema: "public", name: "item", hasKey: true)),
                    .addTable(set: "audit", table: .init(schema: "public", name: "log", hasKey: false)),
                ], at: node)
        }
        let info = try await a.run("SELECT location, country, info ->> 'tiebreaker' AS t FROM spock.node_info()")
            .first()
        #expect(info.values == ["az 1", "XX", "7"])
        try await carryOut([a.subscribe(to: b)], at: a)
        try await carryOut([b.subscribe(to: a)], at: b)
        let one = try await a.replicating(b)
        let two = try await b.replicating(a)
        #expect(one.name == "sub_a_b" && one.dsn == b.dsn && one.isEnabled && one.hasWorker)
        #expect(one.sets == ["default", "default_insert_only"])
        try await a.run("INSERT INTO public.item VALUES (1, 'a')")
        try await b.run("INSERT INTO public.item VALUES (2, 'b')")
        #expect(try await a.items(2) == ["1a", "2b"])
        #expect(try await b.items(2) == ["1a", "2b"])

        let seen = try await a.look()
        #expect(seen.spockVersion == "5.0.9" && seen.protocols == 3...4 && seen.localNode == "a")
        #expect(seen.nodes == ["a": a.dsn, "b": b.dsn])
        flags.tables = ["public.log"]
        #expect(seen.sets["audit"] == flags)
        #expect(seen.sets["default"] == MeshDatabase.ReplicationSet(tables: ["public.item"]))
        #expect(seen.sets.keys.sorted() == ["audit", "ddl_sql", "default", "default_insert_only"])
        #expect(try #require(seen.origins[one.slot]) > .zero)
        let slot = try #require(seen.slots[two.slot])
        #expect(slot.activePID != nil && slot.confirmed >= slot.restart && slot.restart > .zero && !slot.isLost)

        try await holdSlots(a, two.slot)
        try await kick(a, b, one)
        try await leave(a, b)
    }

    private func holdSlots(_ node: MeshNode, _ slot: String) async throws {
        try await carryOut([.copySlot(from: slot, to: "hold_app_b")], at: node)
        try await node.run("INSERT INTO public.log VALUES ('not replicated to anybody')")
        let hold = try #require(try await node.look().slots["hold_app_b"])
        #expect(hold.activePID == nil)
        let flushed = try await node.run("SELECT pg_current_wal_flush_lsn() AS position").first().text("position")
        let target = try #require(LSN(flushed))
        try await carryOut([.advanceSlot("hold_app_b", target)], at: node)
        let isBack = try await node.carryOut(.advanceSlot("hold_app_b", hold.confirmed))
        #expect(!isBack, "never back")
        #expect(try await node.look().slots["hold_app_b"]?.confirmed == target)
        let error = await #expect(throws: PostgresError.self) { try await node.carryOut(.advanceSlot("gone", target)) }
        #expect(error?.message.hasPrefix("could not advance slot gone to \(target): ") == true)
        #expect(error?.sqlState == "42704" && error?.outcome == .didNotHappen)
    }

    private func kick(_ node: MeshNode, _ peer: MeshNode, _ known: MeshDatabase.Subscription) async throws {
        func worker() async throws -> String? {
            try await node.run("SELECT worker_pid FROM spock.get_apply_worker_status()").rows.first?["worker_pid"]
        }
        let before = try await worker()
        #expect(try await node.carryOut(.kick(subscriptions: [known.name])))
        try await peer.run("INSERT INTO public.item VALUES (3, 'b')")
        #expect(try await node.items(3) == ["1a", "2b", "3b"])
        #expect(try await worker() != before)
        try await node.run("SELECT spock.sub_disable('sub_a_b', true)")
        try await eventually("the worker ends") { try await worker() == nil }
        let isKicked = try await node.carryOut(.kick(subscriptions: [known.name]))
        let seen = try await node.look().subscriptions
        #expect(!isKicked && seen.map(\.isEnabled) == [false] && seen.map(\.status) == ["disabled"], "somebody's will")
        #expect(seen.map(\.hasWorker) == [false])
        try await carryOut([.enable(subscription: known.name)], at: node)
        _ = try await node.replicating(peer)
    }

    /// I15.
    private func leave(_ a: MeshNode, _ b: MeshNode) async throws {
        try await carryOut([.dropSubscription("sub_a_b")], at: a)
        try await carryOut([.dropSubscription("sub_b_a")], at: b)
        // Somebody uses the slot: it is dropped all the same.
        try await carryOut([.dropSlot("hold_app_b")], at: a)
        for (node, other) in [(a, "b"), (b, "a")] {
            #expect(!(try await node.carryOut(.dropNode(other))), "gone with its last subscription")
            try await carryOut([.dropNode(node.name)], at: node)
            let left = try await node.run(
                """
                SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_replication_origin)
                  + (SELECT count(*) FROM spock.subscription) + (SELECT count(*) FROM spock.node_interface)
                  + (SELECT count(*) FROM spock.node) AS n
                """)
            #expect(try left.first().int64("n") == 0)
            let seen = try await node.look()
            #expect(seen.localNode == nil && seen.nodes.isEmpty && seen.sets.isEmpty && seen.spockVersion == "5.0.9")
            await node.discard()
        }
    }
}
