public import SystemPackage

/// Finished WAL files of a stopped server that wait for the archive: only this server has some of them, and a rewind
/// would remove them (contract/patroni.md 4.12).
public struct PendingArchive: Sendable {
    public struct Report: Hashable, Sendable {
        public let archived: [String]
        /// The first that could not be archived, and why; the others were not tried.
        public let failure: String?
    }

    private let dataDirectory: FilePath
    private let tool: ToolRun

    /// - Parameter output: the file for what the command prints.
    public init(
        dataDirectory: FilePath, runner: any ToolRunner, output: FilePath, environment: ChildEnvironment = .inherited
    ) {
        self.dataDirectory = dataDirectory
        tool = ToolRun(runner: runner, environment: environment, output: output)
    }

    /// Runs `archive_command` for each, oldest first, as PostgreSQL's archiver would: in the data directory, by the
    /// shell.
    /// - Parameter deadline: for all of them.
    public func archive(with command: String, deadline: Duration) async throws(PostgresControlError) -> Report {
        let folder = dataDirectory.appending("pg_wal/archive_status")
        let clock = ContinuousClock()
        let end = clock.now + deadline
        let waiting = try await Disk.run { () throws(PostgresControlError) in
            (try AtomicFile.entries(folder) ?? []).filter { $0.hasSuffix(".ready") }
        }
        var archived: [String] = []
        for file in waiting {
            let name = String(file.dropLast(6))
            let left = end - clock.now
            guard left > .zero else { return Report(archived: archived, failure: "\(name): the time is over") }
            let result = try await tool.run(
                [
                    "/bin/sh", "-c", "cd \"$1\" && eval \"$2\"", "archive", dataDirectory.string,
                    Self.expand(command, name),
                ], deadline: left)
            guard result.succeeded else {
                return Report(archived: archived, failure: "\(name): \(ToolRun.failure("archive_command", result))")
            }
            try await Disk.run { () throws(PostgresControlError) in
                try AtomicFile.rename(folder.appending(file), to: folder.appending("\(name).done"))
            }
            archived.append(name)
        }
        return Report(archived: archived, failure: nil)
    }

    /// `%p` is the path below the data directory, `%f` the name, `%%` a percent sign.
    static func expand(_ command: String, _ name: String) -> String {
        var text = ""
        var rest = command[...]
        while let percent = rest.firstIndex(of: "%") {
            text += rest[..<percent]
            rest = rest[rest.index(after: percent)...]
            switch rest.first {
            case "p": text += "pg_wal/\(name)"
            case "f": text += name
            case "%": text += "%"
            default:
                text += "%"
                continue
            }
            rest = rest.dropFirst()
        }
        return text + rest
    }
}
