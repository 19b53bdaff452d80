package import AdminModel
internal import LocalConfiguration

/// `--format`.
package enum OutputFormat: String, Sendable, CaseIterable {
    case pretty, tsv, json, yaml, yml
}

/// Rows under titles, to be printed in any format.
package struct Listing: Sendable {
    /// Nil for a row that is a message; `pretty` then numbers its fields.
    package var columns: [String]?
    package var rows: [[JSONValue]]
    package var rightAligned: Set<String> = []
    /// Of the box.
    package var title = ""
    /// Whether JSON and YAML leave out what prints as empty text.
    package var omitsEmpty = false
    package var delimiter = "\t"

    package init(_ columns: [String]?, _ rows: [[JSONValue]]) {
        self.columns = columns
        self.rows = rows
    }

    /// Without a line break at its end. YAML has one of its own beside it, so that a blank line follows.
    package func text(_ format: OutputFormat) -> String {
        switch format {
        case .json: return objects.text(.spaced)
        case .yaml, .yml: return YAMLWriter.text(objects)
        case .tsv:
            let lines = (columns.map { [$0] } ?? []) + rows.map { $0.map(\.pythonText) }
            return lines.map { $0.joined(separator: delimiter) }.joined(separator: "\n")
        case .pretty:
            let count = columns?.count ?? rows.first?.count ?? 0
            return BoxTable(
                columns: columns ?? (1...max(1, count)).map { "Field \($0)" }, rows: rows.map { $0.map(\.pythonText) },
                rightAligned: rightAligned, title: title
            ).text
        }
    }

    private var objects: JSONValue {
        .array(
            rows.map { row in
                let members = zip(columns ?? [], row).filter { !omitsEmpty || !$0.1.pythonText.isEmpty }
                return .object(JSONObject(members.map { ($0.0, $0.1) }))
            })
    }
}
