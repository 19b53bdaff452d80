import Foundation
import Testing

/// The tables of docs/patroni.md: a section for each kind of thing, a row for one or several of that kind.
struct ComparisonTable {
    struct Row {
        var line: Int
        /// What is compared, by name. Behaviour without a name has none.
        var items: [String]
        /// The first words of the column that says what Matriarch does.
        var verdict: Verdict?
        var why: String
        /// `Suite.function`.
        var tests: [String]
        /// Why there is no test.
        var excuse: String?
    }

    enum Verdict: String, CaseIterable {
        case same
        case different
        /// Patroni does not have it.
        case ours
        /// Read and accepted, nothing follows from it.
        case withoutEffect = "without effect"
        /// Known, and refused by its name.
        case refused
        /// The code does not know it.
        case missing
    }

    let sections: [String: [Row]]

    init(_ text: String) {
        var sections: [String: [Row]] = [:]
        var section: String?
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("## ") { section = String(line.dropFirst(3)) }
            guard line.hasPrefix("|"), let section else { continue }
            let cells = line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.first != "what", cells.first?.hasPrefix("---") != true else { continue }
            sections[section, default: []].append(Row(cells, line: number + 1))
        }
        self.sections = sections
    }

    /// The document of this checkout.
    static func read() throws -> ComparisonTable {
        ComparisonTable(try String(contentsOf: Checkout.folder.appending(path: "docs/patroni.md"), encoding: .utf8))
    }

    /// What the code must know, and what it must not know.
    func items(of section: String) throws -> (known: [String], unknown: [String]) {
        let rows = try #require(sections[section], "there is no section \(section)")
        return (
            rows.filter { $0.verdict != .missing }.flatMap(\.items),
            rows.filter { $0.verdict == .missing }.flatMap(\.items)
        )
    }
}

extension ComparisonTable.Row {
    init(_ cells: [String], line: Int) {
        self.line = line
        items = cells[0].codeSpans.flatMap(\.alternatives)
        let said = cells.count == 4 ? cells[1] : ""
        verdict = ComparisonTable.Verdict.allCases.first { word in
            said.hasPrefix(word.rawValue) && said.dropFirst(word.rawValue.count).first.map { ",:".contains($0) } ?? true
        }
        why = cells.count == 4 ? cells[2] : ""
        let named = cells.count == 4 ? cells[3] : ""
        tests = named.codeSpans
        excuse = named.hasPrefix("none: ") ? String(named.dropFirst("none: ".count)) : nil
    }
}

extension String {
    /// What stands between backticks.
    fileprivate var codeSpans: [String] {
        split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
            .map { String($0.element) }
    }

    /// `a.{b,c}` means `a.b` and `a.c`.
    fileprivate var alternatives: [String] {
        guard let open = firstIndex(of: "{"), let close = self[open...].firstIndex(of: "}") else { return [self] }
        return self[index(after: open)..<close].split(separator: ",").flatMap { word in
            "\(self[..<open])\(word)\(self[index(after: close)...])".alternatives
        }
    }
}
