import Foundation
import Logging
import PostgresControl
import Support
import SystemPackage
import Testing

/// One member: a folder with the keeper's binary, a runtime folder, and room for a data directory.
///
/// The tests are root and the keeper is not: PostgreSQL refuses root. That is why the keeper takes root's connections.
final class KeeperProgram: Sendable {
    let folder: TemporaryFolder
    let runtime: RuntimeFolder
    let binary: String
    let data: String
    let port: UInt16
    static let logger = Logger(label: "keeper-tests", factory: { _ in SwiftLogNoOpLogHandler() })

    init() throws {
        folder = try TemporaryFolder("keeper")
        binary = folder.path("matriarch-keeper")
        // What `postgres` is to execute must lie where it can look.
        let built = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let beside = URL(filePath: built).deletingLastPathComponent().appending(path: "matriarch-keeper").path
        try FileManager.default.copyItem(atPath: beside, toPath: binary)
        chmod(binary, 0o755)
        runtime = RuntimeFolder(path: FilePath(try folder.makeFolder("run", mode: 0o700)))
        data = folder.path("data")
        port = try FreePort.next()
    }

    var runtimePath: String { runtime.path.string }
    var socketPath: String { runtime.keeperSocket.string }

    /// Runs a program as the unprivileged user to its end; its output on failure is in the error.
    @discardableResult
    func run(_ executable: String, _ arguments: [String], within: Duration = .seconds(20)) async throws -> String {
        let output = folder.path("out-\(UInt64.random(in: 0...UInt64.max))")
        let status = try await UnprivilegedProcess.start(executable, arguments, folder: folder.path, output: output)
            .wait(within: within)
        let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
        guard status == .exited(0) else { throw SupportError("\(executable): \(status): \(text)") }
        return text
    }

    func startKeeper() async throws {
        let said = try await run(binary, ["start", "--runtime", runtime.path.string, "--data", data])
        #expect(said.hasPrefix("ready "))
    }

    func attach(within deadline: Duration = .seconds(5)) async throws -> KeeperClient {
        try await KeeperClient.attach(
            runtime: runtime, binary: FilePath(binary), dataDirectory: FilePath(data), member: "test",
            deadline: deadline, logger: Self.logger)
    }

    /// An agent that is a process of its own, attached, after `commands` were sent; `output` holds what it was told.
    func agent(_ commands: [String] = [], output: String = "agent") async throws -> UnprivilegedProcess {
        let arguments = ["talk", "--runtime", runtime.path.string, "--", "attach \(output)"] + commands
        let agent = try UnprivilegedProcess.start(binary, arguments, output: folder.path(output))
        try await eventually("the agent has its answers") {
            self.folder.read(output).map { $0.split(separator: "\n").count > commands.count } ?? false
        }
        return agent
    }

    var log: String { folder.read("run/keeper.log") ?? "" }
    var serverLog: String { folder.read("server.log") ?? "" }

    /// Ends everything that is left, whatever the test has done.
    func end() async throws {
        for pid in keepers() { kill(pid, SIGKILL) }
        try await eventually("nothing runs", within: .seconds(5)) {
            for pid in self.census() { kill(pid, SIGKILL) }
            return self.census().isEmpty && self.keepers().isEmpty
        }
        folder.remove()
    }

    private func processes() -> [pid_t] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) }
    }

    private func keepers() -> [pid_t] {
        processes().filter { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/exe")) == binary }
    }

    /// Processes that stand in the data directory: what PostgreSQL's do.
    func census() -> [pid_t] {
        processes().filter { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")) == data }
    }
}
