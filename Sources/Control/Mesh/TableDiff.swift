/// How the rows of one table differ between two clusters.
package struct TableDiff: Hashable, Sendable {
    package enum State: String, Hashable, Sendable {
        case missingHere = "missing here"
        case missingThere = "missing there"
        case different
    }

    package struct Row: Hashable, Sendable {
        /// The key's values as PostgreSQL writes a row of them.
        package var key: String
        package var state: State
    }

    /// `schema.table`
    package var table: String
    package var hereCount: Int64 = 0
    package var thereCount: Int64 = 0
    /// In the order of their keys.
    package var rows: [Row] = []
    /// There are more than were looked up.
    package var isCut = false
    /// Why rows were not told apart: no key, or columns that differ.
    package var obstacle: String?
    /// All rows as one: what is left to compare without a key.
    package var isSameTogether = true

    package init(table: String) { self.table = table }

    package var isEqual: Bool { rows.isEmpty && isSameTogether && !isCut }

    // MARK: Comparing

    /// The rows whose key's hash begins alike: their number, and a sum over their hashes in any order.
    struct Bucket: Hashable {
        var count: Int64
        var digest: String
    }

    /// Buckets that are not the same on both sides, in order.
    static func differing(_ here: [Int64: Bucket], _ there: [Int64: Bucket]) -> [Int64] {
        Set(here.keys).union(there.keys).filter { here[$0] != there[$0] }.sorted()
    }

    /// Rows that are not the same on both sides, by key, from their hashes.
    static func differing(_ here: [String: String], _ there: [String: String]) -> [String: State] {
        var found: [String: State] = [:]
        for (key, digest) in here {
            guard let other = there[key] else {
                found[key] = .missingThere
                continue
            }
            if other != digest { found[key] = .different }
        }
        for key in there.keys where here[key] == nil { found[key] = .missingHere }
        return found
    }

    /// What differs in the same way each time: a change on its way is gone the next time.
    static func lasting(_ found: [String: State], _ again: [String: State]) -> [String: State] {
        found.filter { again[$0.key] == $0.value }
    }
}

/// What a table looks like on one side.
package struct TableShape: Hashable, Sendable {
    package var schema: String
    package var name: String
    /// In the order of their names.
    package var columns: [String]
    /// Of the primary key, or of the replica identity; empty: there is none.
    package var key: [String]

    package var qualified: String { "\(schema).\(name)" }

    /// Why rows of it cannot be told apart on both sides; nil: they can.
    func obstacle(_ other: TableShape?) -> String? {
        guard let other else { return "it is not there" }
        guard columns == other.columns else {
            let only = Set(columns).symmetricDifference(other.columns).sorted()
            return "its columns differ: \(only.joined(separator: ", "))"
        }
        return key.isEmpty || key != other.key ? "no key that both sides have" : nil
    }
}
