import AdminModel
import HACore
import Logging
import PostgresControl
import SystemPackage

extension EffectHandlers {
    /// Rewinds to `member`, the leader, for as long as it is the leader; what is cut off is taken up by the next look.
    func rewind(from member: MemberID) async throws(EffectFailure) {
        let local = settings.local.postgresql
        let upstream = try await source(member, as: local.rewind ?? local.superuser)
        guard let leader = latest.tree?.view.leader, leader.member == member else {
            throw EffectFailure("\(member) does not lead any more")
        }
        defer { latest.upstream = nil }
        let result = await outcome(while: { latest.tree?.view.leader?.term == leader.term }) {
            try await rewind(to: upstream)
        }
        await observer.invalidateDirectory()
        switch result {
        case .success(let (report, control)): try await conclude(report, member, control)
        case .failure(let error): throw EffectFailure("\(error)")
        }
    }

    /// - Returns: also what the control file said before.
    private func rewind(to upstream: Upstream) async throws -> (Rewinder.Report, ControlFile) {
        // pg_rewind and the recovery before it read the settings from the file, not from a command line.
        let parameters = await server.parameters(as: .standby)
        try await server.writeConfiguration(as: .standby, following: nil, parameters)
        let runner = try server.keeper.client()
        // What a cut-off run has left may be half a file under the name of a whole one.
        if case .ready = latest.local?.directory { await archivePending(parameters, runner) }
        let control = try await server.inspector.controlData(server.dataDirectory).control
        await server.clearLocks(parameters)
        let report = try await Rewinder(
            installation: server.installation, config: server.config, runner: runner,
            output: server.keeper.runtime.toolOutput("pg_rewind")
        ).rewind(
            to: upstream, control: control,
            options: settings.postgres.rewindOptions.map(ToolOption.init), deadline: .seconds(3600))
        return (report, control)
    }

    /// Best effort: an archive that does not take them must not keep this member out of the cluster.
    private func archivePending(_ parameters: ServerParameters, _ runner: any ToolRunner) async {
        guard let command = parameters.archiveCommand else { return }
        do {
            let report = try await PendingArchive(
                dataDirectory: server.dataDirectory, runner: runner,
                output: server.keeper.runtime.toolOutput("archive_command")
            ).archive(with: command, deadline: .seconds(120))
            if !report.archived.isEmpty {
                logger.notice(
                    "archived before the rewind",
                    metadata: ["wal_files": "\(report.archived.joined(separator: " "))"])
            }
            if let failure = report.failure { logger.warning("not archived before the rewind: \(failure)") }
        } catch {
            logger.warning("cannot archive before the rewind: \(error)")
        }
    }

    private func conclude(
        _ report: Rewinder.Report, _ member: MemberID, _ control: ControlFile
    ) async throws(EffectFailure) {
        switch report.outcome {
        case .refused(let why), .unfinished(let why): throw EffectFailure(why)
        case .notNeeded where control.state == .shutDown || control.state == .shutDownInRecovery:
            // Up to 15 it compares the timelines of checkpoints alone: none was written on the one that was promoted to.
            throw EffectFailure("pg_rewind sees no divergence from \(member), and changed nothing")
        case .notNeeded: logger.notice("no rewind to \(member) was needed")
        case .rewound:
            guard let fork = report.divergedAt, let timeline = report.timeline else {
                return logger.notice("rewound to \(member)")
            }
            let wal = GivenUpWAL(timeline: timeline, from: fork, to: max(fork, report.ownEnd))
            await observer.note(givenUp: wal)
            logger.notice(
                "rewound to \(member): \(wal.bytes) bytes of own WAL were given up",
                metadata: [
                    "timeline": "\(timeline)", "diverged_at": "\(fork)", "own_end": "\(wal.to)",
                    "kept_in": "\(report.kept?.string ?? "nowhere")",
                ])
        }
    }
}
