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
        let cases = try BenchCase.chosen(options, of: FaultScenario.all)
        let run = BenchRun(options, cases, try await ZooKeeperEnsemble.start(tick: BenchCluster.tick))
        let table = await run.table()
        print("\n\(table.text)\n")
        for failure in table.failures(of: [.floor, .matriarch]) { Issue.record("\(failure)") }
    }
}

/// One run: each scenario in each mode, each round, one subject after the other, so that what else the machine does meets all.
private final class BenchRun {
    private let options: BenchOptions
    private let cases: [BenchCase]
    private let ensemble: ZooKeeperEnsemble
    private var clusters: [Subject: BenchCluster] = [:]

    init(_ options: BenchOptions, _ cases: [BenchCase], _ ensemble: ZooKeeperEnsemble) {
        self.options = options
        self.cases = cases
        self.ensemble = ensemble
    }

    func table() async -> BenchTable {
        var table = BenchTable(order: cases.map(\.name))
        for one in cases {
            for number in 1...options.rounds {
                for subject in Subject.allCases where takesPart(subject, one) {
                    do {
                        let outcome = try await outcome(of: one, subject)
                        say(one, subject, number, outcome)
                        table.add(one.name, subject, outcome)
                    } catch {
                        Self.note("    \(one.name) \(number), \(subject), failed: \(error)\n")
                        table.fail(one.name, subject, "round \(number): \(error)")
                        await discard(subject, after: error)
                    }
                }
            }
            await undo(one)
        }
        for subject in clusters.keys { await clusters[subject]?.cluster.discard() }
        try? await ensemble.stop()
        return table
    }

    private func takesPart(_ subject: Subject, _ one: BenchCase) -> Bool {
        switch subject {
        case .floor: one.scenario.floor != nil
        case .matriarch: true
        case .patroni: options.withPatroni
        }
    }

    private func outcome(of one: BenchCase, _ subject: Subject) async throws -> Outcome {
        if subject == .floor, let floor = one.scenario.floor { return try await floor(one.mode) }
        let cluster = try await cluster(of: subject, one)
        return try await one.scenario.round(cluster, one.mode)
    }

    /// The subject's cluster, with the settings of the scenario and the mode: a new one when it has none.
    private func cluster(of subject: Subject, _ one: BenchCase) async throws -> BenchCluster {
        let cluster: BenchCluster
        if let found = clusters[subject] {
            cluster = found
        } else {
            cluster = try await BenchCluster(subject, ensemble)
            clusters[subject] = cluster
        }
        if !one.settings.isEmpty, !configured.contains(subject) {
            try await cluster.configure(one.settings)
            configured.insert(subject)
        }
        return cluster
    }
    private var configured: Set<Subject> = []

    private func undo(_ one: BenchCase) async {
        let removed = one.settings.map { (key: $0.key, value: "null") }
        for subject in configured {
            do { try await clusters[subject]?.configure(removed) } catch { await discard(subject, after: error) }
        }
        configured = []
    }

    /// A cluster that a round left broken would spoil the next one.
    private func discard(_ subject: Subject, after error: any Error) async {
        guard let cluster = clusters.removeValue(forKey: subject)?.cluster else { return }
        configured.remove(subject)
        Self.note("\(subject): \(error)\n\(cluster.report())")
        await cluster.discard()
    }

    /// Progress, since a run takes long.
    private func say(_ one: BenchCase, _ subject: Subject, _ number: Int, _ outcome: Outcome) {
        let times = outcome.times.map { "\($0.what) \(BenchTable.words($0.time))" }.joined(separator: ", ")
        Self.note("    \(one.name) \(number), \(subject): \(times)\n")
    }

    private static func note(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
