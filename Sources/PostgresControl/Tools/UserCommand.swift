import CPlatform
import Glibc
public import Logging
import Subprocess
import SystemPackage

/// A command of the user's that does not write the data directory, such as a callback: a child of the agent in a process
/// group of its own. Commands that do write it run under the keeper (`DirectoryCommand`).
public struct UserCommand: Sendable {
    /// How a command is ended before its time.
    public enum Ending: Sendable {
        /// SIGKILL.
        case atOnce
        /// SIGTERM, and SIGKILL a second later.
        case inOrder
    }

    private let words: [String]
    private let environment: ChildEnvironment

    /// - Parameter words: the program, by its path or looked for on PATH, and its arguments.
    public init(_ words: [String], environment: ChildEnvironment = .inherited) {
        self.words = words
        self.environment = environment
    }

    /// Runs it to its end; what it prints goes to the log, as far as `OutputLog` lets it. When the task is cancelled or
    /// the deadline passes, it is ended with its whole group.
    /// - Returns: the exit code; 128 and the signal's number for one that a signal ended.
    /// - Throws: `.tool` when it cannot be run or was ended by a cancellation, `.timedOut`.
    public func run(
        deadline: Duration?, ending: Ending, logger: Logger
    ) async throws(PostgresControlError) -> Int32 {
        guard let program = words.first, !program.isEmpty else {
            throw PostgresControlError(.tool, "the command is empty", outcome: .didNotHappen)
        }
        do {
            let output = try OutputLog(logger)
            return try await withThrowingTaskGroup(of: Int32?.self) { group in
                group.addTask { try await spawn(program, output, ending) }
                if let deadline {
                    group.addTask {
                        try await Task.sleep(for: deadline)
                        return nil
                    }
                }
                defer { group.cancelAll() }
                guard let first = try await group.next(), let code = first else {
                    throw PostgresControlError(
                        .timedOut, "\(program) did not end within \(deadline ?? .zero)", outcome: .unknown)
                }
                if Task.isCancelled { throw PostgresControlError(.tool, "\(program) was ended", outcome: .unknown) }
                return code
            }
        } catch let error as PostgresControlError {
            throw error
        } catch {
            throw PostgresControlError(.tool, "\(program): \(error)", outcome: .unknown)
        }
    }

    private func spawn(_ program: String, _ output: OutputLog, _ ending: Ending) async throws -> Int32 {
        var options = PlatformOptions()
        options.processGroupID = 0
        options.teardownSequence =
            switch ending {
            case .atOnce: [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .zero)]
            case .inOrder: [.send(signal: .terminate, toProcessGroup: true, allowedDurationToNextStep: .seconds(1))]
            }
        let end = output.takeWritingEnd()
        let result = try await Subprocess.run(
            program.contains("/") ? .path(FilePath(program)) : .name(program),
            arguments: Arguments(Array(words.dropFirst())), environment: environment.forSubprocess,
            platformOptions: options, output: .fileDescriptor(end, closeAfterSpawningProcess: true),
            error: .combinedWithOutput)
        switch result.terminationStatus {
        case .exited(let code): return code
        case .signaled(let signal): return 128 + signal
        }
    }
}
