import AdminModel
import Agent
import HACore

/// The body of `POST /spock/...`, read against what this cluster knows of its mesh.
struct MeshRequest: Sendable {
    enum Action: String, Sendable, CaseIterable {
        case remove, add, accept, resync
    }

    /// An error that names the key, its value and what is allowed.
    struct Refusal: Error, Hashable {
        var code: Int
        var text: String
    }

    let changes: [MeshIntents.Change]

    init(_ action: Action, _ body: JSONObject, _ status: MeshStatus) throws(Refusal) {
        let reader = Reader(body: body, status: status)
        try reader.refuseOthers(action)
        switch action {
        case .remove: changes = [.remove(try reader.name("node", of: status.nodes))]
        case .add:
            // One that was never removed here may be in the mesh already.
            changes = [.add(try reader.name("node", of: status.intents.removed.union(status.nodes).sorted()))]
        case .accept: changes = [try reader.accepted()]
        case .resync: changes = try reader.resyncs()
        }
    }

    private struct Reader {
        let body: JSONObject
        let status: MeshStatus

        func refuseOthers(_ action: Action) throws(Refusal) {
            let allowed =
                switch action {
                case .remove, .add: ["node"]
                case .accept: ["database", "peer"]
                case .resync: ["database", "peer", "table"]
                }
            for key in body.keys where !allowed.contains(key) {
                throw Refusal(code: 400, text: "\(key): not known; allowed are \(allowed.joined(separator: ", "))")
            }
        }

        func name(_ key: String, of known: [String]) throws(Refusal) -> String {
            let allowed = known.isEmpty ? "none is known yet" : "one of \(known.joined(separator: ", "))"
            guard let value = body[key] else {
                throw Refusal(code: 400, text: "\(key): missing; it must be \(allowed)")
            }
            guard let text = value.asString, known.contains(text) else {
                throw Refusal(code: 400, text: "\(key): \(value.text(.spaced)) is not allowed; it must be \(allowed)")
            }
            return text
        }

        private var peers: [String] { status.peers.map(\.record.node).sorted() }

        func accepted() throws(Refusal) -> MeshIntents.Change {
            let link = MeshLink(
                try name("database", of: status.settings.databases), try name("peer", of: peers))
            let word = status.peers.first { $0.record.node == link.peer }?.record
                .links[MeshLink(link.database, status.settings.node)]
            guard let fork = status.own?.fork, let rewind = word?.rewind, rewind.term == fork.term, rewind.gap != nil
            else {
                throw Refusal(code: 409, text: "nothing is missing of \(link.peer) in database \(link.database)")
            }
            return .accept(link, fork.term)
        }

        func resyncs() throws(Refusal) -> [MeshIntents.Change] {
            let peer = try name("peer", of: peers)
            let databases =
                body["database"] == nil
                ? status.settings.databases : [try name("database", of: status.settings.databases)]
            guard let table = body["table"] else { return databases.map { .resync(.init(MeshLink($0, peer))) } }
            guard let text = table.asString, text.split(separator: ".", omittingEmptySubsequences: false).count == 2
            else {
                throw Refusal(
                    code: 400, text: "table: \(table.text(.spaced)) is not allowed; it must be schema.table")
            }
            guard databases.count == 1 else {
                throw Refusal(
                    code: 400,
                    text: "database: missing; with a table it must be one of \(databases.joined(separator: ", "))")
            }
            return [.resync(.init(MeshLink(databases[0], peer), table: text))]
        }
    }
}

extension MeshStatus {
    /// Of the mesh, this one included; those that are being removed, too.
    var nodes: [String] {
        Set(peers.map(\.record.node) + [settings.node]).union(own?.links.keys.map(\.peer) ?? []).sorted()
    }
}
