public import HACore

/// `spock`: what a cluster says of itself to its peers (design/zones.md 2), as JSON. Positions are PostgreSQL's text.
extension MeshRecord {
    /// Why a record is not used.
    public struct Unreadable: Error, Hashable, CustomStringConvertible {
        public let description: String
    }

    /// The form that is written, and the newest that is read.
    static let format: Int64 = 1

    /// - Throws: `Unreadable`, naming the key; a record that is not understood as a whole says nothing.
    public init(json: JSONValue) throws(Unreadable) {
        guard let format = json["v"]?.asInt else { throw Unreadable(description: "v is missing") }
        guard format <= Self.format else {
            throw Unreadable(description: "v is \(format), and \(Self.format) is the newest that is known here")
        }
        self.init(
            mesh: try need("mesh", json["mesh"]?.asString), node: try need("node", json["node"]?.asString),
            term: Term(try need("term", json["term"]?.asInt)),
            state: try need("state", json["state"]?.asString.flatMap(State.init)),
            systemIdentifier: try need("system_id", json["system_id"]?.asString.flatMap { SystemIdentifier($0) }),
            timeline: try need("timeline", json["timeline"].flatMap(Timeline.init(json:))),
            address: try need("address", json["address"].flatMap(Address.init(json:))),
            postgresVersion: Int(try need("postgres", json["postgres"]?.asInt)))
        addresses = (json["addresses"]?.asArray ?? []).compactMap(Address.init(json:))
        fixed = json["fixed"]?.asString
        spockVersion = json["spock"]?.asString
        if let range = json["protocols"]?.asArray?.compactMap(\.asInt), range.count == 2, range[0] <= range[1] {
            protocols = Int(range[0])...Int(range[1])
        }
        if let given = json["fork"], !given.isNull {
            fork = try Fork(json: given, "fork")
        }
        for given in json["earlier_forks"]?.asArray ?? [] {
            earlierForks.append(try Fork(json: given, "earlier_forks"))
        }
        for (database, entry) in (json["databases"]?.asObject ?? [:]).members.map({ ($0.key, $0.value) }) {
            databases[database] = entry["encoding"]?.asString
            for (peer, value) in (entry["peers"]?.asObject ?? [:]).members.map({ ($0.key, $0.value) }) {
                links[MeshLink(database, peer)] = MeshLinkRecord(json: value)
            }
        }
        findings = (json["findings"]?.asArray ?? []).compactMap(MeshFinding.init(json:))
    }

    public var json: JSONValue {
        var object: JSONObject = [
            "v": .int(Self.format), "mesh": .string(mesh), "node": .string(node), "term": .int(term.rawValue),
            "state": .string(state.rawValue), "system_id": .string(systemIdentifier.rawValue),
            "timeline": .int(Int64(timeline.rawValue)), "address": address.json,
            "postgres": .int(Int64(postgresVersion)),
        ]
        if !addresses.isEmpty { object["addresses"] = .array(addresses.map(\.json)) }
        object["fixed"] = fixed.map(JSONValue.string)
        object["spock"] = spockVersion.map(JSONValue.string)
        object["protocols"] = protocols.map { [.int(Int64($0.lowerBound)), .int(Int64($0.upperBound))] }
        object["fork"] = fork?.json
        if !earlierForks.isEmpty { object["earlier_forks"] = .array(earlierForks.map(\.json)) }
        var entries: JSONObject = [:]
        for name in Set(databases.keys).union(links.keys.map(\.database)).sorted() {
            var entry: JSONObject = [:]
            entry["encoding"] = databases[name].map(JSONValue.string)
            let peers = links.filter { $0.key.database == name }.sorted { $0.key < $1.key }
            entry["peers"] = .object(JSONObject(peers.map { ($0.key.peer, $0.value.json) }))
            entries[name] = .object(entry)
        }
        object["databases"] = .object(entries)
        if !findings.isEmpty { object["findings"] = .array(findings.map(\.json)) }
        return .object(object)
    }
}

private func need<Value>(_ key: String, _ value: Value?) throws(MeshRecord.Unreadable) -> Value {
    guard let value else { throw MeshRecord.Unreadable(description: "\(key) is missing or not usable") }
    return value
}

extension MeshRecord.Fork {
    /// One that cannot be read may be what a peer has to be set back for: without it the record says nothing.
    init(json: JSONValue, _ key: String) throws(MeshRecord.Unreadable) {
        self.init(
            term: Term(try need("\(key).term", json["term"]?.asInt)),
            timeline: try need("\(key).timeline", json["timeline"].flatMap(Timeline.init(json:))),
            position: try need("\(key).position", json["position"].flatMap(LSN.init(text:))),
            openedAt: json["opened_at"].flatMap(LSN.init(text:)))
    }

    var json: JSONValue {
        var object: JSONObject = [
            "term": .int(term.rawValue), "timeline": .int(Int64(timeline.rawValue)), "position": position.text,
        ]
        object["opened_at"] = openedAt?.text
        return .object(object)
    }
}

extension MeshRecord.Address {
    init?(json: JSONValue) {
        guard let host = json["host"]?.asString, let port = json["port"]?.asInt.flatMap({ Int(exactly: $0) }) else {
            return nil
        }
        self.init(host: host, port: port)
    }

    var json: JSONValue { ["host": .string(host), "port": .int(Int64(port))] }
}

extension MeshLinkRecord {
    /// What is missing or odd in it reads as not said.
    init(json: JSONValue) {
        self.init()
        kick = json["kick"]?.asBool ?? false
        kicked = json["kicked"].flatMap(LSN.init(text:))
        peerSystem = json["peer_system_id"]?.asString.flatMap { SystemIdentifier($0) }
        subscription = json["subscription"]?.asString
        slot = json["slot"]?.asString
        status = json["status"]?.asString
        origin = json["origin"].flatMap(LSN.init(text:))
        answered = json["answered"]?.asInt.map { Term($0) }
        followed = json["followed"]?.asInt.map { Term($0) }
        if let given = json["set_back"], let to = given["to"].flatMap(LSN.init(text:)) {
            setBack = SetBack(to: to, finished: given["finished"].flatMap(LSN.init(text:)))
        }
        if let given = json["safe"], let confirmed = given["confirmed"].flatMap(LSN.init(text:)),
            let position = given["position"].flatMap(LSN.init(text:)), let term = given["term"]?.asInt
        {
            safe = Safe(confirmed: confirmed, position: position, term: Term(term))
        }
        provided = json["provided"]?.asString
        confirmed = json["confirmed"].flatMap(LSN.init(text:))
        holdSlot = json["hold_slot"]?.asString
        if let given = json["rewind"], let term = given["term"]?.asInt {
            rewind = Rewind(
                term: Term(term), isDone: given["done"]?.asBool ?? false, isMoved: given["moved"]?.asBool ?? false,
                gap: given["gap"].flatMap(MeshRange.init(json:)))
        }
    }

    var json: JSONValue {
        var object: JSONObject = [:]
        if kick { object["kick"] = true }
        object["kicked"] = kicked?.text
        object["peer_system_id"] = peerSystem.map { .string($0.rawValue) }
        object["subscription"] = subscription.map(JSONValue.string)
        object["slot"] = slot.map(JSONValue.string)
        object["status"] = status.map(JSONValue.string)
        object["origin"] = origin?.text
        object["answered"] = answered.map { .int($0.rawValue) }
        object["followed"] = followed.map { .int($0.rawValue) }
        object["set_back"] = setBack.map { setBack in
            var given: JSONObject = ["to": setBack.to.text]
            given["finished"] = setBack.finished?.text
            return .object(given)
        }
        object["safe"] = safe.map {
            ["confirmed": $0.confirmed.text, "position": $0.position.text, "term": .int($0.term.rawValue)]
        }
        object["provided"] = provided.map(JSONValue.string)
        object["confirmed"] = confirmed?.text
        object["hold_slot"] = holdSlot.map(JSONValue.string)
        object["rewind"] = rewind.map { rewind in
            var given: JSONObject = ["term": .int(rewind.term.rawValue), "done": .bool(rewind.isDone)]
            if rewind.isMoved { given["moved"] = true }
            given["gap"] = rewind.gap?.json
            return .object(given)
        }
        return .object(object)
    }
}

extension MeshFinding {
    init?(json: JSONValue) {
        guard let kind = json["kind"]?.asString.flatMap(Kind.init), let database = json["database"]?.asString,
            let peer = json["peer"]?.asString, let term = json["term"]?.asInt
        else { return nil }
        self.init(
            kind, MeshLink(database, peer), range: json["range"].flatMap(MeshRange.init(json:)), term: Term(term))
    }

    public var json: JSONValue {
        var object: JSONObject = [
            "kind": .string(kind.rawValue), "database": .string(link.database), "peer": .string(link.peer),
            "term": .int(term.rawValue),
        ]
        object["range"] = range?.json
        return .object(object)
    }
}

extension MeshRange {
    init?(json: JSONValue) {
        guard let from = json["from"].flatMap(LSN.init(text:)), let to = json["to"].flatMap(LSN.init(text:)) else {
            return nil
        }
        self.init(from: from, to: to)
    }

    public var json: JSONValue { ["from": from.text, "to": to.text] }
}

extension Timeline {
    fileprivate init?(json: JSONValue) {
        guard let number = json.asInt.flatMap({ UInt32(exactly: $0) }) else { return nil }
        self.init(number)
    }
}

extension LSN {
    fileprivate init?(text json: JSONValue) {
        guard let text = json.asString else { return nil }
        self.init(text)
    }

    fileprivate var text: JSONValue { .string(description) }
}
