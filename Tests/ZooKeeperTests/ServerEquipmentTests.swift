import Support
import Testing
import ZooKeeper

@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: ZooKeeperServer.isInstalled, "Debian's ZooKeeper jars"))
struct ServerEquipmentTests {
    @Test func aProcessReportsItsEnd() async throws {
        let folder = try TemporaryFolder("process")
        defer { folder.remove() }
        let failing = try UnprivilegedProcess.start(
            "/bin/sh", ["-c", "id -un; pwd; exit 7"], folder: folder.path, output: folder.path("out"))
        #expect(try await failing.wait() == .exited(7))
        let user = UnprivilegedProcess.user == nil ? "" : "postgres\n"
        #expect(folder.read("out")?.hasPrefix(user) == true)
        #expect(folder.read("out")?.hasSuffix("\(folder.path)\n") == true)
        let sleeping = try UnprivilegedProcess.start("/bin/sleep", ["60"], output: folder.path("out"))
        #expect(sleeping.isRunning)
        try await sleeping.end()
        #expect(sleeping.exitStatus == .signalled(9))
    }

    @Test func anEnsembleHasOneLeader() async throws {
        let ensemble = try await ZooKeeperEnsemble.start()
        #expect(try await ensemble.followers().count == 2)
        try await ensemble.stop()
    }

    @Test func aStandaloneServerAnswers() async throws {
        let server = try await ZooKeeperServer.standalone()
        #expect(server.mode == "standalone")
        #expect(server.command("conf")?.contains("minSessionTimeout=400") == true)
        let host = ZooKeeperHosts.Host(name: "127.0.0.1", port: server.port)
        #expect(await FourLetterWord.ask("conf", of: host, deadline: .seconds(5))?.contains("tickTime=200\n") == true)
        server.freeze()
        #expect(await FourLetterWord.ask("conf", of: host, deadline: .milliseconds(200)) == nil)
        server.thaw()
        let nobody = ZooKeeperHosts.Host(name: "127.0.0.1", port: try FreePort.next())
        #expect(await FourLetterWord.ask("conf", of: nobody, deadline: .seconds(5)) == nil)
        try await server.stop()
    }
}
