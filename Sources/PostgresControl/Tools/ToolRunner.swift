public import SystemPackage

/// Runs programs that write a data directory. In service this is the keeper, which ends them when another agent comes
/// (rulings, Processes 12).
public protocol ToolRunner: Sendable {
    /// Runs `arguments[0]` to its end.
    /// - Parameters:
    ///   - environment: all of it.
    ///   - output: the file for what it prints.
    /// - Returns: the wait status: 0 is success.
    /// - Throws: when it could not be run or was ended early; what it did is unknown then.
    func run(
        arguments: [String], environment: [String: String], output: FilePath, deadline: Duration
    ) async throws -> Int32
}

extension KeeperClient: ToolRunner {
    public func run(
        arguments: [String], environment: [String: String], output: FilePath, deadline: Duration
    ) async throws -> Int32 {
        try await runTool(arguments: arguments, environment: environment, output: output, deadline: deadline)
    }
}

/// An option for a program, as users write it in `bootstrap.initdb`, `postgresql.basebackup` or `postgresql.rewind`.
public enum ToolOption: Hashable, Sendable {
    case flag(String)
    case value(String, String)

    public var name: String {
        switch self {
        case .flag(let name), .value(let name, _): name
        }
    }

    /// `--name` or `--name=value`; one pair of quotes around the value is taken off.
    public var argument: String {
        switch self {
        case .flag(let name): return "--\(name)"
        case .value(let name, let value):
            let quoted = value.count >= 2 && value.first == value.last && (value.first == "'" || value.first == "\"")
            return "--\(name)=\(quoted ? String(value.dropFirst().dropLast()) : value)"
        }
    }
}

/// One run of a program through a runner, with the end of its output for the failure.
struct ToolRun: Sendable {
    let runner: any ToolRunner
    let environment: ChildEnvironment
    /// The file for the output; overwritten by each run.
    let output: FilePath
    /// PostgreSQL's programs speak English; nil leaves a command of the user's its own language.
    var locale: String? = "C"

    struct Result: Sendable {
        let status: Int32
        let output: String
        var succeeded: Bool { status == 0 }
    }

    func run(
        _ arguments: [String], passfile: FilePath? = nil, deadline: Duration
    ) async throws(PostgresControlError) -> Result {
        var more: [String: String] = [:]
        more["LC_ALL"] = locale
        if let passfile { more["PGPASSFILE"] = passfile.string }
        let variables = environment.adding(more).variables
        let status: Int32
        do {
            try await Disk.run { [output] () throws(PostgresControlError) in try AtomicFile.remove(output) }
            status = try await runner.run(
                arguments: arguments, environment: variables, output: output, deadline: deadline)
        } catch let error as PostgresControlError {
            throw error
        } catch let error as KeeperError {
            throw PostgresControlError(
                error.code == .timedOut ? .timedOut : .tool, "\(arguments[0]): \(error)",
                outcome: error.outcome == .didNotHappen ? .didNotHappen : .unknown)
        } catch {
            throw PostgresControlError(.tool, "\(arguments[0]): \(error)", outcome: .unknown)
        }
        let text = try await Disk.run { [output] () throws(PostgresControlError) in try AtomicFile.read(output) ?? "" }
        return Result(status: status, output: text)
    }

    /// Words for a failed run: how it ended, and its last lines.
    static func failure(
        _ program: FilePath, _ result: Result, outcome: PostgresControlError.Outcome = .unknown
    ) -> PostgresControlError {
        let signal = result.status & 0x7f
        let how = signal == 0 ? "exit code \((result.status >> 8) & 0xff)" : "signal \(signal)"
        let lines = result.output.split(separator: "\n").suffix(5).joined(separator: " | ")
        return PostgresControlError(.tool, "\(program.string) ended with \(how): \(lines)", outcome: outcome)
    }
}
