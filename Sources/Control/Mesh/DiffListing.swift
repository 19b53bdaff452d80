package import AdminModel

/// What `spock diff` prints.
package struct DiffListing: Sendable {
    package var database: String
    package var peer: String
    package var diffs: [TableDiff]

    package init(database: String, peer: String, diffs: [TableDiff]) {
        self.database = database
        self.peer = peer
        self.diffs = diffs
    }

    package var isEqual: Bool { diffs.allSatisfy(\.isEqual) }

    package func text(_ format: OutputFormat) -> String {
        guard format == .pretty else { return rows.text(format) }
        var parts = [summary.text(.pretty)]
        if diffs.contains(where: { !$0.rows.isEmpty }) {
            var listing = rows
            listing.columns = listing.columns.map { Array($0.dropFirst(2)) }
            listing.rows = listing.rows.filter { $0[3] != "" }.map { Array($0.dropFirst(2)) }
            listing.title = " Rows "
            parts.append(listing.text(.pretty))
        }
        return parts.joined(separator: "\n")
    }

    private var summary: Listing {
        var listing = Listing(
            ["Table", "Rows here", "Rows there", "Result"],
            diffs.map { [.string($0.table), .int($0.hereCount), .int($0.thereCount), .string($0.result)] })
        listing.title = " Database: \(database), peer: \(peer) "
        listing.rightAligned = ["Rows here", "Rows there"]
        return listing
    }

    /// For each table its rows; one line for a table without a row to name.
    private var rows: Listing {
        Listing(
            ["Database", "Peer", "Table", "Key", "Result"],
            diffs.flatMap { diff -> [[JSONValue]] in
                func line(_ key: String, _ result: String) -> [JSONValue] {
                    [.string(database), .string(peer), .string(diff.table), .string(key), .string(result)]
                }
                return diff.rows.isEmpty ? [line("", diff.result)] : diff.rows.map { line($0.key, $0.state.rawValue) }
            })
    }
}

extension TableDiff {
    package var result: String {
        if let obstacle { return "\(isSameTogether ? "equal" : "different"); \(obstacle)" }
        guard !isEqual else { return "equal" }
        let counts = [State.missingHere, .missingThere, .different].compactMap { state in
            let count = rows.filter { $0.state == state }.count
            return count == 0 ? nil : "\(count) \(state.rawValue)"
        }
        return (counts.isEmpty ? "different" : counts.joined(separator: ", ")) + (isCut ? ", and more" : "")
    }
}
