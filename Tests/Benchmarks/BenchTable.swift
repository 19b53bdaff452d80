/// Who was measured.
enum Subject: String, CaseIterable {
    /// PostgreSQL alone: what no agent can undercut.
    case floor
    case matriarch
    case patroni
}

/// All that one run measured, as the table that it prints.
struct BenchTable {
    private struct Cell {
        var order: [String] = []
        var samples: [String: Sample] = [:]
        var counts: [String: Int] = [:]
        var phases: [Phase: Sample] = [:]
        var failures: [String] = []
    }

    private let order: [String]
    private var cells: [String: [Subject: Cell]] = [:]

    /// - Parameter order: the names of the scenarios.
    init(order: [String]) { self.order = order }

    mutating func add(_ scenario: String, _ subject: Subject, _ outcome: Outcome) {
        change(scenario, subject) { cell in
            for (what, time) in outcome.times {
                if cell.samples[what] == nil { cell.order.append(what) }
                cell.samples[what, default: Sample()].add(time)
            }
            for (phase, time) in outcome.phases { cell.phases[phase, default: Sample()].add(time) }
            cell.counts.merge(outcome.counts, uniquingKeysWith: +)
        }
    }

    mutating func fail(_ scenario: String, _ subject: Subject, _ reason: String) {
        change(scenario, subject) { $0.failures.append(reason) }
    }

    func failures(of subjects: [Subject]) -> [String] {
        order.flatMap { scenario in subjects.flatMap { cells[scenario]?[$0]?.failures ?? [] } }
    }

    private mutating func change(_ scenario: String, _ subject: Subject, _ body: (inout Cell) -> Void) {
        body(&cells[scenario, default: [:]][subject, default: Cell()])
    }

    // MARK: Text

    /// The table in Markdown, then that of the phases, counts above zero, and each failed round.
    var text: String {
        let head =
            "| scenario | who | N | median | p99 | max | of the floor | of Patroni |\n|---|---|---|---|---|---|---|---|"
        let lists = [[head] + lines(rows), phaseLines, lines(counts) + lines(failures)]
        return lists.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") }.joined(separator: "\n\n")
    }

    private var phaseLines: [String] {
        let rows = lines { scenario, _, cell in
            guard !cell.phases.isEmpty else { return [] }
            let columns = Phase.allCases.map { phase in
                let sample = cell.phases[phase] ?? Sample()
                return sample.median.map { "\(Self.words($0)) (\(Self.words(sample.maximum)))" } ?? ""
            }
            return ["| \(([scenario] + columns).joined(separator: " | ")) |"]
        }
        let names = ["phases: median (max)"] + Phase.allCases.map(\.rawValue)
        let head = ["| \(names.joined(separator: " | ")) |", "|\(String(repeating: "---|", count: names.count))"]
        return rows.isEmpty ? [] : head + rows
    }

    private func lines(_ make: (String, Subject, Cell) -> [String]) -> [String] {
        order.flatMap { scenario in
            Subject.allCases.flatMap { subject in
                cells[scenario]?[subject].map { make(scenario, subject, $0) } ?? []
            }
        }
    }

    private func rows(_ scenario: String, _ subject: Subject, _ cell: Cell) -> [String] {
        cell.order.compactMap { what in
            guard let sample = cell.samples[what], let median = sample.median else { return nil }
            let columns = [
                "\(scenario): \(what)", subject.rawValue, "\(sample.values.count)", Self.words(median),
                Self.words(sample.rank(0.99)), Self.words(sample.maximum),
                subject == .floor ? "" : ratio(median, scenario, .floor, what),
                subject == .matriarch ? ratio(median, scenario, .patroni, what) : "",
            ]
            return "| " + columns.joined(separator: " | ") + " |"
        }
    }

    private func counts(_ scenario: String, _ subject: Subject, _ cell: Cell) -> [String] {
        let found = cell.counts.filter { $0.value > 0 }.sorted { $0.key < $1.key }
        let words = found.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return found.isEmpty ? [] : ["\(scenario), \(subject): \(words)"]
    }

    private func failures(_ scenario: String, _ subject: Subject, _ cell: Cell) -> [String] {
        cell.failures.map { "\(scenario), \(subject), failed: \($0)" }
    }

    private func ratio(_ median: Duration, _ scenario: String, _ subject: Subject, _ what: String) -> String {
        guard let other = cells[scenario]?[subject]?.samples[what]?.median, other > .zero else { return "" }
        return Self.decimals(median / other, 2)
    }

    static func words(_ duration: Duration?) -> String {
        duration.map { "\(decimals($0 / .milliseconds(1), 1)) ms" } ?? ""
    }

    /// Rounded; always with this many decimals.
    private static func decimals(_ value: Double, _ count: Int) -> String {
        let scale = count == 1 ? 10 : 100
        let whole = Int((value * Double(scale)).rounded())
        let rest = String(abs(whole) % scale)
        let sign = whole < 0 ? "-" : ""
        return "\(sign)\(abs(whole) / scale).\(String(repeating: "0", count: count - rest.count))\(rest)"
    }
}
