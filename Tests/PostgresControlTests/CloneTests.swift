import Foundation
import HACore
import LibPQ
import Support
import SystemPackage
import Testing

@testable import PostgresControl

@Suite(.serialized, .timeLimit(.minutes(3)))
struct CloneTests {
    private func cloner(_ server: PostgresInstance, _ runner: UnprivilegedRunner = .init()) -> Cloner {
        Cloner(
            installation: server.installation, dataDirectory: server.directory, runner: runner,
            output: server.path("basebackup.log"))
    }

    @Test func swapsACloneInAndKeepsTheOldDirectory() async throws {
        let primary = try await PostgresInstance("source")
        try await primary.start()
        try await primary.query("CREATE TABLE t AS SELECT 42 AS a")
        let standby = try await PostgresInstance("target")
        try standby.folder.write("data/mine", "old")
        let start = ContinuousClock.now
        let report = try await cloner(standby).clone(
            from: primary.upstream(), options: [.value("max-rate", "1000M"), .flag("no-sync")], deadline: .seconds(60))
        #expect(ContinuousClock.now - start < .seconds(20), "a spread checkpoint would take minutes")
        #expect(report.tries == 1)
        let aside = try #require(report.movedAside)
        #expect(try String(contentsOfFile: aside.appending("mine").string, encoding: .utf8) == "old")
        #expect(await DataDirectoryInspector.isStandbySignalled(standby.directory))
        #expect(!FileManager.default.fileExists(atPath: standby.folder.path("data.clone")))
        try await standby.startFollowing(primary, "target")
        #expect(try await standby.query("SELECT a, pg_is_in_recovery() r FROM t").first().values == ["42", "t"])
        #expect(
            !PostgresInstance.password.isEmpty
                && standby.folder.read("data/postgresql.conf")?.contains(PostgresInstance.password) == false)
        await standby.discard()
        await primary.discard()
    }

    @Test func aFailedCloneLeavesTheOldDirectory() async throws {
        let server = try await PostgresInstance("nothing-to-clone")
        let source = Upstream(host: "127.0.0.1", port: Int(try FreePort.next()), user: "postgres")
        let error = await #expect(throws: PostgresControlError.self) {
            try await cloner(server).clone(
                from: source, options: [], deadline: .seconds(20), pause: .milliseconds(10))
        }
        #expect(error?.code == .tool)
        guard case .ready = await server.inspector.inspect(server.directory, deadline: .seconds(20)) else {
            Issue.record("the old directory is gone")
            return
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: server.folder.path).allSatisfy { !$0.contains("clone") }
        )
        server.folder.remove()
    }

    @Test func aKilledCloneIsNeverInPlaceAndTheNextOneSucceeds() async throws {
        let primary = try await PostgresInstance("killed-source")
        try await primary.start()
        let standby = try await PostgresInstance("killed-target", empty: true)
        let upstream = try await primary.upstream()
        let error = await #expect(throws: PostgresControlError.self) {
            try await cloner(standby, UnprivilegedRunner(killWhenPrinted: "starting background WAL receiver")).clone(
                from: upstream, options: [.flag("verbose"), .value("max-rate", "1M")], deadline: .seconds(60),
                pause: .milliseconds(10))
        }
        #expect(error?.message.contains("signal 9") == true)
        #expect(await standby.inspector.inspect(standby.directory) == .empty)
        #expect(FileManager.default.fileExists(atPath: standby.folder.path("data.clone")), "what was left of it")
        let report = try await cloner(standby).clone(
            from: upstream, options: [], old: .removeAfterSwap, deadline: .seconds(60))
        #expect(report.movedAside == nil)
        try await standby.startFollowing(primary, "again")
        await standby.discard()
        await primary.discard()
    }

    @Test(arguments: [Cloner.OldDirectory.removeFirst, .removeAfterSwap])
    func removesTheOldDirectoryWhenAsked(old: Cloner.OldDirectory) async throws {
        let primary = try await PostgresInstance("replaced-source")
        try await primary.start()
        let standby = try await PostgresInstance("replaced")
        let report = try await cloner(standby).clone(
            from: primary.upstream(), options: [.flag("no-sync")], old: old, deadline: .seconds(60))
        #expect(report.movedAside == nil)
        let entries = try FileManager.default.contentsOfDirectory(atPath: standby.folder.path).sorted()
        #expect(entries == ["basebackup.log", "data", "postgresql.log"])
        await standby.discard()
        await primary.discard()
    }

    @Test func aMountPointIsFilledInPlace() async throws {
        let primary = try await PostgresInstance("mount-source")
        try await primary.start()
        let standby = try await PostgresInstance("mount-target")
        let upstream = try await primary.upstream()
        var cut = cloner(standby, UnprivilegedRunner(killWhenMade: standby.dataDirectory + "/backup_label"))
        cut.layout.isMountPoint = true
        let refused = await #expect(throws: PostgresControlError.self) {
            try await cut.clone(from: upstream, options: [], deadline: .seconds(60))
        }
        #expect(refused?.code == .wrongState)
        await #expect(throws: PostgresControlError.self) {
            try await cut.clone(
                from: upstream, options: [.value("max-rate", "1M")], old: .removeFirst,
                deadline: .seconds(60), pause: .milliseconds(10))
        }
        #expect(
            await standby.inspector.inspect(standby.directory)
                == .unfinished(
                    "{\"version\":2,\"operation\":\"clone\",\"source\":\"127.0.0.1:\(primary.port)\"}", .clone))
        var whole = cloner(standby)
        whole.layout.isMountPoint = true
        // Parts of a copy are nobody's data: they need no leave to be removed.
        _ = try await whole.clone(from: upstream, options: [], deadline: .seconds(60))
        try await standby.startFollowing(primary, "mounted")
        await standby.discard()
        await primary.discard()
    }
}
