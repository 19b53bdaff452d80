import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage
import Testing

@Suite(.serialized, .timeLimit(.minutes(4)))
struct RewindTests {
    private func rewinder(_ server: PostgresInstance, _ runner: UnprivilegedRunner = .init()) -> Rewinder {
        Rewinder(
            installation: server.installation, config: server.config, runner: runner,
            output: server.path("rewind.log"))
    }

    private func control(_ server: PostgresInstance) async throws -> ControlFile {
        try await server.inspector.controlData(server.directory).control
    }

    /// A primary that crashed with rows of its own, and the standby that was promoted meanwhile and checkpointed.
    private func diverged(_ name: String) async throws -> (old: PostgresInstance, new: PostgresInstance) {
        let old = try await PostgresInstance("\(name)-old")
        try await old.start()
        try await old.query("CREATE TABLE t AS SELECT 1 AS a")
        let new = try await old.makeStandby("\(name)-new")
        try await eventually("the standby streams") {
            try await StatusProbe.read(new.connect(), deadline: .seconds(5)).sql.streaming
        }
        try await new.query("SELECT pg_promote()")
        try await old.query("INSERT INTO t SELECT generate_series(100, 2000)")
        try await old.query("SELECT pg_switch_wal()")
        try await old.query("INSERT INTO t VALUES (3)")
        try await new.query("INSERT INTO t VALUES (2)")
        try await new.query("CHECKPOINT")
        try await old.kill()
        // Single-user recovery takes wal_log_hints, which pg_rewind asks for afterwards, from the file.
        let layers = ParameterLayers(
            dynamic: ["fsync": "off"], listenAddresses: "127.0.0.1", port: Int(old.port), clusterName: "test",
            majorVersion: 15)
        _ = try await old.config.write(layers.resolve(), recovery: nil)
        return (old, new)
    }

    @Test func aCrashedPrimaryComesBackAsAStandby() async throws {
        let (old, new) = try await diverged("rewind")
        // Even with the signal in place, which single-user recovery refuses.
        try await StandbySignal.write(in: old.directory)
        let before = try await control(old)
        #expect(before.state == .inProduction)
        #expect(rewinder(old).isPossible(before))
        let report = try await rewinder(old).rewind(to: new.upstream(), control: before, deadline: .seconds(60))
        #expect(report.outcome == .rewound)
        #expect(report.timeline == Timeline(1))
        let lost = try #require(report.lostBytes)
        #expect(lost > 16_000_000 && lost < 40_000_000, "a switched segment and a little, \(lost)")
        let kept = try #require(report.kept)
        let files = try FileManager.default.contentsOfDirectory(atPath: kept.appending("pg_wal").string)
        #expect(files.count { $0.hasPrefix("00000001") } == 2, "\(files)")
        #expect(!FileManager.default.fileExists(atPath: old.folder.path("data.rewind")))
        #expect(await DataDirectoryInspector.isStandbySignalled(old.directory))
        #expect(old.folder.read("data.matriarch") == nil)
        try await old.startFollowing(new, "old")
        try await eventually("the old primary follows the new one") {
            try await old.query("SELECT FROM t WHERE a = 2").rows.count == 1
        }
        #expect(try await old.query("SELECT FROM t WHERE a <> 1 AND a <> 2").rows.isEmpty)
        let status = try await StatusProbe.read(old.connect(), deadline: .seconds(5))
        #expect(status.sql.inRecovery && status.sql.timeline == Timeline(2))
        await old.discard()
        await new.discard()
    }

    @Test func aRewindThatIsCutOffLeavesItsMarker() async throws {
        let (old, new) = try await diverged("cut")
        // Before pg_rewind has run the directory is what it was.
        let killed = await #expect(throws: PostgresControlError.self) {
            try await rewinder(old, UnprivilegedRunner(killAfter: ("postgres", .zero))).rewind(
                to: new.upstream(), control: control(old), deadline: .seconds(60))
        }
        #expect(killed?.message.contains("signal 9") == true)
        #expect(try await old.inspector.inspect(old.directory) == .ready(control(old)))
        // Able to look, not to copy: this fails in the middle, each time, and does not take the older marker away.
        let source = try await source(new, revoking: "pg_read_binary_file(text, bigint, bigint, boolean)")
        let failed = try await rewinder(old).rewind(to: source, control: control(old), deadline: .seconds(60))
        expectUnfinished(failed, "permission denied")
        #expect(failed.divergedAt != nil && failed.timeline == Timeline(1))
        let found = await old.inspector.inspect(old.directory)
        #expect(
            found
                == .unfinished(
                    "{\"version\":2,\"operation\":\"rewind\",\"source\":\"127.0.0.1:\(new.port)\"}", .rewind))
        #expect(await !DataDirectoryInspector.isStandbySignalled(old.directory))
        // A clone is the way out, and takes the marker away.
        let cloner = Cloner(
            installation: old.installation, dataDirectory: old.directory, runner: UnprivilegedRunner(),
            output: old.path("basebackup.log"))
        _ = try await cloner.clone(from: new.upstream(), options: [], deadline: .seconds(60))
        guard case .ready = await old.inspector.inspect(old.directory) else {
            Issue.record("the clone is not ready")
            return
        }
        await old.discard()
        await new.discard()
    }

    private func expectUnfinished(_ report: Rewinder.Report, _ words: String) {
        guard case .unfinished(let reason) = report.outcome else {
            Issue.record("\(report.outcome)")
            return
        }
        #expect(reason.contains(words), "\(reason)")
    }

    /// The server as a rewind source for a role of its own that lacks the right to call one function.
    private func source(_ server: PostgresInstance, revoking function: String) async throws -> Upstream {
        let users = DatabaseUsers(
            superuser: nil, replication: nil, rewind: .init(name: "rewinder", password: Secret("rewind")))
        let connection = try await server.connect()
        try await users.create(on: connection, deadline: .seconds(5))
        try await connection.query("REVOKE EXECUTE ON FUNCTION \(function) FROM rewinder", deadline: .seconds(5))
        let entry = Passfile.Entry(
            host: "127.0.0.1", port: Int(server.port), user: "rewinder", password: Secret("rewind"))
        let passfile = Passfile(path: server.path("rewinder.pgpass"), entries: [entry])
        try await passfile.write()
        return Upstream(host: "127.0.0.1", port: Int(server.port), user: "rewinder", passfile: passfile.path)
    }

    @Test func aRefusedRewindChangesNothing() async throws {
        let server = try await PostgresInstance("refused")
        try await server.start()
        try await server.stop()
        try await StandbySignal.write(in: server.directory)
        let source = Upstream(host: "127.0.0.1", port: Int(try FreePort.next()), user: "postgres")
        let before = try await control(server)
        let refused = await #expect(throws: PostgresControlError.self) {
            try await rewinder(server).rewind(to: source, control: before, deadline: .seconds(60))
        }
        #expect(refused?.outcome == .didNotHappen)
        #expect(await server.inspector.inspect(server.directory) == .ready(before))
        #expect(await DataDirectoryInspector.isStandbySignalled(server.directory))
        server.folder.remove()
    }

    @Test func aHistoryThatDidNotPartNeedsNoRewind() async throws {
        let primary = try await PostgresInstance("unparted")
        try await primary.start()
        let standby = try await primary.makeStandby("unparted-standby")
        try await eventually("the standby streams") {
            try await StatusProbe.read(standby.connect(), deadline: .seconds(5)).sql.streaming
        }
        try await standby.stop()
        let report = try await rewinder(standby).rewind(
            to: primary.upstream(), control: control(standby), deadline: .seconds(60))
        #expect(report.outcome == .notNeeded)
        #expect(standby.folder.read("data.matriarch") == nil)
        await standby.discard()
        await primary.discard()
    }
}
