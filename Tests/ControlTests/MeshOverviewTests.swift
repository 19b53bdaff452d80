import AdminModel
import HACore
import Testing

@testable import Control

/// What `spock status` makes of records and answers.
@Suite("The tables of spock status")
struct MeshOverviewTests {
    private static func cluster(_ node: String, _ links: [String], leader: String?) -> MeshTree.Cluster {
        var record = MeshRecord(
            mesh: "shop", node: node, term: Term(5), state: .open,
            systemIdentifier: SystemIdentifier(rawValue: "7710451765082907510"),
            timeline: Timeline(2), address: MeshRecord.Address(host: node, port: 5432), postgresVersion: 150_020)
        record.spockVersion = "5.0.9"
        record.databases["app"] = "UTF8"
        for peer in links {
            var word = MeshLinkRecord()
            word.subscription = "sub_\(node)_\(peer)"
            word.slot = "spk_app_\(peer)_sub"
            word.status = "replicating"
            record.links[MeshLink("app", peer)] = word
        }
        return MeshTree.Cluster(
            scope: "zone-\(node)", record: record,
            leader: leader.map { ClusterTree.Member(name: MemberID($0), record: MemberRecord()) })
    }

    private static var tree: MeshTree {
        var own = cluster("n1", ["n2", "n3"], leader: "a1")
        own.record.findings = [
            MeshFinding(
                .ahead, MeshLink("app", "n2"), range: MeshRange(from: LSN(0x100), to: LSN(0x200)), term: Term(5))
        ]
        return MeshTree(
            own: own, peers: [cluster("n3", ["n1", "n2"], leader: nil), cluster("n2", ["n1", "n3"], leader: "b1")])
    }

    private static func answer(_ links: String, _ server: String) throws -> JSONValue {
        try JSONParser.parse(
            #"{"clients_may_write": true, "problems": [{"text": "PostgreSQL waits"}], "links": [\#(links)], "server": {\#(server)}}"#
        )
    }

    private static func overview() throws -> MeshOverview {
        MeshOverview(
            tree,
            answers: [
                "n1": try answer(
                    #"{"database": "app", "peer": "n2", "incoming": {"status": "replicating", "up": true, "route": "open"}, "outgoing": {"slot": "s2", "active": true, "lag_bytes": 2048, "lag_ms": 12, "retained_bytes": 5000}}, {"database": "app", "peer": "n3", "incoming": {"status": "down", "up": false, "route": "shut"}, "outgoing": {"slot": "s3", "active": false, "lag_bytes": 3221225472, "retained_bytes": 3221225472, "hold_retained_bytes": 100}}"#,
                    #""wal_bytes_per_second": 1048576, "free_bytes": 10737418240, "disk_full_in_seconds": 10240, "conflicts": {"app": {"resolutions": 10001, "exceptions": 0}}"#
                ),
                "n2": try answer(
                    #"{"database": "app", "peer": "n1", "incoming": {"status": "replicating", "up": true, "route": "shut", "gap": {"from": "0/100", "to": "0/200"}, "gap_accepted": false}, "outgoing": {}}"#,
                    #""slot_max_wal": 1073741824"#),
            ])
    }

    @Test func inBoxes() throws {
        let expected = """
            + Mesh: shop ----+--------+-------+---------+----+-------+-------+-------+
            | Node | Cluster | Leader | State | Clients | TL | Spock | WAL/s |  Free |
            +------+---------+--------+-------+---------+----+-------+-------+-------+
            | n1   | zone-n1 | a1     | open  | let in  |  2 | 5.0.9 |  1 MB | 10 GB |
            | n2   | zone-n2 | b1     | open  | let in  |  2 | 5.0.9 |       |       |
            | n3   | zone-n3 | none   | open  | unknown |  2 | 5.0.9 |       |       |
            +------+---------+--------+-------+---------+----+-------+-------+-------+
            + Database: app -----------------------------------+--------------+--------------+
            | takes from | n1                                  | n2           | n3           |
            +------------+-------------------------------------+--------------+--------------+
            | n1         | -                                   | replicating  | down, shut   |
            | n2         | replicating, gap, shut, 2 kB, 12 ms | -            | replicating? |
            | n3         | replicating?, 3 GB                  | replicating? | -            |
            +------------+-------------------------------------+--------------+--------------+
            + Slots ---+----------+----------------+--------+------+--------+-------------------+-------------------------------+
            | At | For | Database | Slot           | Active |  Lag |   Kept | Kept by hold slot | Cost                          |
            +----+-----+----------+----------------+--------+------+--------+-------------------+-------------------------------+
            | n2 | n1  | app      | spk_app_n2_sub | ?      |      |        |                   |                               |
            """
        let text = try Self.overview().text(.pretty)
        #expect(text.hasPrefix(expected), "\(text)")
        for line in [
            " n1: found in database app, n2: the peer has applied changes that the server promoted here does not have: rows differ from 0/100 to 0/200",
            " n1: PostgreSQL waits", " n1: database app: over 10000 conflicts resolved",
            " n3: no leader answers; what is shown was said before",
        ] { #expect(text.split(separator: "\n").contains(Substring(line)), "\(line)") }
        #expect(text.contains("disk full in 2 h at this rate"))
        #expect(!text.contains("removed at"), "the slots at n2 are not known to be without their users")
    }

    @Test func forPrograms() throws {
        let overview = try Self.overview()
        let lines = overview.text(.tsv).split(separator: "\n").map(String.init)
        #expect(lines.count == 7)
        #expect(lines[0].hasPrefix("Database\tSubscriber\tProvider\tStatus\tWay\tLag bytes\tLag ms\tSlot"))
        #expect(lines[3] == "app\tn2\tn1\treplicating\tshut\t2048\t12\ts2\t5000\t\t0/100 to 0/200")
        let json = try JSONParser.parse(overview.text(.json))
        #expect(json["mesh"] == "shop")
        #expect(json["nodes"]?.asArray?.count == 3 && json["nodes"]?.asArray?[2]["answer"] == .null)
        let link = json["links"]?.asArray?.first { $0["subscriber"] == "n2" && $0["provider"] == "n1" }
        #expect(link?["lag_bytes"] == 2048 && link?["gap"] == "0/100 to 0/200")
        #expect(overview.text(.yaml).contains("\nmesh: shop\n"))
    }

    @Test func peersByName() throws {
        #expect(try Self.tree.peer("n2").scope == "zone-n2")
        let own = #expect(throws: ControlError.self) { try Self.tree.peer("n1") }
        #expect(own?.description == "n1 is the node of this cluster itself; its peers are: n2, n3")
        #expect(throws: ControlError.self) { try Self.tree.peer("n9") }
    }

    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1536, "1.5 kB"), (20 << 30, "20 GB"), (5 << 50, "5120 TB"),
    ])
    func sizes(_ bytes: Int64, text: String) { #expect(ByteText.of(bytes) == text) }

    @Test(arguments: [(119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d")])
    func times(_ seconds: Int64, text: String) { #expect(ByteText.time(seconds) == text) }
}
