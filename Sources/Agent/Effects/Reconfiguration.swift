import AdminModel
import HACore
import Logging
import NIOConcurrencyHelpers
import PostgresControl

extension EffectHandlers {
    /// The configuration has changed since it was last given to the server that runs, and can be given to it now.
    var isConfigurationDue: Bool {
        guard settings.unapplied != nil, let local = latest.local, local.isRunning, !local.stopRequested,
            let sql = local.sql, !sql.isInferred
        else { return false }
        // Whom a standby follows stands in the same file: without it, it would be cut off.
        guard sql.inRecovery, let following = latest.following else { return !sql.inRecovery }
        return following.member == nil || followed() != nil
    }

    /// Gives the running server what the cluster's document says of it now (contract/patroni.md 3.1): what can hold
    /// without a restart holds.
    ///
    /// To be called while no effect runs: they write the same files.
    func configure() async throws(EffectFailure) {
        guard let revision = settings.unapplied, isConfigurationDue, let sql = latest.local?.sql else { return }
        if !sql.inRecovery { keepSynchronous(sql) }
        if try await writeConfiguration() {
            try await server.reload()
            logger.info("PostgreSQL reads its changed configuration")
        }
        settings.applied(revision)
    }

    /// Into the files, for the role that the server has.
    /// - Returns: true when anything differed.
    func writeConfiguration() async throws(EffectFailure) -> Bool {
        let isStandby = latest.local?.sql?.inRecovery ?? true
        do {
            var parameters = await server.parameters(as: isStandby ? .standby : .primary)
            if isStandby {
                parameters = parameters.raised(to: try await server.inspector.controlData(server.dataDirectory))
            }
            return try await server.writeConfiguration(
                as: isStandby ? .standby : .primary, following: followed(), parameters)
        } catch { throw EffectFailure("\(error)") }
    }

    /// An agent that was restarted has not told its PostgreSQL whom to wait for: that stays as it is.
    private func keepSynchronous(_ sql: SQLStatus) {
        guard settings.dynamic.values.synchronousMode || latest.tree?.sync.isOff != true,
            let names = sql.synchronousNames
        else { return }
        server.synchronous.withLockedValue { if $0 == .unmanaged { $0 = SynchronousNames(setting: names) } }
    }
}
