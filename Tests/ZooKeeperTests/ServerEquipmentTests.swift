import Support
import Testing

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
        try await server.stop()
    }
}
