import HACore
import LibPQ
import Logging
import PostgresControl

extension EffectHandlers {
    /// While a promotion is under way: ends the sessions that hold up replay, until cancelled (design/postgres.md 5).
    ///
    /// PostgreSQL itself would wait for them for `max_standby_streaming_delay`, 30 s by default, and lowering that does
    /// not help a wait that has begun.
    func clearReplay() async {
        var stuck: (since: Instant, at: LSN)?
        var patience = Duration.milliseconds(300)
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(100), clock: .continuous)
            guard let postmaster = server.keeper.lastStatus?.postmasterPID,
                let status = await monitor.status(
                    postmaster: postmaster, maxAge: .milliseconds(50), deadline: .milliseconds(300)),
                status.sql.inRecovery, let wait = status.sql.replayWait
            else {
                stuck = nil
                continue
            }
            guard let since = stuck?.since, stuck?.at == status.sql.replayed else {
                stuck = (Instant.now, status.sql.replayed)
                continue
            }
            guard Instant.now - since >= patience, !Task.isCancelled else { continue }
            await endSessions(postmaster, wait, status.sql)
            // Whoever comes next has been warned.
            patience = .zero
            stuck = nil
        }
    }

    /// Sessions with a snapshot or an open transaction: one of them is in the way, and which one PostgreSQL does not say.
    private func endSessions(_ postmaster: Int32, _ wait: String, _ sql: SQLStatus) async {
        do {
            let ended = try await monitor.query(
                """
                SELECT a.pid, pg_get_userbyid(a.usesysid) AS role, a.application_name, pg_terminate_backend(a.pid)
                FROM pg_stat_get_activity(NULL) a
                WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
                  AND (a.backend_xmin IS NOT NULL OR a.xact_start IS NOT NULL)
                """, postmaster: postmaster, deadline: .seconds(1))
            for row in ended.rows {
                logger.warning(
                    "ended a session that may hold up the promotion",
                    metadata: [
                        "pid": "\(row["pid"] ?? "?")", "role": "\(row["role"] ?? "?")",
                        "application": "\(row["application_name"] ?? "")", "replay_waits": "\(wait)",
                        "replayed": "\(sql.replayed)", "received": "\(sql.received)",
                    ])
            }
        } catch {
            logger.warning("replay waits (\(wait)) and the sessions in its way cannot be ended: \(error)")
        }
    }
}
