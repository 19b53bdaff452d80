import Foundation

/// The program under test: `matriarch`, or what MATRIARCH_TEST_COMMAND names, such as Patroni with the same YAML file.
public struct AgentCommand: Sendable {
    /// Absolute path of what is started with the YAML file as its argument.
    public let executable: String
    /// The folder with `matriarch` and `matriarch-keeper`; nil for a foreign command.
    public let folder: String?

    /// Another implementation of the same contract: what only this project promises is not asked of it.
    public static let isForeign = ProcessInfo.processInfo.environment["MATRIARCH_TEST_COMMAND"] != nil

    /// Its timers are coarser: `ttl` is at least 20 s there, and the test servers end a session after 10 s.
    public static let patience = isForeign ? 4 : 1

    /// The deadline of whatever a cluster does by itself.
    public static func deadline(_ seconds: Int = 20) -> Duration { .seconds(seconds * patience) }

    static let programs = ["matriarch", "matriarch-keeper"]

    /// Patroni 4.1.5 itself, for clusters in which both kinds run.
    /// - Throws: `SupportError` when it cannot be installed.
    public static func patroni() async throws -> AgentCommand {
        AgentCommand(executable: try await PythonEnvironment.patroni.folder() + "/venv/bin/patroni", folder: nil)
    }

    /// - Throws: `SupportError` that says what is missing and how to make it.
    public static func find() throws -> AgentCommand {
        let environment = ProcessInfo.processInfo.environment
        if let command = environment["MATRIARCH_TEST_COMMAND"] {
            guard FileManager.default.isExecutableFile(atPath: command) else {
                throw SupportError("MATRIARCH_TEST_COMMAND: \(command) cannot be executed")
            }
            return AgentCommand(executable: command, folder: nil)
        }
        let build = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: ".build")
        let candidates =
            environment["MATRIARCH_BIN"].map { [$0] } ?? ["release", "debug"].map { build.appending(path: $0).path }
        for folder in candidates
        where programs.allSatisfy({ FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)") }) {
            return AgentCommand(executable: "\(folder)/matriarch", folder: folder)
        }
        let places = candidates.joined(separator: " nor ")
        throw SupportError("neither matriarch nor matriarch-keeper in \(places): build them, or set MATRIARCH_BIN")
    }

    /// Copies the programs once to where the unprivileged user can start them; nodes link to this copy.
    public static let shared = Result<AgentCommand, any Error> {
        let found = try find()
        guard let source = found.folder else { return found }
        let copy = try TemporaryFolder("programs")
        keptCopy.withLock { $0 = copy }
        for program in programs {
            try FileManager.default.copyItem(atPath: "\(source)/\(program)", toPath: copy.path(program))
            guard chmod(copy.path(program), 0o755) == 0 else { throw SupportError("chmod \(copy.path(program))") }
        }
        return AgentCommand(executable: copy.path("matriarch"), folder: copy.path)
    }
    private static let keptCopy = Locked<TemporaryFolder?>(nil)

    /// The same programs under paths of their own: /proc/PID/exe then tells to which node a process belongs.
    func linked(into folder: String) throws -> AgentCommand {
        guard let source = self.folder else { return self }
        for program in Self.programs {
            let path = "\(folder)/\(program)"
            guard link("\(source)/\(program)", path) == 0 || errno == EEXIST else {
                throw SupportError("link \(path): \(String(cString: strerror(errno)))")
            }
        }
        return AgentCommand(executable: "\(folder)/matriarch", folder: folder)
    }
}

extension Result where Failure == any Error {
    init(_ body: () throws -> Success) { self.init(catching: body) }
}
