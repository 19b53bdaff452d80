/// A table with lines around it, byte by byte as prettytable 3 draws it for `patronictl`, with a title in the first
/// line. No table library writes this, and other programs read these lines.
struct BoxTable {
    var columns: [String]
    var rows: [[String]]
    /// Titles of columns whose cells stand at their right edge.
    var rightAligned: Set<String> = []
    /// Written into the first line; empty: none.
    var title = ""

    /// Without a line break at its end.
    var text: String {
        let cells = rows.map { row in
            row.map { $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
        }
        let widths = columns.indices.map { column in
            cells.reduce(Self.width(columns[column])) { widest, row in
                row[column].reduce(widest) { max($0, Self.width($1)) }
            }
        }
        let rule = "+" + widths.map { String(repeating: "-", count: $0 + 2) + "+" }.joined()
        let hasTallRow = cells.contains { $0.contains { $0.count > 1 } }
        var lines = [titled(rule), line(columns, widths), rule]
        for row in cells {
            for index in 0..<(row.map(\.count).max() ?? 1) {
                lines.append(line(row.map { index < $0.count ? $0[index] : "" }, widths))
            }
            if hasTallRow { lines.append(rule) }
        }
        if !hasTallRow { lines.append(rule) }
        return lines.joined(separator: "\n")
    }

    private func titled(_ rule: String) -> String {
        let title = title.prefix(max(0, rule.count - 2))
        return String(rule.prefix(1) + title + rule.dropFirst(1 + title.count))
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        let padded = cells.indices.map { column in
            let space = String(repeating: " ", count: max(0, widths[column] - Self.width(cells[column])))
            return " " + (rightAligned.contains(columns[column]) ? space + cells[column] : cells[column] + space) + " "
        }
        return "|" + padded.joined(separator: "|") + "|"
    }

    /// Columns of a terminal: East Asian characters and pictures take two, combining marks none.
    static func width(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { sum, scalar in
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format, .control: sum
            default: sum + (wide.contains { $0.contains(scalar.value) } ? 2 : 1)
            }
        }
    }

    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
        0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD,
    ]
}
