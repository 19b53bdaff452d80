import HACore
import LibPQ
import PostgresControl
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(3)))
struct MeshRewindTests {
    private let hold = "hold_app_a"

    /// `a` subscribes to `b`, as the promoted standby of a server that had confirmed more.
    @Test func aHoldSlotBringsBackWhatAPromotedSubscriberLacks() async throws {
        async let first = MeshNode("a")
        async let second = MeshNode("b")
        let (a, b) = try await (first, second)
        for node in [a, b] { try await node.register() }
        try await a.carryOut(a.subscribe(to: b))
        let subscription = try await a.replicating(b)
        try await b.run("INSERT INTO public.item VALUES (1, 'first')")
        #expect(try await a.items(1) == ["1first"])
        try await b.carryOut(.copySlot(from: subscription.slot, to: hold))
        let fork = try #require(try await a.look().origins[subscription.slot])

        try await b.run("INSERT INTO public.item VALUES (2, 'second')")
        #expect(try await a.items(2) == ["1first", "2second"])
        let confirmed = try #require(try await a.look().origins[subscription.slot])
        try await eventually("the slot moves") {
            try #require(try await b.look().slots[subscription.slot]).confirmed >= confirmed
        }

        let busy = await #expect(throws: PostgresError.self) {
            try await a.carryOut(.setOrigin(subscription.slot, fork))
        }
        #expect(
            busy?.sqlState == "55006" && busy?.message.hasPrefix("could not set origin \(subscription.slot) to") == true
        )
        // The standby never had the second row, nor the progress that came with it.
        try await stopWorker(a)
        try await a.run("DELETE FROM public.item WHERE id = 2")
        #expect(try await a.carryOut(.setOrigin(subscription.slot, fork)))
        #expect(!(try await a.carryOut(.setOrigin(subscription.slot, fork))))
        #expect(try await a.look().origins[subscription.slot] == fork)

        // Without the way back the row is lost, and nothing says so.
        try await a.carryOut(.enable(subscription: subscription.name))
        _ = try await a.replicating(b)
        try await b.run("INSERT INTO public.item VALUES (3, 'third')")
        #expect(try await a.items(2) == ["1first", "3third"])

        try await stopWorker(a)
        try await a.run("DELETE FROM public.item WHERE id = 3")
        try await a.carryOut(.setOrigin(subscription.slot, fork))
        #expect(try await b.carryOut(.dropSlot(subscription.slot)))
        #expect(try await b.carryOut(.copySlot(from: hold, to: subscription.slot)))
        #expect(!(try await b.carryOut(.copySlot(from: hold, to: subscription.slot))))
        try await a.carryOut(.enable(subscription: subscription.name))
        #expect(try await a.items(3) == ["1first", "2second", "3third"])

        try await takeTheSlotFromItsUser(a, b, subscription)
        for node in [a, b] { await node.discard() }
    }

    private func stopWorker(_ node: MeshNode) async throws {
        try await node.run("SELECT spock.sub_disable(sub_name, true) FROM spock.subscription")
        try await eventually("the worker ends") { try await node.look().subscriptions.allSatisfy { !$0.hasWorker } }
    }

    /// The walsender is ended first, and a lost slot makes room for a copy.
    private func takeTheSlotFromItsUser(
        _ a: MeshNode, _ b: MeshNode, _ subscription: MeshDatabase.Subscription
    ) async throws {
        try await eventually("the worker is back") { try await b.look().slots[subscription.slot]?.activePID != nil }
        #expect(try await b.carryOut(.dropSlot(subscription.slot)))
        #expect(try await b.look().slots.keys.sorted() == [hold])
        try await a.carryOut(.dropSubscription(subscription.name))

        try await b.run("SELECT pg_create_logical_replication_slot('source', 'test_decoding')")
        try await b.run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        try await b.run("SELECT pg_reload_conf()")
        let target = LSN(try #require(try await b.look().slots[hold]).restart.rawValue + 48 << 20)
        _ = try await SpockRegistrar.burn(past: target, on: b.connection(), deadline: .seconds(20))
        try await b.run("SELECT pg_drop_replication_slot('source')")
        try await b.run("SELECT pg_create_logical_replication_slot('source', 'test_decoding')")
        try await eventually("the slot is lost") {
            try await b.run("CHECKPOINT")
            return try #require(try await b.look().slots[hold]).isLost
        }
        #expect(try await b.carryOut(.copySlot(from: "source", to: hold)))
        #expect(try await b.look().slots[hold]?.isLost == false)
    }

    @Test func burnsPastAPosition() async throws {
        let server = try await PostgresInstance("burn")
        try await server.start()
        let connection = try await server.connect()
        let before = try await MeshServerStatus.read(connection, deadline: .seconds(5)).position
        let target = LSN(before.rawValue + 40 << 20)
        let reached = try await SpockRegistrar.burn(past: target, on: connection, deadline: .seconds(20))
        #expect(reached > target && reached.bytesAhead(of: target) <= 16 << 20)
        #expect(try await SpockRegistrar.burn(past: target, on: connection, deadline: .seconds(20)) >= reached)
        let far = LSN(reached.rawValue + 1 << 50)
        let error = await #expect(throws: PostgresError.self) {
            try await SpockRegistrar.burn(past: far, on: connection, deadline: .milliseconds(150))
        }
        #expect(error?.code == .timedOut && error?.message.hasPrefix("could not move the WAL past \(far): ") == true)
        await server.discard()
    }
}
