import Foundation
import HACore
import PostgresControl
import Support
import SystemPackage
import Testing

@testable import Agent

/// A real keeper without a PostgreSQL, run by the unprivileged user.
final class KeeperHost: Sendable {
    private let folder: TemporaryFolder
    private let runtime: RuntimeFolder
    private let binary: String
    private let pid: pid_t

    private init(folder: TemporaryFolder, runtime: RuntimeFolder, binary: String, pid: pid_t) {
        (self.folder, self.runtime, self.binary, self.pid) = (folder, runtime, binary, pid)
    }

    static func start() async throws -> KeeperHost {
        let folder = try TemporaryFolder("agent-keeper")
        let binary = folder.path("matriarch-keeper")
        // What the unprivileged user is to execute must lie where it can look.
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let beside = URL(filePath: tests).deletingLastPathComponent().appending(path: "matriarch-keeper").path
        try FileManager.default.copyItem(atPath: beside, toPath: binary)
        chmod(binary, 0o755)
        let runtime = RuntimeFolder(path: FilePath(try folder.makeFolder("run", mode: 0o700)))
        let status = try await UnprivilegedProcess.start(
            binary, ["start", "--runtime", runtime.path.string, "--data", folder.path("data")],
            output: folder.path("said")
        ).wait()
        let said = folder.read("said") ?? ""
        let pid = said.split(separator: " ").last.flatMap { Int32($0.filter(\.isNumber)) }
        guard status == .exited(0), said.hasPrefix("ready "), let pid else { throw SupportError("keeper: \(said)") }
        return KeeperHost(folder: folder, runtime: runtime, binary: binary, pid: pid)
    }

    /// A program in the place of PostgreSQL, run as a standby. Returns its pid.
    func startStandIn(_ client: KeeperClient) async throws -> pid_t {
        let data = try folder.makeFolder("data", mode: 0o700)
        try folder.write("data/standby.signal", "")
        return try await client.start(
            as: .standby, epochZxid: 0, dataDirectory: FilePath(data), arguments: ["/bin/sleep", "60"], environment: [:]
        )
    }

    /// SIGSTOP, SIGCONT.
    func signal(_ number: Int32) { kill(pid, number) }

    func end() {
        kill(pid, SIGKILL)
        folder.remove()
    }

    /// Runs the body while the link is attached to this keeper.
    func attached(_ link: KeeperLink, _ body: (KeeperClient) async throws -> Void) async throws {
        let running = Task { await link.run(patience: { .seconds(30) }, hopeless: {}) }
        let result: Result<Void, any Error>
        do {
            let client = try await eventually("the link is attached") { try? link.client() }
            #expect(client.keeperPID == pid)
            try await body(client)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        running.cancel()
        link.close()
        await running.value
        try result.get()
    }

    /// A link to this keeper, or one that leads nowhere: it then does nothing.
    static func link(_ host: KeeperHost?, _ wakeup: Wakeup) throws -> KeeperLink {
        KeeperLink(
            runtime: host?.runtime ?? RuntimeFolder(path: "/nonexistent"),
            binary: FilePath(host?.binary ?? "/nonexistent"),
            dataDirectory: FilePath(host?.folder.path("data") ?? "/nonexistent"), member: "node-0", wakeup: wakeup,
            counts: EventCounts(), logger: silent)
    }
}
