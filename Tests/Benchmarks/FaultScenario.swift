import Support

/// One fault with three members, and what PostgreSQL alone needs for the same.
struct FaultScenario: Sendable {
    /// As `ONLY` names it.
    let name: String
    /// Nil where PostgreSQL alone has nothing to compare with.
    let floor: (@Sendable (BenchMode) async throws -> Outcome)?
    /// Keys of the shared configuration that hold during the scenario.
    var settings: [(key: String, value: String)] = []
    var modes: Set<BenchMode> = [.plain]
    let round: @Sendable (BenchCluster, BenchMode) async throws -> Outcome

    static let all = [
        FaultScenario(
            name: "crash-failover", floor: Floor.promotion, settings: [("primary_start_timeout", "0")],
            modes: Set(BenchMode.allCases), round: { try await $0.crash($1, thenLeads: .another) }),
        FaultScenario(
            name: "crash-restart", floor: Floor.restart, settings: [("primary_start_timeout", "60")],
            modes: Set(BenchMode.allCases),
            round: { try await $0.crash($1, thenLeads: .theSame) }),
        FaultScenario(
            name: "node", floor: Floor.latePromotion, modes: Set(BenchMode.allCases),
            round: { try await $0.loseNode($1, withZooKeeperLeader: false) }),
        FaultScenario(
            name: "node-zookeeper", floor: Floor.latePromotion,
            round: { try await $0.loseNode($1, withZooKeeperLeader: true) }),
        FaultScenario(
            name: "switchover", floor: Floor.handOver, modes: Set(BenchMode.allCases),
            round: { try await $0.switchover($1) }),
        FaultScenario(
            name: "sigterm", floor: Floor.handOver, modes: Set(BenchMode.allCases),
            round: { try await $0.terminate($1) }),
        FaultScenario(name: "agent", floor: nil, round: { try await $0.killAgent($1) }),
        FaultScenario(name: "replica", floor: Floor.replica, round: { try await $0.killReplica($1) }),
        FaultScenario(
            name: "cold-start", floor: Floor.fromNothing, round: { cluster, _ in try await cluster.coldStart() }),
    ]
}
