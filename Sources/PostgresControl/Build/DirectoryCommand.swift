public import SystemPackage

/// A command of the user's that makes the data directory: a bootstrap method, or a way to create a replica. Like every
/// program that writes it, it runs as a child of the keeper (rulings, Processes 12).
public struct DirectoryCommand: Sendable {
    /// What the command makes; what it leaves when it is cut off is told by it.
    public enum Purpose: String, Sendable {
        /// All that is there afterwards is the command's.
        case clone
        /// The command works on what was there before (`keep_data`).
        case restore
    }

    public internal(set) var layout: DataDirectoryLayout
    private let tool: ToolRun

    /// - Parameter output: the file for what the command prints.
    public init(
        dataDirectory: FilePath, runner: any ToolRunner, output: FilePath, environment: ChildEnvironment = .inherited
    ) {
        layout = DataDirectoryLayout(dataDirectory)
        tool = ToolRun(runner: runner, environment: environment, output: output, locale: nil)
    }

    /// Runs it. What is in the way is moved aside first, unless the purpose is `restore`; while the command runs, and
    /// after it was cut off, the directory counts as unfinished.
    /// - Parameters:
    ///   - words: the program, by its path or looked for on PATH, and its arguments.
    ///   - isReplica: the directory gets `standby.signal` before it counts as finished.
    /// - Returns: where the old directory is now; nil when there was none.
    /// - Throws: `.tool` when it failed, `.timedOut`, `.file`, `.wrongState` for a mount point with data. When a `clone`
    ///   failed by itself the directory is gone; what was cut off is left, and the next one clears it away.
    @discardableResult
    public func run(
        _ words: [String], _ purpose: Purpose, isReplica: Bool, source: String, passfile: FilePath? = nil,
        deadline: Duration
    ) async throws(PostgresControlError) -> FilePath? {
        let aside = try await Disk.run(within: .seconds(600)) { [layout] () throws(PostgresControlError) in
            try Self.prepare(layout, purpose, source)
        }
        // env looks the program up, which the keeper does not.
        let result = try await tool.run(["/usr/bin/env", "--"] + words, passfile: passfile, deadline: deadline)
        guard result.succeeded else {
            if purpose == .clone { try await discard() }
            throw ToolRun.failure(FilePath(words.first ?? ""), result)
        }
        try await Disk.run { [layout] () throws(PostgresControlError) in
            guard try !layout.isEmpty else {
                throw PostgresControlError(
                    .tool, "\(words.first ?? "") ended with success and left \(layout.dataDirectory.string) empty",
                    outcome: .didNotHappen)
            }
            if isReplica { try StandbySignal.writeNow(in: layout.dataDirectory) }
            try UnfinishedMarker.remove(for: layout.dataDirectory)
        }
        return aside
    }

    /// The command and all that it started have ended, and what they left is nobody's.
    private func discard() async throws(PostgresControlError) {
        try await Disk.run(within: .seconds(600)) { [layout] () throws(PostgresControlError) in
            try layout.removeContents()
            // Made anew by the next command, with the mode that it should have; a mount point stays.
            if !layout.mustWorkInPlace { try DataDirectoryLayout.remove(layout.dataDirectory) }
            try UnfinishedMarker.remove(for: layout.dataDirectory)
        }
    }

    private static func prepare(
        _ layout: DataDirectoryLayout, _ purpose: Purpose, _ source: String
    ) throws(PostgresControlError) -> FilePath? {
        var aside: FilePath?
        if purpose == .clone, try !layout.isEmpty {
            let isLeftover =
                try UnfinishedMarker.read(for: layout.dataDirectory).map(UnfinishedMarker.isOfClone) == true
            if isLeftover { try layout.removeContents() } else { aside = try layout.moveAsideNow("old") }
        }
        try UnfinishedMarker(operation: purpose.rawValue, source: source).write(for: layout.dataDirectory)
        return aside
    }
}
