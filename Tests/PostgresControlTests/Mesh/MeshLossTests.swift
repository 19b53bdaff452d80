import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage
import Testing

/// What a failover loses when nothing guards it (contract/spock.md 3.4): the three losses, while the status says that all is
/// well. What prevents and reports them is tested with whole agents.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct MeshLossTests {
    /// Zone A, a primary and a standby that lags, and its peer P. A is promoted by hand, as by any other tool.
    private struct Zones {
        let primary: MeshNode
        let standby: PostgresInstance
        let peer: MeshNode
        let toPeer: MeshDatabase.Subscription
        let toZone: MeshDatabase.Subscription

        init() async throws {
            async let first = MeshNode("a")
            async let second = MeshNode("p")
            (primary, peer) = try await (first, second)
            standby = try await PostgresInstance(
                "mesh-standby", binaries: SpockInstallation.binaries(), empty: true)
            for node in [primary, peer] { try await node.register() }
            try await primary.carryOut(primary.subscribe(to: peer))
            // Whoever is the primary of the zone.
            let dsn =
                "host=127.0.0.1,127.0.0.1 port=\(primary.server.port),\(standby.port) target_session_attrs=primary "
                + "user=postgres dbname=app password='\(PostgresInstance.password)'"
            try await peer.carryOut(
                .subscribe(
                    name: "sub_p_a", dsn: dsn, sets: ["default"], structure: false, data: false, forwardOrigins: []))
            toPeer = try await primary.replicating(peer)
            toZone = try await peer.replicating(primary)
            let cloner = Cloner(
                installation: standby.installation, dataDirectory: standby.directory, runner: UnprivilegedRunner(),
                output: standby.path("basebackup.log"))
            _ = try await cloner.clone(from: primary.server.upstream(), options: [], deadline: .seconds(60))
            try await StandbySignal.write(in: standby.directory)
            try await standby.start(SpockInstallation.settings())
            let conninfo = try await primary.server.upstream().primaryConninfo(applicationName: "b")
            try await standby.query("ALTER SYSTEM SET primary_conninfo = \(SQLText.literal(conninfo))")
            try await standby.query("SELECT pg_reload_conf()")
        }

        /// From here on the standby gets nothing any more.
        func lag() async throws {
            try await standby.query("ALTER SYSTEM RESET primary_conninfo")
            try await standby.query("SELECT pg_reload_conf()")
            try await eventually("the standby is left alone", within: .seconds(20)) {
                try await standby.query("SELECT 1 FROM pg_stat_wal_receiver").rows.isEmpty
            }
        }

        func failOver() async throws {
            try await primary.server.kill()
            try await standby.query("SELECT pg_promote()")
            // As quick as can be: nothing was written before the slot was there.
            try await app("SELECT pg_create_logical_replication_slot($1, 'pglogical_output')", [toZone.slot])
        }

        @discardableResult
        func app(_ sql: String, _ parameters: [String?] = []) async throws -> QueryResult {
            let connection = try await PostgresConnection.connect(
                standby.conninfo.forMeshWork(in: "app"), deadline: .seconds(5))
            let result = try await connection.query(sql, parameters, deadline: .seconds(20))
            await connection.close()
            return result
        }

        func notes(_ result: QueryResult) -> [String] { result.rows.compactMap { $0.values[0] } }

        func discard() async {
            await standby.discard()
            await primary.discard()
            await peer.discard()
        }
    }

    @Test func whatNobodyGuardsIsLostInSilence() async throws {
        let zones = try await Zones()
        do { try await loseRows(zones) } catch {
            throw SupportError("\(error)\nstandby: \(zones.standby.logTail)\npeer: \(zones.peer.server.logTail)")
        }
        await zones.discard()
    }

    private func loseRows(_ zones: Zones) async throws {
        try await zones.primary.run("INSERT INTO public.item VALUES (1, 'both')")
        _ = try await zones.peer.items(1)
        try await eventually("the standby has the row", within: .seconds(20)) {
            try await zones.app("SELECT id FROM public.item").rows.count == 1
        }
        try await zones.lag()
        try await zones.primary.run("INSERT INTO public.item SELECT 10 + n, 'lost here' FROM generate_series(1, 500) n")
        _ = try await zones.peer.items(501)
        try await zones.peer.run("INSERT INTO public.item VALUES (2, 'confirmed')")
        _ = try await zones.primary.items(502)
        try await eventually("it is confirmed", within: .seconds(20)) {
            let origin = try #require(try await zones.primary.look().origins[zones.toPeer.slot])
            return try #require(try await zones.peer.look().slots[zones.toPeer.slot]).confirmed >= origin
        }
        try await zones.failOver()
        try await zones.app("INSERT INTO public.item VALUES (3, 'after')")

        // What is written once everything is past the old positions arrives: all seems well.
        try await zones.app("SELECT pg_switch_wal()")
        try await zones.app("INSERT INTO public.item VALUES (4, 'later')")
        let arrived = "SELECT id::text FROM public.item WHERE id IN (3, 4)"
        try await eventually("the later row is at the peer", within: .seconds(60), pace: .seconds(2)) {
            _ = try? await zones.peer.carryOut(.kick(subscriptions: [zones.toZone.name]))
            return zones.notes(try await zones.peer.run(arrived)).contains("4")
        }
        try await zones.peer.run("INSERT INTO public.item VALUES (5, 'to the zone')")
        try await eventually("the peer's row is in the zone", within: .seconds(60), pace: .milliseconds(100)) {
            try await zones.app("SELECT id FROM public.item WHERE id = 5").rows.count == 1
        }
        let here = Set(zones.notes(try await zones.app("SELECT note FROM public.item")))
        let there = Set(zones.notes(try await zones.peer.run("SELECT note FROM public.item")))
        // Loss 1: the peer has what the zone has lost. Loss 2: the first row after the promotion. Loss 3: the peer's own.
        #expect(there.subtracting(here) == ["lost here", "confirmed"])
        #expect(here.subtracting(there) == ["after"])
    }
}
