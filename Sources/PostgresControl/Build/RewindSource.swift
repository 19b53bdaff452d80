import HACore
import LibPQ

/// The server to rewind to, looked at right before: only one that is ahead of this directory for certain will do
/// (contract/patroni.md 4.12).
struct RewindSource: Sendable {
    struct Survey: Hashable, Sendable {
        let timeline: Timeline
        /// What lies in its `pg_wal`.
        let walFiles: Set<String>
    }

    let upstream: Upstream

    /// - Throws: `.wrongState` when it is in recovery, has not written its checkpoint since its promotion (its control
    ///   file would show the old timeline and pg_rewind see nothing to do), or is on an older timeline than `own`;
    ///   `.tool` when it cannot be asked.
    func survey(own: Timeline, deadline: Duration = .seconds(5)) async throws(PostgresControlError) -> Survey {
        let name = "\(upstream.host):\(upstream.port)"
        do throws(PostgresError) {
            let (answer, files) = try await PostgresConnection.use(
                upstream.connection(applicationName: "Matriarch rewind"), deadline: deadline
            ) { connection throws(PostgresError) in
                (
                    try await connection.query(Self.question, deadline: deadline),
                    try await connection.query(
                        "SELECT pg_ls_dir('pg_wal', true, false) AS name", deadline: deadline)
                )
            }
            let row = try answer.first()
            guard try row.bool("in_recovery") == false, let number = row["timeline"].flatMap({ UInt32($0, radix: 16) })
            else { throw PostgresError(.unexpectedReply, "it is in recovery", outcome: .didNotHappen) }
            let timeline = Timeline(number)
            guard try row.int64("checkpointed") == Int64(number) else {
                throw PostgresError(
                    .unexpectedReply, "it has not written a checkpoint on its timeline \(timeline)",
                    outcome: .didNotHappen)
            }
            guard timeline >= own else {
                throw PostgresError(
                    .unexpectedReply, "its timeline \(timeline) is older than the own one, \(own)",
                    outcome: .didNotHappen)
            }
            return Survey(timeline: timeline, walFiles: Set(files.rows.compactMap { $0["name"] }))
        } catch {
            let unfit = error.code == .unexpectedReply
            throw PostgresControlError(
                unfit ? .wrongState : .tool, "cannot rewind to \(name): \(unfit ? error.message : "\(error)")",
                outcome: .didNotHappen)
        }
    }

    private static let question = """
        SELECT r.in_recovery, (SELECT timeline_id FROM pg_control_checkpoint()) AS checkpointed,
          CASE WHEN NOT r.in_recovery THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline
        FROM (SELECT pg_is_in_recovery() AS in_recovery) r
        """
}
