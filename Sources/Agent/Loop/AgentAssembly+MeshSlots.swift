import AdminModel
import HACore
internal import LocalConfiguration
import Logging
import PostgresControl

extension AgentAssembly {
    /// - Parameters:
    ///   - wakeups: of those who go by what is usable here.
    ///   - mesh: nil while the cluster is in none.
    static func meshSlots(
        _ server: LocalServer, _ sessions: SessionOwner, _ latest: Latest, _ orders: OrderBook,
        wakeups: [Wakeup], mesh: @escaping @Sendable () -> MeshSettings?
    ) -> MeshSlotKeeper {
        let (settings, logger) = (server.settings, server.logger)
        return MeshSlotKeeper(
            MeshSlotKeeper.Surroundings(
                me: server.me, majorVersion: server.majorVersion, dataDirectory: server.dataDirectory, latest: latest,
                mesh: mesh, mayLead: { !settings.tags.nofailover },
                upstream: { member in
                    let local = settings.local.postgresql
                    guard let record = latest.tree?.record(of: member),
                        let upstream = server.upstream(record, as: local.rewind ?? local.superuser),
                        (try? await server.writePassfile(for: upstream)) != nil
                    else { return nil }
                    return upstream
                },
                local: { server.superuserConnection(applicationName: "Matriarch slots") },
                parameters: { await server.parameters(as: .standby).values },
                wake: { for wakeup in wakeups { wakeup.signal() } }),
            restarter: SlotRestarter(
                latest: latest, orders: orders,
                turn: SlotTurn(path: sessions.layout.slotTurn, me: server.me, session: { sessions.session }),
                isStrict: { settings.policy.synchronousStrict }, isPaused: { settings.policy.paused },
                logger: logger),
            logger: logger)
    }
}
