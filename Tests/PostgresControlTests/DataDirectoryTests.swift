import Foundation
import HACore
import LibPQ
import PostgresControl
import Support
import SystemPackage
import Testing

@Suite(.serialized, .timeLimit(.minutes(2)))
struct DataDirectoryTests {
    @Test func tellsWhatItFinds() async throws {
        let server = try await PostgresInstance("inspect")
        let version = try await server.installation.majorVersion()
        let inspector = DataDirectoryInspector(installation: server.installation, majorVersion: version)
        guard case .ready(let control) = await inspector.inspect(server.directory) else {
            Issue.record("a fresh cluster is not ready")
            return
        }
        #expect(control.state == .shutDown)
        #expect(await inspector.inspect(server.path("absent")) == .empty)
        try server.folder.makeFolder("void", mode: 0o700)
        #expect(await inspector.inspect(server.path("void")) == .empty)

        try server.folder.makeFolder("other", mode: 0o700)
        try server.folder.write("other/file", "x")
        await expectUnusable(inspector, server.path("other"), "PG_VERSION")
        try server.folder.write("file", "x")
        await expectUnusable(inspector, server.path("file"), "not a directory")

        let wrong = DataDirectoryInspector(installation: server.installation, majorVersion: 99)
        await expectUnusable(wrong, server.directory, "99")
        chmod(server.dataDirectory, 0o755)
        await expectUnusable(inspector, server.directory, "mode 755")
        chmod(server.dataDirectory, 0o700)

        try await server.start()
        try await server.kill()
        guard case .ready(let crashed) = await inspector.inspect(server.directory) else {
            Issue.record("a crashed cluster is not ready")
            return
        }
        #expect(crashed.state == .inProduction)

        let file = server.dataDirectory + "/global/pg_control"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        bytes[40] ^= 0xff
        try bytes.write(to: URL(fileURLWithPath: file))
        await expectUnusable(inspector, server.directory, "checksum")
        try FileManager.default.removeItem(atPath: file)
        await expectUnusable(inspector, server.directory, "pg_control")
        server.folder.remove()
    }

    private func expectUnusable(_ inspector: DataDirectoryInspector, _ path: FilePath, _ words: String) async {
        let found = await inspector.inspect(path)
        guard case .unusable(let reason) = found else {
            Issue.record("\(path) is \(found)")
            return
        }
        #expect(reason.contains(words), "\(reason)")
    }

    @Test func aMarkerBesideMakesItUnfinished() async throws {
        let server = try await PostgresInstance("marker")
        try server.folder.write("data.matriarch", "{\"operation\":\"rewind\"}\n")
        #expect(await server.inspector.inspect(server.directory) == .unfinished("{\"operation\":\"rewind\"}"))
        #expect(
            await server.inspector.inspect(FilePath(server.dataDirectory + "/"))
                == .unfinished("{\"operation\":\"rewind\"}"))
        server.folder.remove()
    }

    @Test func movesAsideWithWhatLiesElsewhere() async throws {
        let server = try await PostgresInstance("aside")
        let tablespace = try server.folder.makeFolder("space", mode: 0o700)
        try await server.start()
        try await server.query("CREATE TABLESPACE space LOCATION '\(tablespace)'")
        try await server.query("CREATE TABLE t TABLESPACE space AS SELECT 1 AS a")
        try await server.stop()
        try server.folder.write("data.matriarch", "x")
        let aside = try #require(try await DataDirectoryLayout(server.directory).moveAside("failed"))
        #expect(aside.string.hasPrefix(server.dataDirectory + ".failed.2"))
        #expect(await server.inspector.inspect(server.directory) == .empty)
        #expect(server.folder.read("data.matriarch") == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: tablespace) == [])
        guard case .ready = await server.inspector.inspect(aside) else {
            Issue.record("what was moved aside is not whole")
            return
        }
        // It still is a whole cluster: put back under the old name it serves its tablespace.
        try FileManager.default.moveItem(atPath: aside.string, toPath: server.dataDirectory)
        try await server.start()
        #expect(try await server.query("SELECT a FROM t").first()["a"] == "1")
        await server.discard()
    }

    @Test func standbySignalComesAndGoes() async throws {
        let server = try await PostgresInstance("signal")
        #expect(await !DataDirectoryInspector.isStandbySignalled(server.directory))
        try await StandbySignal.write(in: server.directory)
        #expect(await DataDirectoryInspector.isStandbySignalled(server.directory))
        try await StandbySignal.remove(in: server.directory)
        try await StandbySignal.remove(in: server.directory)
        #expect(await !DataDirectoryInspector.isStandbySignalled(server.directory))
        server.folder.remove()
    }

    @Test func findsTheInstallation() async throws {
        let binaries = try #require(PostgresInstance.installedBinaries)
        let found = try Installation.find(searchPath: "/nonexistent:\(binaries)")
        #expect(found.isComplete && found.binDir.string == binaries)
        let folder = try TemporaryFolder("links")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("postgres"), withDestinationPath: "\(binaries)/postgres")
        #expect(try Installation.find(searchPath: folder.path).binDir.string == binaries)
        #expect(try await found.majorVersion() >= 15)
        #expect(Installation(binDir: FilePath(folder.path)).missing.count == 3)
        folder.remove()
    }
}
