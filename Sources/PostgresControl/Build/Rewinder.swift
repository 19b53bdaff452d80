public import HACore
import LibPQ
public import SystemPackage

/// Brings a diverged data directory back to the primary's history with pg_rewind. A run that was cut off, wherever, is
/// taken up again by the next, from the same primary or from another.
public struct Rewinder: Sendable {
    public enum Outcome: Hashable, Sendable {
        /// The directory is the source's past; it starts as a standby.
        case rewound
        /// Nothing had to be done.
        case notNeeded
        /// pg_rewind gave up before it changed anything: the directory is as it was, diverged.
        case refused(String)
        /// It gave up in between: the marker stays, nothing may be started from the directory until another rewind or a
        /// clone came to its end.
        case unfinished(String)
    }

    public struct Report: Hashable, Sendable {
        public let outcome: Outcome
        /// Where the histories part, as pg_rewind found.
        public let divergedAt: LSN?
        public let timeline: Timeline?
        /// The end of this server's own WAL before. What lies between `divergedAt` and this is given up.
        public let ownEnd: LSN
        /// Where the WAL files that were given up are kept.
        public let kept: FilePath?

        /// Bytes of WAL that were given up.
        public var lostBytes: UInt64? {
            divergedAt.map { ownEnd.bytesAhead(of: $0) }
        }
    }

    public let installation: Installation
    public let config: ServerConfig
    private let tool: ToolRun

    /// - Parameter output: the file for what pg_rewind prints.
    public init(
        installation: Installation, config: ServerConfig, runner: any ToolRunner, output: FilePath,
        environment: ChildEnvironment = .inherited
    ) {
        self.installation = installation
        self.config = config
        tool = ToolRun(runner: runner, environment: environment, output: output)
    }

    /// pg_rewind is installed and the control file shows what it needs.
    public func isPossible(_ control: ControlFile) -> Bool {
        control.allowsRewind && AtomicFile.exists(installation.path(of: .pgRewind))
    }

    /// Rewinds to `source`, which must be a primary. PostgreSQL must not run here. A directory that was not stopped
    /// cleanly is recovered first, as pg_rewind would do it: in single-user mode, with the parameters of the
    /// configuration file alone. Write that before, or `wal_log_hints` is off afterwards and pg_rewind refuses.
    /// - Parameters:
    ///   - control: of the directory as it is.
    ///   - restoreFromArchive: fetch missing WAL by the `restore_command` of the configuration.
    ///   - options: `postgresql.rewind`, already checked for what is forbidden.
    /// On success `standby.signal` is there before the marker is gone: the directory cannot be started as a primary.
    /// - Throws: when it could not be run or was ended early; the marker stays then, unless nothing was run.
    public func rewind(
        to source: Upstream, control: ControlFile, restoreFromArchive: Bool = false, options: [ToolOption] = [],
        deadline: Duration
    ) async throws(PostgresControlError) -> Report {
        let directory = config.dataDirectory
        let save = RewindSave(dataDirectory: directory)
        let marker = UnfinishedMarker(operation: "rewind", source: "\(source.host):\(source.port)")
        let before = try await Disk.run { () throws(PostgresControlError) in try Self.begin(marker, directory) }
        let result: ToolRun.Result
        do throws(PostgresControlError) {
            // A cut-off run may have put the source's timeline into the control file: only pg_rewind compares then.
            let own = before.isResuming ? Timeline(0) : control.timeline
            let survey = try await RewindSource(upstream: source).survey(own: own)
            if !before.isResuming { try await prepare(control, save, deadline) }
            try await Disk.run(within: .seconds(600)) { () throws(PostgresControlError) in
                try save.restore(overwritten: survey.walFiles)
            }
            result = try await tool.run(
                arguments(source, restoreFromArchive, options), passfile: source.passfile, deadline: deadline)
        } catch {
            if error.outcome == .didNotHappen { try await restore(before) }
            throw error
        }
        var outcome = Self.outcome(result, ToolRun.failure(installation.path(of: .pgRewind), result).message)
        if outcome == .notNeeded, before.isResuming {
            outcome = .unfinished("pg_rewind sees nothing to do in a directory that an earlier run has changed")
        }
        let (divergedAt, timeline) = Self.divergence(in: result.output)
        let ownEnd = try await Disk.run { () throws(PostgresControlError) in try save.ownEnd() } ?? .zero
        var kept: FilePath?
        switch outcome {
        case .rewound, .notNeeded:
            let segmentSize = await installation.walSegmentSize(directory)
            kept = try await Disk.run(within: .seconds(600)) { () throws(PostgresControlError) in
                try StandbySignal.writeNow(in: directory)  // the source has none, so pg_rewind removed ours
                if let divergedAt { try save.giveBack(before: divergedAt, segmentSize: segmentSize) }
                try UnfinishedMarker.remove(for: directory)
                return try save.keepDiverged(from: divergedAt, timeline: timeline, segmentSize: segmentSize)
            }
        case .refused: try await restore(before)
        case .unfinished: break
        }
        return Report(outcome: outcome, divergedAt: divergedAt, timeline: timeline, ownEnd: ownEnd, kept: kept)
    }

    /// A clean end of the own WAL, and a copy of what pg_rewind is going to replace.
    private func prepare(
        _ control: ControlFile, _ save: RewindSave, _ deadline: Duration
    ) async throws(PostgresControlError) {
        let directory = config.dataDirectory
        let ownEnd = await installation.endOfWAL(directory, control: control)
        if control.state != .shutDown, control.state != .shutDownInRecovery {
            let server = installation.path(of: .postgres)
            let recovered = try await tool.run(
                [
                    server.string, "--single", "-D", directory.string, "-c", "config_file=\(config.configFile.string)",
                    "template1",
                ], deadline: deadline)
            // However far it came, the directory is a crashed server's, as before.
            guard recovered.succeeded else { throw ToolRun.failure(server, recovered, outcome: .didNotHappen) }
        }
        try await Disk.run(within: .seconds(600)) { () throws(PostgresControlError) in try save.take(ownEnd: ownEnd) }
    }

    /// What has to be put back when nothing was changed.
    private struct Before: Sendable {
        let wasUnfinished: Bool
        let wasStandby: Bool
        /// A rewind was cut off after everything that it needs had been kept: pg_rewind may have run.
        let isResuming: Bool
    }

    private static func begin(
        _ marker: UnfinishedMarker, _ directory: FilePath
    ) throws(PostgresControlError) -> Before {
        let signal = directory.appending("standby.signal")
        let left = try UnfinishedMarker.read(for: directory)
        let before = Before(
            wasUnfinished: left != nil, wasStandby: AtomicFile.exists(signal),
            isResuming: left.map(UnfinishedMarker.isOfRewind) == true && RewindSave(dataDirectory: directory).isComplete
        )
        try marker.write(for: directory)
        // The single-user server that pg_rewind runs after a crash refuses to be a standby.
        try AtomicFile.remove(signal)
        return before
    }

    private func restore(_ before: Before) async throws(PostgresControlError) {
        let directory = config.dataDirectory
        try await Disk.run { () throws(PostgresControlError) in
            if before.wasStandby { try StandbySignal.writeNow(in: directory) }
            if !before.wasUnfinished { try UnfinishedMarker.remove(for: directory) }
        }
    }

    func arguments(_ source: Upstream, _ restoreFromArchive: Bool, _ options: [ToolOption]) -> [String] {
        // Not "read-write": a promoted server of a mesh is read-only to sessions for as long as its gate is shut.
        let conninfo = source.connection(targetSessionAttributes: "primary").conninfo(includingPassword: false)
        var arguments = [installation.path(of: .pgRewind).string]
        if restoreFromArchive { arguments.append("--restore-target-wal") }
        arguments += ["--config-file=\(config.configFile.string)", "-D", config.dataDirectory.string]
        arguments += ["--source-server", conninfo]
        return arguments + options.map(\.argument)
    }

    static func outcome(_ result: ToolRun.Result, _ failure: String) -> Outcome {
        if result.succeeded { return result.output.contains("no rewind required") ? .notNeeded : .rewound }
        // This line comes before the first change of a file. Without it, and without a signal, nothing was touched.
        let started = result.output.contains("ewinding from last common checkpoint") || result.status & 0x7f != 0
        return started ? .unfinished(failure) : .refused(failure)
    }

    /// `servers diverged at WAL location 0/3000000 on timeline 1`.
    static func divergence(in output: String) -> (LSN?, Timeline?) {
        guard let start = output.firstRange(of: "diverged at WAL location ") else { return (nil, nil) }
        let words = output[start.upperBound...].prefix { !$0.isNewline }.split(separator: " ")
        let timeline = words.last.flatMap { UInt32($0) }.map { Timeline($0) }
        return (words.first.flatMap { LSN($0) }, timeline)
    }
}
