import Agent
import HACore

/// The metrics `matriarch_spock_*`. What only a leader knows, only a leader has.
struct MeshMetrics: Sendable {
    let status: MeshStatus
    let letsClientsWrite: Bool

    func add(to metrics: inout MetricsText) {
        let facts = MeshFacts.of(
            own: status.own, peers: status.peers, intents: status.intents, settings: status.settings, view: status.view)
        metrics.gauge(
            "matriarch_spock_clients_let_in", letsClientsWrite,
            "1 if the gate of clients is open on this member, else 0.")
        metrics.gauge(
            "matriarch_spock_gated", status.own?.state == .gated,
            "1 if the cluster was promoted and is not yet checked against its peers, else 0.")
        let kinds = Dictionary(grouping: status.own?.findings ?? [], by: \.kind)
        metrics.add(
            .gauge, "matriarch_spock_findings",
            "What the cluster has on record as lost, skipped or out of step, by kind.",
            MeshFinding.Kind.allCases.map { ([("kind", $0.rawValue)], String(kinds[$0]?.count ?? 0)) })
        guard status.view != nil else { return }
        add("matriarch_spock_link_up", "1 if changes of the peer are applied here, else 0.", facts, to: &metrics) {
            $0.incoming.isUp ? 1 : 0
        }
        add(
            "matriarch_spock_lag_bytes", "WAL that the peer has not confirmed.", facts, to: &metrics,
            \.outgoing.lagBytes)
        add(
            "matriarch_spock_slot_retained_bytes", "WAL that the slot of the peer keeps.", facts, to: &metrics,
            \.outgoing.retained)
        add(
            "matriarch_spock_hold_slot_retained_bytes", "WAL that the hold slot of the peer keeps.", facts,
            to: &metrics,
            \.outgoing.holdRetained)
    }

    private func add(
        _ name: String, _ help: String, _ facts: [MeshFacts], to metrics: inout MetricsText,
        _ value: (MeshFacts) -> UInt64?
    ) {
        let samples = facts.compactMap { fact in
            value(fact).map { ([("database", fact.link.database), ("peer", fact.link.peer)], String($0)) }
        }
        guard !samples.isEmpty else { return }
        metrics.add(.gauge, name, help, samples.map { (own: $0.0.map { (name: $0.0, value: $0.1) }, value: $0.1) })
    }
}
