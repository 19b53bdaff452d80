import LibPQ
public import SystemPackage

/// Copies a running server with pg_basebackup into `<data_dir>.clone` and swaps it in when it is complete.
public struct Cloner: Sendable {
    /// What becomes of the directory that the clone replaces.
    public enum OldDirectory: Hashable, Sendable {
        /// Kept beside, as `<data_dir>.old.<time>`.
        case keep
        /// Removed once the clone is in its place: needs room for both.
        case removeAfterSwap
        /// Removed before the copy begins, as Patroni does: for disks with room for one.
        case removeFirst
    }

    public struct Report: Hashable, Sendable {
        /// Where the old directory is now; nil when there was none, or it was removed.
        public let movedAside: FilePath?
        /// How often pg_basebackup was run.
        public let tries: Int
    }

    public let installation: Installation
    public internal(set) var layout: DataDirectoryLayout
    private let tool: ToolRun

    /// - Parameter output: the file for what pg_basebackup prints.
    public init(
        installation: Installation, dataDirectory: FilePath, runner: any ToolRunner, output: FilePath,
        environment: ChildEnvironment = .inherited
    ) {
        self.installation = installation
        layout = DataDirectoryLayout(dataDirectory)
        tool = ToolRun(runner: runner, environment: environment, output: output)
    }

    /// Clones `source`. PostgreSQL must not run here. The clone has `standby.signal` before it is in its place.
    /// - Parameters:
    ///   - options: `postgresql.basebackup`, already checked for what is forbidden.
    ///   - deadline: for each of two tries.
    ///   - pause: between them.
    /// - Throws: `.tool`, `.timedOut`, `.file`, `.wrongState`. The old directory is in its place then, or moved aside when
    ///   it uses tablespaces or a WAL directory elsewhere (the copy needs those folders empty). A mount point cannot be
    ///   swapped: it has to be empty or `removeFirst`, and counts as unfinished until the copy is complete.
    public func clone(
        from source: Upstream, options: [ToolOption], old: OldDirectory = .keep, deadline: Duration,
        pause: Duration = .seconds(5)
    ) async throws(PostgresControlError) -> Report {
        let (target, early) = try await Disk.run(within: .seconds(600)) { [layout] () throws(PostgresControlError) in
            try Self.prepare(layout, old, "\(source.host):\(source.port)")
        }
        let tries = try await copy(source, options, target, deadline: deadline, pause: pause)
        return try await Disk.run(within: .seconds(600)) { [layout] () throws(PostgresControlError) in
            try StandbySignal.writeNow(in: target)
            guard target != layout.dataDirectory else {
                try UnfinishedMarker.remove(for: target)
                return Report(movedAside: nil, tries: tries)
            }
            var aside = early
            if try !layout.isEmpty { aside = try layout.moveAsideNow("old") }
            try layout.moveIntoPlace(target)
            if let path = aside, old != .keep {
                try DataDirectoryLayout.remove(path)
                aside = nil
            }
            return Report(movedAside: aside, tries: tries)
        }
    }

    /// Clears the way; returns where to copy to and what was moved aside already.
    private static func prepare(
        _ layout: DataDirectoryLayout, _ old: OldDirectory, _ source: String
    ) throws(PostgresControlError) -> (FilePath, FilePath?) {
        try DataDirectoryLayout.remove(layout.cloneStaging)
        if layout.mustWorkInPlace {
            // What a cut-off clone left is ours and nobody's data: it had found the directory empty.
            let isLeftover =
                try UnfinishedMarker.read(for: layout.dataDirectory).map(UnfinishedMarker.isOfClone) == true
            if old == .removeFirst || isLeftover { try layout.removeContents() }
            guard try layout.isEmpty else {
                throw PostgresControlError(
                    .wrongState,
                    "\(layout.dataDirectory.string) is a mount point with data that may not be removed: use a folder inside",
                    outcome: .didNotHappen)
            }
            // Best effort: beside a mount point there may be nothing that can be written. pg_basebackup writes the control
            // file last, so that a directory without one was cut off, too.
            try? UnfinishedMarker(operation: "clone", source: source).write(for: layout.dataDirectory)
            return (layout.dataDirectory, nil)
        }
        if old == .removeFirst {
            try layout.removeContents()
        } else if try !layout.externals().isEmpty {
            return (layout.cloneStaging, try layout.moveAsideNow("old"))
        }
        return (layout.cloneStaging, nil)
    }

    private func copy(
        _ source: Upstream, _ options: [ToolOption], _ target: FilePath, deadline: Duration, pause: Duration
    ) async throws(PostgresControlError) -> Int {
        let arguments = arguments(target: target, source: source, options: options)
        for attempt in 1...2 {
            let result = try await tool.run(arguments, passfile: source.passfile, deadline: deadline)
            if result.succeeded { return attempt }
            guard attempt < 2 else { throw ToolRun.failure(installation.path(of: .pgBasebackup), result) }
            do { try await Task.sleep(for: pause) } catch {
                throw PostgresControlError(.tool, "cloning was cancelled", outcome: .didNotHappen)
            }
            // pg_basebackup cleans up after itself, except when it was killed.
            let inPlace = target == layout.dataDirectory
            try await Disk.run(within: .seconds(600)) { [layout] () throws(PostgresControlError) in
                if inPlace { try layout.removeContents() } else { try DataDirectoryLayout.remove(target) }
            }
        }
        throw PostgresControlError(.tool, "pg_basebackup was not run", outcome: .didNotHappen)
    }

    /// pg_basebackup's command line; a fast checkpoint unless the options name one (rulings).
    func arguments(target: FilePath, source: Upstream, options: [ToolOption]) -> [String] {
        let conninfo = source.connection().conninfo(includingPassword: false)
        var arguments = [
            installation.path(of: .pgBasebackup).string, "--pgdata=\(target.string)", "-X", "stream",
            "--dbname=\(conninfo)",
        ]
        arguments += options.map(\.argument)
        if !options.contains(where: { $0.name == "checkpoint" }) { arguments.append("--checkpoint=fast") }
        return arguments
    }
}
