import AdminModel
import HACore
import Testing

@Suite("What clusters of a mesh say to each other")
struct MeshRecordTests {
    static let full: MeshRecord = {
        var record = MeshRecord(
            mesh: "shop", node: "n1", term: Term(4_294_967_300), state: .gated,
            systemIdentifier: SystemIdentifier(rawValue: "7000000000000000001"), timeline: Timeline(3),
            address: .init(host: "10.0.0.1", port: 5432), postgresVersion: 150_020)
        record.addresses = [.init(host: "10.0.0.1", port: 5432), .init(host: "::1", port: 5433)]
        record.fixed = "host=proxy port=5000"
        record.spockVersion = "5.0.9"
        record.protocols = 3...4
        record.fork = .init(term: Term(4_294_967_300), timeline: Timeline(3), position: LSN(0x300_0000))
        record.fork?.openedAt = LSN(0x300_0100)
        record.earlierForks = [.init(term: Term(9), timeline: Timeline(2), position: LSN(0x200_0000))]
        record.databases = ["app": "UTF8", "other": "LATIN1"]
        var link = MeshLinkRecord()
        link.kick = true
        link.peerSystem = SystemIdentifier(rawValue: "7000000000000000002")
        link.subscription = "sub_n1_n2"
        link.slot = "spk_app_n2_sub_n1_n2"
        link.status = "replicating"
        link.origin = LSN(0x1_0000_0000)
        link.answered = Term(17)
        link.kicked = LSN(3)
        link.followed = Term(16)
        link.setBack = .init(to: LSN(5), finished: LSN(15))
        link.provided = "spk_app_n1_sub_n2_n1"
        link.safe = .init(confirmed: LSN(6), position: LSN(7), term: Term(8))
        link.confirmed = LSN(9)
        link.holdSlot = "hold_app_n2"
        link.rewind = .init(term: Term(10), isDone: true, isMoved: true, gap: MeshRange(from: LSN(11), to: LSN(12)))
        record.links = [MeshLink("app", "n2"): link, MeshLink("app", "n3"): MeshLinkRecord()]
        record.findings = [
            MeshFinding(
                .gap, MeshLink("app", "n2"), range: MeshRange(from: LSN(11), to: LSN(12)), term: Term(13)),
            MeshFinding(.holdDropped, MeshLink("app", "n3"), term: Term(14)),
        ]
        return record
    }()

    @Test("a record comes back as it was written")
    func roundTrip() throws {
        let text = Self.full.json.text(.compact)
        #expect(try MeshRecord(json: try JSONParser.parse(text)) == Self.full)
        var bare = Self.full
        bare.fork = nil
        bare.earlierForks = []
        bare.links = [:]
        bare.findings = []
        bare.databases = [:]
        #expect(try MeshRecord(json: bare.json) == bare)
    }

    @Test("what is missing or newer makes a record unreadable, by name")
    func unreadable() throws {
        let object = try #require(Self.full.json.asObject)
        for key in ["v", "mesh", "node", "term", "state", "system_id", "timeline", "address", "postgres"] {
            var broken = object
            broken[key] = nil
            let error = #expect(throws: MeshRecord.Unreadable.self) { try MeshRecord(json: .object(broken)) }
            #expect(error?.description.contains(key) == true, "\(key)")
        }
        var newer = object
        newer["v"] = 2
        #expect(throws: MeshRecord.Unreadable.self) { try MeshRecord(json: .object(newer)) }
        var odd = object
        odd["state"] = "ajar"
        #expect(throws: MeshRecord.Unreadable.self) { try MeshRecord(json: .object(odd)) }
        #expect(throws: MeshRecord.Unreadable.self) { try MeshRecord(json: [1, 2]) }
    }

    @Test("odd parts of a link read as not said")
    func tolerant() throws {
        var object = try #require(Self.full.json.asObject)
        object["databases"] = [
            "app": ["peers": ["n2": ["origin": 5, "safe": ["confirmed": "0/1"], "rewind": ["done": true], "slot": 3]]]
        ]
        object["findings"] = [["kind": "unheard of"], 5]
        let record = try MeshRecord(json: .object(object))
        #expect(record.links == [MeshLink("app", "n2"): MeshLinkRecord()])
        #expect(record.findings.isEmpty && record.databases.isEmpty)
    }

    @Test("intents come back, and what is none reads as none")
    func intents() {
        var intents = MeshIntents()
        intents.removed = ["n3", "n4"]
        intents.accepted = [MeshLink("app", "n2"): Term(7)]
        intents.resyncs = [
            MeshIntents.Resync(MeshLink("app", "n2")): .copying,
            MeshIntents.Resync(MeshLink("app", "n2"), table: "public.t"): .requested,
        ]
        #expect(MeshIntents(json: intents.json) == intents)
        #expect(MeshIntents(json: ["removed": "n3"]) == MeshIntents())
    }
}
