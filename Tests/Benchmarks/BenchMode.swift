import Support

/// What else goes on while a fault happens.
enum BenchMode: String, CaseIterable {
    /// One client writes.
    case plain
    /// pgbench writes beside it; replication is asynchronous.
    case load
    /// The same, and a commit waits for a standby, always.
    case strict

    var isLoaded: Bool { self != .plain }

    /// Keys of the shared configuration that hold meanwhile.
    var settings: [(key: String, value: String)] {
        self == .strict ? [("synchronous_mode", "true"), ("synchronous_mode_strict", "true")] : []
    }

    fileprivate var words: String {
        switch self {
        case .plain: ""
        case .load: " under load"
        case .strict: " strict under load"
        }
    }
}

/// A scenario in one mode: some rows of the table.
struct BenchCase: Sendable {
    let scenario: FaultScenario
    let mode: BenchMode

    var name: String { scenario.name + mode.words }
    var settings: [(key: String, value: String)] { scenario.settings + mode.settings }

    /// What was asked for, the modes of a scenario beside one another.
    /// - Throws: `SupportError` when nothing is left.
    static func chosen(_ options: BenchOptions, of all: [FaultScenario]) throws -> [BenchCase] {
        let chosen = all.filter { options.scenarios.contains($0.name) }.flatMap { scenario in
            BenchMode.allCases.filter { options.modes.contains($0) && scenario.modes.contains($0) }
                .map { BenchCase(scenario: scenario, mode: $0) }
        }
        guard chosen.isEmpty else { return chosen }
        let loaded = all.filter { $0.modes.contains(.load) }.map(\.name).joined(separator: ", ")
        throw SupportError(
            "MODE is '\(options.modes.map(\.rawValue).sorted().joined(separator: ","))', in which nothing of ONLY runs: "
                + "plain is allowed with each scenario, load and strict with \(loaded)")
    }
}
