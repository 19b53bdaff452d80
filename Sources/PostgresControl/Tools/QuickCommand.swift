import Subprocess
import SystemPackage

/// Short programs that only read: run as a child of the agent, their output collected.
enum QuickCommand {
    struct Output: Sendable {
        let succeeded: Bool
        let standardOutput: String
        let standardError: String
        let status: String
    }

    /// Runs a program under `LC_ALL=C` in the cleaned environment; SIGKILL at the deadline.
    /// - Throws: `.tool` when it cannot be run or says too much (8 MiB), `.timedOut`.
    static func run(
        _ program: FilePath, _ arguments: [String], deadline: Duration
    ) async throws(PostgresControlError) -> Output {
        let environment = ChildEnvironment.inherited.adding(["LC_ALL": "C"])
        do {
            return try await withThrowingTaskGroup(of: Output?.self) { group in
                group.addTask {
                    let result = try await Subprocess.run(
                        .path(program), arguments: Arguments(arguments), environment: environment.forSubprocess,
                        output: .string(limit: 8 << 20), error: .string(limit: 1 << 20))
                    return Output(
                        succeeded: result.terminationStatus.isSuccess, standardOutput: result.standardOutput,
                        standardError: result.standardError, status: "\(result.terminationStatus)")
                }
                group.addTask {
                    try await Task.sleep(for: deadline)
                    return nil
                }
                defer { group.cancelAll() }
                guard let first = try await group.next(), let output = first else {
                    throw PostgresControlError(
                        .timedOut, "\(program.string) did not end within \(deadline)", outcome: .unknown)
                }
                return output
            }
        } catch let error as PostgresControlError {
            throw error
        } catch {
            throw PostgresControlError(.tool, "\(program.string): \(error)", outcome: .unknown)
        }
    }
}

extension ChildEnvironment {
    var forSubprocess: Environment {
        .custom(Dictionary(uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0.key), $0.value) }))
    }
}
