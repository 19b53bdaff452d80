package import AdminModel
internal import HACore
internal import LocalConfiguration

/// What `spock status` shows: each cluster's record, and what its leader answers to `GET /spock`, when it does.
package struct MeshOverview: Sendable {
    package var tree: MeshTree
    /// The leaders' answers, by node.
    package var answers: [String: JSONValue]

    package init(_ tree: MeshTree, answers: [String: JSONValue]) {
        self.tree = tree
        self.answers = answers
    }

    package func text(_ format: OutputFormat) -> String {
        switch format {
        case .json: document.text(.spaced)
        case .yaml, .yml: YAMLWriter.text(document)
        case .tsv: Listing(Self.linkColumns, links.map(\.row)).text(.tsv)
        case .pretty: ([nodes.text(.pretty)] + matrices + [slots.text(.pretty)] + remarks).joined(separator: "\n")
        }
    }

    // MARK: One link

    /// From a provider to a subscriber, in one database.
    struct Link {
        var database: String
        var subscriber: String
        var provider: String
        var status: String
        var isUp: Bool
        /// As the provider has them.
        var lagBytes: Int64?
        var lagMilliseconds: Int64?
        var slot: String?
        var isActive: Bool?
        var retained: Int64?
        var holdRetained: Int64?
        /// As the subscriber has them.
        var route: String?
        var gap: String?

        var row: [JSONValue] {
            func text(_ value: String?) -> JSONValue { .string(value ?? "") }
            func number(_ value: Int64?) -> JSONValue { value.map(JSONValue.int) ?? "" }
            return [
                .string(database), .string(subscriber), .string(provider), .string(status), text(route),
                number(lagBytes), number(lagMilliseconds), text(slot), number(retained), number(holdRetained),
                text(gap),
            ]
        }

        /// Of the matrix.
        var cell: String {
            var words = [gap == nil ? status : "\(status), gap"]
            if route == "shut" { words.append("shut") }
            if let lagBytes { words.append(ByteText.of(lagBytes)) }
            if let lagMilliseconds { words.append("\(lagMilliseconds) ms") }
            return words.joined(separator: ", ")
        }
    }

    static let linkColumns = [
        "Database", "Subscriber", "Provider", "Status", "Way", "Lag bytes", "Lag ms", "Slot", "Kept bytes",
        "Kept by hold slot", "Gap",
    ]

    var links: [Link] {
        let nodes = tree.clusters.map(\.node)
        let databases = Set(tree.clusters.flatMap(\.record.databases.keys)).sorted()
        return databases.flatMap { database in
            nodes.flatMap { subscriber in
                nodes.filter { $0 != subscriber }.map { link(database, subscriber: subscriber, provider: $0) }
            }
        }
    }

    private func link(_ database: String, subscriber: String, provider: String) -> Link {
        let record = tree.clusters.first { $0.node == subscriber }?.record.links[MeshLink(database, provider)]
        let incoming = said(by: subscriber, MeshLink(database, provider))?["incoming"]
        let outgoing = said(by: provider, MeshLink(database, subscriber))?["outgoing"]
        let answered = incoming != nil
        let status =
            incoming?["status"]?.asString
            ?? (answered || record?.subscription == nil ? "none" : record?.status ?? "unknown")
        return Link(
            database: database, subscriber: subscriber, provider: provider,
            // What was said last by one that is gone says nothing of now.
            status: answered || record == nil ? status : "\(status)?", isUp: incoming?["up"]?.asBool ?? false,
            lagBytes: outgoing?["lag_bytes"]?.asInt, lagMilliseconds: outgoing?["lag_ms"]?.asInt,
            slot: outgoing?["slot"]?.asString ?? record?.slot, isActive: outgoing?["active"]?.asBool,
            retained: outgoing?["retained_bytes"]?.asInt, holdRetained: outgoing?["hold_retained_bytes"]?.asInt,
            route: incoming?["route"]?.asString,
            gap: incoming?["gap_accepted"]?.asBool == true
                ? nil : incoming?["gap"].flatMap { Self.range($0) })
    }

    private func said(by node: String, _ link: MeshLink) -> JSONValue? {
        answers[node]?["links"]?.asArray?.first {
            $0["database"]?.asString == link.database && $0["peer"]?.asString == link.peer
        }
    }

    static func range(_ json: JSONValue) -> String? {
        guard let from = json["from"]?.asString, let to = json["to"]?.asString else { return nil }
        return "\(from) to \(to)"
    }

    // MARK: Boxes

    private var nodes: Listing {
        var listing = Listing(
            ["Node", "Cluster", "Leader", "State", "Clients", "TL", "Spock", "WAL/s", "Free"],
            tree.clusters.map { cluster in
                let answer = answers[cluster.node]
                let server = answer?["server"]
                return [
                    .string(cluster.node), .string(cluster.scope),
                    .string(cluster.leader.map(\.name.rawValue) ?? "none"),
                    .string(cluster.record.state.rawValue),
                    .string(
                        answer.map { $0["clients_may_write"]?.asBool == true ? "let in" : "shut out" } ?? "unknown"),
                    .int(Int64(cluster.record.timeline.rawValue)), .string(cluster.record.spockVersion ?? ""),
                    .string(server?["wal_bytes_per_second"]?.asInt.map(ByteText.of) ?? ""),
                    .string(server?["free_bytes"]?.asInt.map(ByteText.of) ?? ""),
                ]
            })
        listing.title = " Mesh: \(tree.own.record.mesh) "
        listing.rightAligned = ["TL", "WAL/s", "Free"]
        return listing
    }

    private var matrices: [String] {
        let names = tree.clusters.map(\.node)
        return Dictionary(grouping: links, by: \.database).sorted { $0.key < $1.key }.map { database, links in
            var listing = Listing(
                ["takes from"] + names,
                names.map { subscriber in
                    [.string(subscriber)]
                        + names.map { provider in
                            .string(
                                links.first { $0.subscriber == subscriber && $0.provider == provider }?.cell ?? "-")
                        }
                })
            listing.title = " Database: \(database) "
            return listing.text(.pretty)
        }
    }

    private var slots: Listing {
        var listing = Listing(
            ["At", "For", "Database", "Slot", "Active", "Lag", "Kept", "Kept by hold slot", "Cost"],
            links.filter { $0.slot != nil }.map { link in
                [
                    .string(link.provider), .string(link.subscriber), .string(link.database), .string(link.slot ?? ""),
                    .string(link.isActive.map { $0 ? "yes" : "no" } ?? "?"),
                    .string(link.lagBytes.map(ByteText.of) ?? ""),
                    .string(link.retained.map(ByteText.of) ?? ""), .string(link.holdRetained.map(ByteText.of) ?? ""),
                    .string(cost(of: link)),
                ]
            })
        listing.title = " Slots "
        listing.rightAligned = ["Lag", "Kept", "Kept by hold slot"]
        return listing
    }

    /// What a peer that is away does to the provider's disk.
    private func cost(of link: Link) -> String {
        guard link.isActive == false, let server = answers[link.provider]?["server"] else { return "" }
        if let limit = server["slot_max_wal"]?.asInt { return "removed at \(ByteText.of(limit))" }
        guard let seconds = server["disk_full_in_seconds"]?.asInt else {
            return server["free_bytes"]?.asInt.map { "\(ByteText.of($0)) left" } ?? ""
        }
        return "disk full in \(ByteText.time(seconds)) at this rate"
    }

    private var remarks: [String] {
        var lines: [String] = []
        for cluster in tree.clusters {
            let node = cluster.node
            if answers[node] == nil { lines.append(" \(node): no leader answers; what is shown was said before") }
            for finding in cluster.record.findings {
                let range = finding.range.map { " from \($0)" } ?? ""
                lines.append(
                    " \(node): found in database \(finding.link.database), \(finding.link.peer): "
                        + "\(finding.kind.words)\(range)")
            }
            for problem in answers[node]?["problems"]?.asArray ?? [] {
                let place = [problem["database"]?.asString, problem["peer"]?.asString].compactMap(\.self)
                lines.append(
                    " \(node): \(place.isEmpty ? "" : place.joined(separator: ", ") + ": ")"
                        + (problem["text"]?.asString ?? ""))
            }
            lines += conflicts(node)
        }
        return lines
    }

    private func conflicts(_ node: String) -> [String] {
        (answers[node]?["server"]?["conflicts"]?.asObject?.members ?? []).compactMap { member in
            let counts = [("resolutions", "conflicts resolved"), ("exceptions", "changes not applied")].compactMap {
                key, words in member.value[key]?.asInt.flatMap { $0 > 0 ? "\(Self.count($0)) \(words)" : nil }
            }
            return counts.isEmpty ? nil : " \(node): database \(member.key): \(counts.joined(separator: ", "))"
        }
    }

    /// No more are counted.
    private static func count(_ number: Int64) -> String { number > 10_000 ? "over 10000" : "\(number)" }

    // MARK: For programs

    private var document: JSONValue {
        [
            "mesh": .string(tree.own.record.mesh),
            "nodes": .array(
                tree.clusters.map { cluster in
                    var object: JSONObject = ["node": .string(cluster.node), "scope": .string(cluster.scope)]
                    object["leader"] = cluster.leader.map { .string($0.name.rawValue) } ?? .null
                    object["record"] = cluster.record.json
                    object["answer"] = answers[cluster.node] ?? .null
                    return .object(object)
                }),
            "links": .array(
                links.map { link in
                    let members = zip(Self.linkColumns, link.row).filter { $0.1 != "" }
                    return .object(
                        JSONObject(members.map { ($0.0.lowercased().replacing(" ", with: "_"), $0.1) }))
                }),
        ]
    }
}

extension MeshFinding.Kind {
    /// For people: from the side of the cluster that has it on record.
    var words: String {
        switch self {
        case .ahead: "the peer has applied changes that the server promoted here does not have: rows differ"
        case .aheadOfPeer:
            "changes of the peer are applied here that the server promoted there does not have: rows differ"
        case .gap: "changes of the peer may be missing here"
        case .slotMissing: "the peer's slot was gone after a promotion: changes may be missing there"
        case .slotUnproved: "the peer's slot was promoted before it was proved usable: changes may be missing there"
        case .slotDropped: "the peer's slot was removed: it kept more WAL than slot_max_wal"
        case .holdDropped: "the hold slot was removed: it kept more WAL than hold_max_wal"
        case .peerReplaced: "the peer was made anew"
        }
    }
}

/// Sizes and times for people.
enum ByteText {
    /// Up to three digits and a unit of 1024, as PostgreSQL writes them.
    static func of(_ bytes: Int64) -> String {
        var value = Double(bytes)
        for unit in ["B", "kB", "MB", "GB"] {
            if value < 1000 { return "\(number(value, isWhole: unit == "B")) \(unit)" }
            value /= 1024
        }
        return "\(number(value, isWhole: false)) TB"
    }

    static func time(_ seconds: Int64) -> String {
        switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min"
        case ..<(48 * 3600): "\(seconds / 3600) h"
        default: "\(seconds / 86400) d"
        }
    }

    /// One place behind the point where it says something.
    private static func number(_ value: Double, isWhole: Bool) -> String {
        let tenths = (value * 10).rounded()
        let isEven = isWhole || value >= 10 || tenths.remainder(dividingBy: 10) == 0
        return isEven ? String(Int64(value.rounded())) : String(tenths / 10)
    }
}
