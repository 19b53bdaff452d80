public import HACore

/// `spock_intents`: what operators asked a cluster for.
extension MeshIntents {
    /// What is no list of the right form reads as empty.
    public init(json: JSONValue) {
        self.init()
        removed = Set((json["removed"]?.asArray ?? []).compactMap(\.asString))
        for entry in json["accepted"]?.asArray ?? [] {
            guard let link = MeshLink(json: entry), let term = entry["term"]?.asInt else { continue }
            accepted[link] = Term(term)
        }
        for entry in json["resync"]?.asArray ?? [] {
            guard let link = MeshLink(json: entry), let stage = entry["stage"]?.asString.flatMap(Stage.init) else {
                continue
            }
            resyncs[Resync(link, table: entry["table"]?.asString)] = stage
        }
    }

    public var json: JSONValue {
        [
            "removed": .array(removed.sorted().map(JSONValue.string)),
            "accepted": .array(
                accepted.sorted { $0.key < $1.key }.map { link, term in
                    var entry = link.json
                    entry["term"] = .int(term.rawValue)
                    return .object(entry)
                }),
            "resync": .array(
                resyncs.sorted { $0.key < $1.key }.map { resync, stage in
                    var entry = resync.link.json
                    entry["table"] = resync.table.map(JSONValue.string)
                    entry["stage"] = .string(stage.rawValue)
                    return .object(entry)
                }),
        ]
    }
}

extension MeshLink {
    public init?(json: JSONValue) {
        guard let database = json["database"]?.asString, let peer = json["peer"]?.asString else { return nil }
        self.init(database, peer)
    }

    public var json: JSONObject { ["database": .string(database), "peer": .string(peer)] }
}
