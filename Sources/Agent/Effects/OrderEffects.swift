import AdminModel
import HACore
import Logging
import PostgresControl

extension EffectHandlers {
    /// Has the keeper enforce no deadline while the cluster is paused, or enforce it again.
    func pauseKeeper(_ paused: Bool) async throws(EffectFailure) {
        // Before: a lock that is lost meanwhile must not stop anything. After: from the moment the deadline counts.
        if paused { lock.guardian.setPaused(true) }
        do { try await server.keeper.client().setMode(paused ? .paused : .normal) } catch {
            throw EffectFailure("\(error)")
        }
        if !paused { lock.guardian.setPaused(false) }
    }

    /// From here on nothing stops PostgreSQL, neither the lease's end nor a lock that is lost.
    func detach() async throws(EffectFailure) {
        lock.guardian.setPaused(true)
        do { try await server.keeper.client().setMode(.detached) } catch {
            lock.guardian.setPaused(latest.local?.keeperPaused == true)
            throw EffectFailure("\(error)")
        }
    }

    /// A planned stop that is followed by a start here: the checkpoint is written while clients go on.
    func stopForRestart() async throws(EffectFailure) {
        await checkpointBeforeStop()
        try await server.stop(fastFor: .seconds(60))
        await observer.invalidateDirectory()
    }

    /// Best effort: it only makes the stop short.
    func checkpointBeforeStop() async {
        do { _ = try await monitor.execute("CHECKPOINT", deadline: .seconds(60)) } catch {
            logger.warning("stopping without a checkpoint before: \(error)")
        }
    }

    /// What was planned, if it still is what was meant (contract/patroni.md 4.9).
    func beginScheduledRestart() async {
        guard let restart = orders.unschedule() else { return }
        let status = await presentStatus()
        let late = Instant.now - restart.dueAt
        var obstacle = restart.conditions.obstacle(
            role: status?.sql.inRecovery == false ? .primary : .replica, serverVersion: status?.serverVersion,
            isPending: !pending.changes.isEmpty)
        if late > settings.policy.loopWait * 3 / 2 { obstacle = "its time was \(late.milliseconds / 1000) s ago" }
        if let start = restart.postmasterStartTime, start != status?.postmasterStartTime {
            obstacle = "PostgreSQL was started meanwhile"
        }
        if let obstacle { return logger.notice("the scheduled restart is not done: \(obstacle)") }
        do { try orders.place(.restart(timeout: restart.timeout)) } catch {
            logger.notice("the scheduled restart is not done: \(error.action) already in progress")
        }
    }

    private func presentStatus() async -> ServerStatus? {
        guard let pid = server.keeper.lastStatus?.postmasterPID else { return nil }
        return await monitor.lastStatus(postmaster: pid)
    }
}
