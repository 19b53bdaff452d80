internal import HACore

/// What one cluster's database looks like to a mesh.
package struct ZoneSurvey: Hashable, Sendable {
    package struct Table: Hashable, Sendable {
        /// Types by column, with what they may be: `integer NOT NULL`.
        package var columns: [String: String]
        /// Updates and deletes can be told.
        package var hasKey: Bool

        package init(columns: [String: String], hasKey: Bool) {
            self.columns = columns
            self.hasKey = hasKey
        }
    }

    /// What gives a column its numbers.
    package struct Sequence: Hashable, Sendable {
        package var next: Int64
        package var increment: Int64
        package var range: ClosedRange<Int64>

        package init(next: Int64, increment: Int64, range: ClosedRange<Int64>) {
            self.next = next
            self.increment = increment
            self.range = range
        }

        /// Both will come to a same number, sooner or later.
        func meets(_ other: Sequence) -> Bool {
            guard increment != 0, other.increment != 0, range.overlaps(other.range) else { return false }
            var (a, b) = (increment.magnitude, other.increment.magnitude)
            while b != 0 { (a, b) = (b, a % b) }
            let step = Int64(clamping: a)
            func residue(_ number: Int64) -> Int64 { (number % step + step) % step }
            return residue(next) == residue(other.next)
        }
    }

    package var node: String
    package var database: String
    package var encoding = ""
    package var collation = ""
    package var tables: [String: Table] = [:]
    package var sequences: [String: Sequence] = [:]
    /// Numbers of the server's parameters, by name.
    package var parameters: [String: Int] = [:]

    package init(node: String, database: String) {
        self.node = node
        self.database = database
    }
}

/// What would be in the way of a mesh, in words; nothing is changed.
package enum MeshPreflight {
    package struct Finding: Hashable, Sendable {
        /// Empty: of the whole cluster.
        package var database: String
        /// Empty: of this cluster.
        package var peer: String
        package var text: String
    }

    /// - Parameter needs: the least of each parameter, as the agent says; nil: not known.
    package static func findings(
        _ own: ZoneSurvey, _ peers: [ZoneSurvey], needs: [String: Int]
    ) -> [Finding] {
        var findings: [Finding] = []
        func find(_ peer: ZoneSurvey?, _ text: String, inDatabase: Bool = true) {
            findings.append(Finding(database: inDatabase ? own.database : "", peer: peer?.node ?? "", text: text))
        }
        for (name, table) in own.tables.sorted(by: { $0.key < $1.key }) where !table.hasKey {
            find(nil, "\(name) has no primary key: updates and deletes of it are not replicated")
        }
        for (name, need) in needs.sorted(by: { $0.key < $1.key }) {
            guard let given = own.parameters[name], given < need else { continue }
            find(nil, "\(name) is \(given), and the mesh needs \(need)", inDatabase: false)
        }
        for peer in peers.sorted(by: { $0.node < $1.node }) {
            if peer.encoding != own.encoding {
                find(peer, "its encoding is \(peer.encoding), here it is \(own.encoding): nothing is replicated")
            } else if peer.collation != own.collation {
                find(peer, "its collation is \(peer.collation), here it is \(own.collation): rows sort differently")
            }
            for difference in schema(own, peer) { find(peer, difference) }
            for (name, sequence) in own.sequences.sorted(by: { $0.key < $1.key }) {
                guard let other = peer.sequences[name], sequence.meets(other) else { continue }
                find(
                    peer,
                    "sequence \(name) comes to the same numbers on both sides (increments \(sequence.increment) and "
                        + "\(other.increment)): give each node its own start, or use snowflake")
            }
        }
        return findings
    }

    private static func schema(_ own: ZoneSurvey, _ peer: ZoneSurvey) -> [String] {
        Set(own.tables.keys).union(peer.tables.keys).sorted().flatMap { name -> [String] in
            guard let here = own.tables[name] else { return ["\(name) is there and not here"] }
            guard let there = peer.tables[name] else { return ["\(name) is here and not there"] }
            return Set(here.columns.keys).union(there.columns.keys).sorted().compactMap { column in
                let (left, right) = (here.columns[column], there.columns[column])
                guard left != right else { return nil }
                return "\(name).\(column) is \(left ?? "not") here and \(right ?? "not") there"
            }
        }
    }

    /// Names that Spock takes for one node.
    package static func collisions(_ nodes: [String]) -> [Finding] {
        let twice = Dictionary(grouping: nodes, by: \.self).filter { $0.value.count > 1 }.keys.sorted()
        return twice.map { Finding(database: "", peer: $0, text: "two clusters of the mesh have this node's name") }
            + NodeID.collisions(among: nodes).map { names in
                Finding(
                    database: "", peer: "",
                    text: "nodes \(names.joined(separator: " and ")) have the same id in Spock: one needs another name")
            }
    }
}
