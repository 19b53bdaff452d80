import Foundation

/// A command line that a test runs to its end: `matriarchctl`, or Patroni's own `patronictl`.
public struct CommandLineTool: Sendable {
    /// What it did.
    public struct Output: Equatable, Sendable {
        public var code: Int32
        public var out: String
        public var error: String
    }

    public let executable: String

    /// The one that was built beside the program under test.
    /// - Throws: `SupportError` when it is not there.
    public static func matriarchctl() throws -> CommandLineTool {
        let folder =
            try ProcessInfo.processInfo.environment["MATRIARCH_BIN"] ?? AgentCommand.find().folder ?? "/nowhere"
        let path = "\(folder)/matriarchctl"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw SupportError("no matriarchctl in \(folder): build it, or set MATRIARCH_BIN")
        }
        return CommandLineTool(executable: path)
    }

    /// Patroni 4.1.5's, from the package index.
    public static func patronictl() async throws -> CommandLineTool {
        if let named = ProcessInfo.processInfo.environment["MATRIARCH_TEST_PATRONICTL"] {
            return CommandLineTool(executable: named)
        }
        return CommandLineTool(executable: try await PythonEnvironment.patroni.folder() + "/venv/bin/patronictl")
    }

    /// Runs it with a small environment and files for its output, which are below `folder`.
    /// - Parameter input: what it reads; nothing unless given.
    /// - Throws: `EventuallyTimedOut` when it does not end; it is killed then.
    public func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:], in folder: TemporaryFolder,
        within deadline: Duration = .seconds(60)
    ) async throws -> Output {
        let number = UInt32.random(in: 0...UInt32.max)
        func file(_ name: String, _ text: String = "") throws -> FileHandle {
            let path = try folder.write("tool-\(number).\(name)", text)
            guard let handle = FileHandle(forUpdatingAtPath: path) else { throw SupportError("cannot open \(path)") }
            return handle
        }
        let (out, error) = (try file("out"), try file("error"))
        let process = Process()
        process.executableURL = URL(filePath: executable)
        process.arguments = arguments
        process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": folder.path, "TZ": "UTC"]
            .merging(environment) { $1 }
        process.standardInput = try file("input", input)
        process.standardOutput = out
        process.standardError = error
        try process.run()
        do {
            try await eventually("\(executable) ends", within: deadline, pace: .milliseconds(10)) { !process.isRunning }
        } catch let failure {
            kill(process.processIdentifier, SIGKILL)
            throw failure
        }
        func text(_ handle: FileHandle) throws -> String {
            try handle.seek(toOffset: 0)
            return String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
        }
        return Output(code: process.terminationStatus, out: try text(out), error: try text(error))
    }
}
