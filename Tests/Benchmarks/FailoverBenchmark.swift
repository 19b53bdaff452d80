import Foundation
import Support
import Testing

/// Failovers and switchovers as a client sees them, beside PostgreSQL alone and beside Patroni: `make bench`.
///
/// Numbers are printed and not asserted: a machine that is busy makes them worse. What fails is a round that did not do
/// what it was to measure.
@Suite(.serialized, .timeLimit(.minutes(600)))
struct FailoverBenchmark {
    @Test func scenarios() async throws {
        let options = try BenchOptions(
            ProcessInfo.processInfo.environment, known: FaultScenario.all.map(\.name))
        let run = BenchRun(options, try await ZooKeeperEnsemble.start(tick: BenchCluster.tick))
        let table = await run.table()
        print("\n\(table.text)\n")
        for failure in table.failures(of: [.floor, .matriarch]) { Issue.record("\(failure)") }
    }
}

/// One run: each scenario, each round, one subject after the other, so that what else the machine does meets all.
private final class BenchRun {
    private let options: BenchOptions
    private let ensemble: ZooKeeperEnsemble
    private var clusters: [Subject: BenchCluster] = [:]

    init(_ options: BenchOptions, _ ensemble: ZooKeeperEnsemble) {
        self.options = options
        self.ensemble = ensemble
    }

    func table() async -> BenchTable {
        let scenarios = FaultScenario.all.filter { options.scenarios.contains($0.name) }
        var table = BenchTable(order: scenarios.map(\.name))
        for scenario in scenarios {
            for number in 1...options.rounds {
                for subject in Subject.allCases where takesPart(subject, scenario) {
                    do {
                        let outcome = try await outcome(of: scenario, subject)
                        say(scenario, subject, number, outcome)
                        table.add(scenario.name, subject, outcome)
                    } catch {
                        table.fail(scenario.name, subject, "round \(number): \(error)")
                        await discard(subject, after: error)
                    }
                }
            }
            await undo(scenario)
        }
        for subject in clusters.keys { await clusters[subject]?.cluster.discard() }
        try? await ensemble.stop()
        return table
    }

    private func takesPart(_ subject: Subject, _ scenario: FaultScenario) -> Bool {
        switch subject {
        case .floor: scenario.floor != nil
        case .matriarch: true
        case .patroni: options.withPatroni
        }
    }

    private func outcome(of scenario: FaultScenario, _ subject: Subject) async throws -> Outcome {
        if subject == .floor, let floor = scenario.floor { return try await floor() }
        let cluster = try await cluster(of: subject, scenario)
        return try await scenario.round(cluster)
    }

    /// The subject's cluster: a new one, with the scenario's setting, when it has none.
    private func cluster(of subject: Subject, _ scenario: FaultScenario) async throws -> BenchCluster {
        let cluster: BenchCluster
        if let found = clusters[subject] {
            cluster = found
        } else {
            cluster = try await BenchCluster(subject, ensemble)
            clusters[subject] = cluster
        }
        if let (key, value) = scenario.setting, !configured.contains(subject) {
            try await cluster.configure(key, value)
            configured.insert(subject)
        }
        return cluster
    }
    private var configured: Set<Subject> = []

    private func undo(_ scenario: FaultScenario) async {
        guard let key = scenario.setting?.key else { return }
        for subject in configured {
            do { try await clusters[subject]?.configure(key, "null") } catch { await discard(subject, after: error) }
        }
        configured = []
    }

    /// A cluster that a round left broken would spoil the next one.
    private func discard(_ subject: Subject, after error: any Error) async {
        guard let cluster = clusters.removeValue(forKey: subject)?.cluster else { return }
        configured.remove(subject)
        FileHandle.standardError.write(Data("\(subject): \(error)\n\(cluster.report())".utf8))
        await cluster.discard()
    }

    /// Progress, since a run takes long.
    private func say(_ scenario: FaultScenario, _ subject: Subject, _ number: Int, _ outcome: Outcome) {
        let times = outcome.times.map { "\($0.what) \(BenchTable.words($0.time))" }.joined(separator: ", ")
        FileHandle.standardError.write(Data("    \(scenario.name) \(number), \(subject): \(times)\n".utf8))
    }
}
