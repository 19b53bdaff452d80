import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage
import Testing

/// pg_rewind, killed at any moment, is taken up again: the result is a copy of the source, not something like it.
@Suite(.serialized, .timeLimit(.minutes(8)))
struct RewindAgainTests {
    /// Milliseconds after pg_rewind's start: it takes about 300 ms here.
    private static let delays = [1, 30, 60, 90, 120, 150, 180, 210, 250, 300]

    /// `old` crashed with rows of its own; `first` was promoted; `second` was promoted beside it, without `first`'s latest.
    private struct Three {
        let old: PostgresInstance
        let first: PostgresInstance
        let second: PostgresInstance
        let template: String
    }

    private func three() async throws -> Three {
        let old = try await PostgresInstance("again-old")
        try await old.start()
        try await old.query("CREATE EXTENSION amcheck")
        try await old.query(
            "CREATE TABLE public.shared AS SELECT a, repeat('x', 100) AS t FROM generate_series(1, 40000) a")
        try await old.query("CREATE INDEX ON public.shared (a)")
        try await old.query("CREATE TABLE public.removed AS SELECT generate_series(1, 20000) AS a")
        try await old.query("CHECKPOINT")
        let first = try await old.makeStandby("again-first")
        try await streams(first)
        // It has the WAL of the common history from here on, too.
        let second = try await old.makeStandby("again-second")
        try await streams(second)
        // Or it would have rows of the old one that the first does not have.
        try await second.stop()
        try await first.query("SELECT pg_promote()")
        try await old.query("UPDATE public.shared SET t = 'old' WHERE a % 50 = 0")
        try await old.query("CREATE TABLE public.own AS SELECT generate_series(1, 50000) AS a")
        try await old.query("SELECT pg_switch_wal()")
        try await old.query("INSERT INTO public.own VALUES (3)")
        try await first.query(
            "CREATE TABLE public.made AS SELECT a, repeat('y', 200) AS t FROM generate_series(1, 40000) a")
        try await first.query("CHECKPOINT")
        try await second.startFollowing(first, "again-second")
        try await eventually("the second follows the first") {
            let timeline = try await StatusProbe.read(second.connect(), deadline: .seconds(5)).sql.timeline
            let made = try await second.query("SELECT to_regclass('public.made') IS NOT NULL AS there").first()
            return try timeline == Timeline(2) && made.bool("there") == true
        }
        try await second.query("SELECT pg_promote()")
        // What only the first has, in pages that the second does not touch any more.
        try await first.query("UPDATE public.made SET t = 'first' WHERE a % 7 = 0")
        try await first.query("UPDATE public.shared SET t = 'first' WHERE a % 11 = 0")
        try await first.query("TRUNCATE public.removed")
        try await first.query("CREATE TABLE public.alone AS SELECT generate_series(1, 30000) AS a")
        try await first.query("CHECKPOINT")
        try await second.query("INSERT INTO public.made SELECT a, 'second' FROM generate_series(1, 100) a")
        try await second.query("CHECKPOINT")
        try await old.kill()
        let layers = ParameterLayers(
            dynamic: ["fsync": "off"], listenAddresses: "127.0.0.1", port: Int(old.port), clusterName: "test",
            majorVersion: 15)
        _ = try await old.config.write(layers.resolve(), recovery: nil)
        let template = old.folder.path("template")
        try await copy(old.dataDirectory, template, old)
        return Three(old: old, first: first, second: second, template: template)
    }

    private func streams(_ server: PostgresInstance) async throws {
        try await eventually("the standby streams") {
            try await StatusProbe.read(server.connect(), deadline: .seconds(5)).sql.streaming
        }
    }

    private func copy(_ from: String, _ to: String, _ server: PostgresInstance) async throws {
        try await PostgresInstance.run("/usr/bin/cp", ["-a", from, to], log: server.folder.path("cp.log"))
    }

    @Test(arguments: [true, false])
    func takesUpWhatWasKilled(fromAnother: Bool) async throws {
        let servers = try await three()
        let (old, next) = (servers.old, fromAnother ? servers.second : servers.first)
        let expected = try await contents(next)
        var unfinished = 0
        for delay in Self.delays {
            for name in try FileManager.default.contentsOfDirectory(atPath: old.folder.path)
            where name.hasPrefix("data") {
                try FileManager.default.removeItem(atPath: old.folder.path(name))
            }
            try await copy(servers.template, old.dataDirectory, old)
            // Twice: what was taken up can be cut off as well.
            for millisecond in [delay, delay / 2 + 1] {
                let runner = UnprivilegedRunner(killAfter: ("pg_rewind", .milliseconds(millisecond)))
                guard case .unfinished = try await rewind(old, to: servers.first, runner) else { break }
                unfinished += 1
            }
            switch await old.inspector.inspect(old.directory) {
            case .unfinished(_, let left):
                #expect(left == .rewind)
                #expect(try await rewind(old, to: next, .init()) == .rewound, "killed after \(delay) ms")
            case .ready where fromAnother: continue  // it came to its end before the kill
            default: break
            }
            try await old.startFollowing(next, "old")
            try await streams(old)
            #expect(try await contents(old) == expected, "killed after \(delay) ms")
            let checked = try await old.query(
                "SELECT count(*) AS bad FROM pg_class c, verify_heapam(c.oid) WHERE c.relkind = 'r'")
            #expect(try checked.first().int64("bad") == 0, "killed after \(delay) ms")
            try await old.stop()
        }
        #expect(unfinished >= 5, "too few of the kills came in time: \(unfinished)")
        for server in [old, servers.first, servers.second] { await server.discard() }
    }

    private func rewind(
        _ old: PostgresInstance, to source: PostgresInstance, _ runner: UnprivilegedRunner
    ) async throws -> Rewinder.Outcome {
        let control = try await old.inspector.controlData(old.directory).control
        return try await Rewinder(
            installation: old.installation, config: old.config, runner: runner, output: old.path("rewind.log")
        ).rewind(to: source.upstream(), control: control, deadline: .seconds(60)).outcome
    }

    /// Every table of `public` with a digest of its rows, read by sequential scans.
    private func contents(_ server: PostgresInstance) async throws -> [String: String] {
        var found: [String: String] = [:]
        let tables = try await server.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for row in tables.rows {
            let name = try row.text("tablename")
            let digest = try await server.query(
                "SELECT md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) AS digest FROM public.\(name) t")
            found[name] = try digest.first().text("digest")
        }
        return found
    }

    @Test func aServerThatMayBeBehindIsNoSource() async throws {
        let primary = try await PostgresInstance("behind-primary")
        try await primary.start()
        let standby = try await primary.makeStandby("behind-standby")
        try await streams(standby)
        try await primary.query("SELECT pg_switch_wal()")
        try await primary.stop()
        let control = try await primary.inspector.controlData(primary.directory).control
        let inRecovery = await #expect(throws: PostgresControlError.self) {
            try await rewind(primary, to: standby, .init())
        }
        #expect(inRecovery?.message.contains("in recovery") == true)
        #expect(await primary.inspector.inspect(primary.directory) == .ready(control))
        try await standby.query("SELECT pg_promote()")
        try await standby.query("CHECKPOINT")
        try await standby.stop()
        try await primary.start()
        let older = await #expect(throws: PostgresControlError.self) {
            try await rewind(standby, to: primary, .init())
        }
        #expect(older?.message.contains("is older than the own one") == true)
        await standby.discard()
        await primary.discard()
    }

    @Test func archivesWhatOnlyThisServerHas() async throws {
        let server = try await PostgresInstance("archive")
        try await server.start(["archive_mode": "on", "archive_command": "false"])
        try await server.query("CREATE TABLE t AS SELECT 1 AS a")
        try await server.query("SELECT pg_switch_wal()")
        let archive = try server.folder.makeFolder("archive")
        try await server.stop()
        let status = server.folder.path("data/pg_wal/archive_status")
        let ready = try FileManager.default.contentsOfDirectory(atPath: status).filter { $0.hasSuffix(".ready") }
        #expect(!ready.isEmpty)
        let pending = PendingArchive(
            dataDirectory: server.directory, runner: UnprivilegedRunner(), output: server.path("archive.log"))
        let failed = try await pending.archive(with: "test %f = 100%% && exit 3", deadline: .seconds(20))
        #expect(failed.archived.isEmpty && failed.failure?.contains("exit code 1") == true, "\(failed)")
        let report = try await pending.archive(with: "cp %p '\(archive)/%f'", deadline: .seconds(20))
        #expect(report.archived.map { "\($0).ready" } == ready.sorted() && report.failure == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: archive).sorted() == report.archived)
        let left = try FileManager.default.contentsOfDirectory(atPath: status)
        #expect(!left.contains { $0.hasSuffix(".ready") } && left.contains("\(report.archived[0]).done"))
        await server.discard()
    }
}
