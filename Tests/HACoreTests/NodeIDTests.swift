import HACore
import Testing

@Suite("How Spock knows a node")
struct NodeIDTests {
    /// Read from PostgreSQL 15: `SELECT hashtext(n), hashtext(n) & 65535`.
    static let vectors: [(String, Int32, UInt16)] = [
        ("", -1_477_818_771, 18029), ("a", 1_075_015_857, 28849), ("n1", 673_694_252, 49708),
        ("n2", 560_818_415, 26863), ("n3", 193_995_617, 9057), ("az1", 1_697_014_907, 25723),
        ("edge1", 196_068_776, 50600), ("abcdefghijk", -1_483_803_693, 62419),
        ("abcdefghijkl", -1_586_087_212, 15060), ("abcdefghijklm", 405_849_808, 50896),
        ("pgedge-frankfurt-1", 1_905_321_759, 59167), ("münchen", 1_932_948_703, 29919),
        ("東京", -209_692_131, 23069), ("🦁🦁🦁🦁", 944_430_476, 56716), ("Node With Spaces", -1_682_525_210, 46054),
        (String(repeating: "x", count: 63), 1_580_591_788, 60076),
        (String(repeating: "ab", count: 35), -407_800_217, 30311),
    ]

    @Test("the hash is PostgreSQL's", arguments: vectors)
    func hash(name: String, hash: Int32, id: UInt16) {
        #expect(PostgresHash.text(name) == hash)
        #expect(NodeID(of: name).rawValue == id)
        #expect(Int64(hash) & 0xffff == Int64(id))
    }

    /// Found by asking PostgreSQL for the ids of n1 to n400000.
    @Test("names that cannot be in one mesh come in groups")
    func collisions() {
        let names = ["n762", "n1", "n430", "n115", "n271", "n140", "n2", "n1"]
        #expect(NodeID.collisions(among: names) == [["n271", "n430"], ["n115", "n140", "n762"]])
        #expect(NodeID.collisions(among: ["n1", "n1", "n2", "n3"]).isEmpty, "the same name is the same node")
        #expect(NodeID.collisions(among: [String]()).isEmpty)
    }

    @Test("ids that mean something else to PostgreSQL")
    func reserved() {
        #expect(NodeID(of: "n41612").rawValue == 0 && NodeID(of: "n41612").isReserved)
        #expect(NodeID(of: "n63587").rawValue == 65535 && NodeID(of: "n63587").isReserved)
        #expect(!NodeID(of: "n1").isReserved)
    }

    @Test("Spock's own sets replicate what Spock makes them for")
    func ownSets() {
        func flags(_ name: String) -> [Bool] {
            let set = MeshSettings.ReplicationSet(name: name)
            return [set.insert, set.update, set.delete, set.truncate]
        }
        #expect(flags("default") == [true, true, true, true])
        #expect(flags("default_insert_only") == [true, false, false, true])
        #expect(flags("ddl_sql") == [true, false, false, false])
        #expect(flags("audit") == [true, true, true, true])
    }

    @Test(
        "a subscription's name follows the template",
        arguments: [
            ("sub_{local}_{peer}", "sub_n1_n2"), ("{peer}{peer}", "n2n2"), ("{x}_{peer}{", "{x}_n2{"), ("", ""),
        ])
    func template(template: String, name: String) {
        var settings = MeshSettings(mesh: "m", node: "n1", databases: ["d"])
        settings.subscriptionTemplate = template
        #expect(settings.subscription(to: "n2") == name)
    }
}
