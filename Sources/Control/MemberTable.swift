internal import AdminModel
internal import LocalConfiguration

/// The table of `list` and `topology` (contract/patroni.md 5.1).
package struct MemberTable: Sendable {
    package var tree: ClusterTree
    /// Shows the columns that are otherwise there only when a member has something for them.
    package var isExtended = false

    package init(_ tree: ClusterTree, isExtended: Bool = false) {
        self.tree = tree
        self.isExtended = isExtended
    }

    /// The box with the leader first and who streams from whom below it.
    package var topology: String { text(.pretty, isTopology: true) }

    package func text(_ format: OutputFormat) -> String { text(format, isTopology: false) }

    private func text(_ format: OutputFormat, isTopology: Bool) -> String {
        let document = tree.document
        let found = (document["members"]?.asArray ?? []).compactMap(\.asObject)
        let isBox = format == .pretty
        let placed = found.filter { $0.contains("host") }
        let extra = Self.extras.filter { column in
            isExtended || placed.contains { $0[Self.key(column)]?.isTruthy ?? false }
        }
        let showsPort = Self.showsPort(placed)
        let members = isTopology ? Topology.sorted(found) : found
        var rows = members.map { member in
            let cells = self.cells(member, showsPort: showsPort, hidesLong: isBox)
            return (Self.columns + extra).map { cells[$0] ?? "" }
        }
        var listing = Listing(Self.columns + extra, [])
        if let tags = listing.columns?.firstIndex(of: "Tags"), isBox || format == .tsv {
            for index in rows.indices where rows[index][tags].isTruthy {
                rows[index][tags] = .string(
                    YAMLWriter.text(rows[index][tags], flow: isTopology || !isBox).trimmed)
            }
        }
        if isBox {
            // The cluster's name stands in the title; what is behind, a column beside the position says.
            listing.columns = listing.columns?.dropFirst().map { $0.hasSuffix(" Lag") ? "Lag" : $0 }
            rows = rows.map { Array($0.dropFirst()) }
            listing.title = title
            listing.rightAligned = ["TL", "Receive LSN", "Replay LSN", "Lag"]
        }
        listing.rows = rows
        listing.omitsEmpty = true
        let footer = isBox ? Self.footer(document) + rejections : []
        return ([listing.text(format)] + footer).joined(separator: "\n")
    }

    private static let columns = [
        "Cluster", "Member", "Host", "Role", "State", "TL", "Receive LSN", "Receive Lag", "Replay LSN", "Replay Lag",
    ]
    private static let extras = ["Pending restart", "Pending restart reason", "Scheduled restart", "Tags"]

    private static func key(_ column: String) -> String { column.lowercased().replacing(" ", with: "_") }

    private var title: String {
        let state =
            switch tree.initialize {
            case nil: "uninitialized"
            case "": "initializing"
            case let identifier?: identifier
            }
        return " Cluster: \(tree.scope) (\(state)) "
    }

    /// Hosts alone do not tell members apart, or one is not where everybody looks.
    private static func showsPort(_ members: [JSONObject]) -> Bool {
        members.contains { $0.contains("port") && $0["port"]?.asInt != 5432 }
            || Set(members.compactMap { $0["host"]?.asString }).count < members.count
    }

    private func cells(_ member: JSONObject, showsPort: Bool, hidesLong: Bool) -> JSONObject {
        var cells: JSONObject = ["Cluster": .string(tree.scope)]
        cells["Member"] = member["name"]
        cells["Host"] = Self.host(member, showsPort: showsPort)
        cells["Role"] = .string(Self.titleCase(member["role"]?.asString ?? ""))
        cells["State"] = member["state"]
        cells["TL"] = member["timeline"]
        Self.addPositions(of: member, to: &cells)
        if member["pending_restart"]?.isTruthy == true { cells["Pending restart"] = "*" }
        cells["Pending restart reason"] = Self.reasons(member["pending_restart_reason"], hidesLong: hidesLong)
        cells["Scheduled restart"] = member["scheduled_restart"].map(Self.schedule)
        cells["Tags"] = member["tags"]
        return cells
    }

    private static func host(_ member: JSONObject, showsPort: Bool) -> JSONValue {
        guard let host = member["host"]?.asString, !host.isEmpty else { return "" }
        guard showsPort, let port = member["port"]?.asInt, port != 0 else { return .string(host) }
        return .string("\(host):\(port)")
    }

    private static func addPositions(of member: JSONObject, to cells: inout JSONObject) {
        var positions = ["receive", "replay"].map { (lsn: member["\($0)_lsn"], lag: member["\($0)_lag"]) }
        let old = (lsn: member["lsn"], lag: member["lag"])
        // Members older than version 4 publish one position only: received while they stream, replayed otherwise.
        if positions.allSatisfy({ $0.lsn == "unknown" }), old.lsn != nil, old.lsn != "unknown" {
            positions[member["state"] == "streaming" ? 0 : 1] = old
        }
        for (name, position) in zip(["Receive", "Replay"], positions) {
            cells["\(name) LSN"] = position.lsn
            cells["\(name) Lag"] = (position.lag?.asInt).map { .int(mebibytes($0)) } ?? ""
        }
    }

    /// Rounded as Python does, halves to the even number.
    private static func mebibytes(_ bytes: Int64) -> Int64 {
        Int64((Double(bytes) / 1024 / 1024).rounded(.toNearestOrEven))
    }

    private static func reasons(_ reasons: JSONValue?, hidesLong: Bool) -> JSONValue {
        let lines = (reasons?.asObject?.members ?? []).map { reason in
            let (old, new) = (reason.value["old_value"]?.pythonText ?? "", reason.value["new_value"]?.pythonText ?? "")
            let line = "\(reason.key): \(old)->\(new)"
            return hidesLong && line.unicodeScalars.count > 50 ? "\(reason.key): [hidden - too long]" : line
        }
        return .string(lines.joined(separator: "\n"))
    }

    private static func schedule(_ restart: JSONValue) -> JSONValue {
        let condition = restart["postgres_version"].map { " if version < \($0.pythonText)" } ?? ""
        return .string((restart["schedule"]?.pythonText ?? "") + condition)
    }

    private static func titleCase(_ role: String) -> String {
        role.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: " ")
    }

    private static func footer(_ document: JSONValue) -> [String] {
        var lines: [String] = []
        if document["pause"] == true { lines.append(" Maintenance mode: on") }
        if let scheduled = document["scheduled_switchover"] {
            lines.append(" Switchover scheduled at: \(scheduled["at"]?.asString ?? "")")
            for name in ["from", "to"] {
                guard let member = scheduled[name]?.asString else { continue }
                lines.append(String(repeating: " ", count: 24 - name.count) + "\(name): \(member)")
            }
        }
        return lines
    }

    /// Only members of this program say that they do not follow a key.
    private var rejections: [String] {
        tree.members.flatMap { member in
            (member.record.matriarch?.configRejected.members ?? []).map {
                " Configuration rejected by \(member.name): \($0.key): \($0.value.pythonText)"
            }
        }
    }
}

/// The order of `topology`: each member below the one that it streams from, its name indented by its depth.
enum Topology {
    static func sorted(_ members: [JSONObject]) -> [JSONObject] {
        let leader = members.first(where: leads)
        let replicas = members.filter { !leads($0) }
        let names = Set(replicas.compactMap(name))
        var children: [String: [JSONObject]] = [:]
        for member in replicas {
            let parent = member["tags"]?["replicatefrom"]?.asString
            // Two that name each other hang nowhere; patronictl leaves them out, too.
            let isUsable = parent.map { !$0.isEmpty && $0 != name(member) && names.contains($0) } ?? false
            children[(isUsable ? parent : leader.flatMap(name)) ?? "", default: []].append(member)
        }
        guard let leader else { return (children[""] ?? []).flatMap { below($0, 1, children) } }
        return below(leader, 0, children)
    }

    private static func below(_ member: JSONObject, _ level: Int, _ children: [String: [JSONObject]]) -> [JSONObject] {
        var shown = member
        let name = name(member) ?? ""
        if level > 0 { shown["name"] = .string(String(repeating: "  ", count: level - 1) + "+ " + name) }
        return [shown] + (children[name] ?? []).flatMap { below($0, level + 1, children) }
    }

    private static func name(_ member: JSONObject) -> String? { member["name"]?.asString }
    private static func leads(_ member: JSONObject) -> Bool { member["role"]?.asString?.hasSuffix("leader") ?? false }
}

extension String {
    /// Without white space at its ends.
    var trimmed: String {
        var text = self[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
