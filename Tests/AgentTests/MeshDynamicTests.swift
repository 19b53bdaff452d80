import AdminModel
import HACore
import LocalConfiguration
import Testing

@testable import Agent

@Suite("The section spock of the cluster's document")
struct MeshDynamicTests {
    private static let good =
        #"{"mesh":"shop","databases":["app"],"node":{"name":"n1"},"slots":{"hold_max_wal":"1GB"}}"#

    private static func config(_ section: String, last: String? = nil, file: String = "") throws -> DynamicConfig {
        let local = try ConfigFixture.load(ConfigFixture.yaml + "\n" + file).config
        func document(_ section: String) throws -> JSONObject {
            try ConfigFixture.object(#"{"ttl":45,"spock":\#(section)}"#)
        }
        return DynamicConfig(
            document: try document(section), last: try last.map(document), local: local.postgresql,
            mesh: local.localMesh)
    }

    @Test("the file lies over the document, map by map; lists replace each other; null says nothing")
    func layers() throws {
        let file = """
            spock:
              node: {location: az2, country: ~, info: {b: 3}}
              databases: [other]
              dsn: {passfile: /etc/pgpass, options: {sslmode: require}}
              slots: {slot_max_wal: null}

            """
        let document = #"""
            {"mesh":"shop","databases":["app","more"],"node":{"name":"n1","location":"az1","country":"DE","info":{"a":1,"b":2}},
             "dsn":{"user":"pgedge","options":{"sslmode":"prefer","connect_timeout":5}},"slots":{"slot_max_wal":"2GB","copy_interval":3},
             "subscribe":{"peers":["silver"]},"failover":{"max_gate_wait":"1s"},"ddl":{"include_ddl_repset":false}}
            """#
        // The file alone would be too little: it names a database, and no mesh.
        let local = try ConfigFixture.load(try MeshFixture.file(dcs: #"{mesh: x, node: {name: x}}"#, section: file))
            .config
        let config = DynamicConfig(
            document: ["spock": .object(try ConfigFixture.object(document))], local: local.postgresql,
            mesh: local.localMesh)
        #expect(config.rejected.isEmpty && config.notices.isEmpty, "\(config.rejected) \(config.notices)")
        let settings = try #require(config.mesh)
        #expect(settings.mesh == "shop" && settings.node == "n1" && settings.databases == ["other"])
        #expect(settings.location == "az2" && settings.country == "DE" && settings.info == #"{"a":1,"b":3}"#)
        #expect(settings.connection.user == "pgedge" && settings.connection.passfile == "/etc/pgpass")
        #expect(settings.connection.options == ["sslmode": "require", "connect_timeout": "5"])
        #expect(settings.slotMaxWAL == 2 << 30 && settings.copyInterval == .seconds(3))
        #expect(settings.peers == .listed(["silver"]) && settings.maxGateWait == .seconds(1))
        #expect(settings.ddl["spock.include_ddl_repset"] == "off")
    }

    @Test("what belongs to one server is not taken from the document, and named once")
    func filesOfOneServer() throws {
        let section = #"""
            {"mesh":"shop","databases":["app"],"node":{"name":"n1"},
             "dsn":{"service_file":"x","passfile":5,"sslcert":"/a","sslkey":"/b","sslrootcert":"/c",
              "options":{"sslcrl":"/d","sslcrldir":"/e","sslmode":"require"}}}
            """#
        let config = try Self.config(section, file: "spock: {dsn: {passfile: /etc/own}}\n")
        #expect(config.rejected.isEmpty, "\(config.rejected)")
        #expect(config.mesh?.connection.options == ["sslmode": "require"])
        #expect(config.mesh?.connection.serviceFile == nil && config.mesh?.connection.passfile == "/etc/own")
        let named = [
            "service_file", "passfile", "sslcert", "sslkey", "sslrootcert", "options.sslcrl", "options.sslcrldir",
        ]
        #expect(config.notices.map(\.path.description).sorted() == named.map { "spock.dsn." + $0 }.sorted())
        #expect(config.notices.allSatisfy { $0.code == .withoutEffect })
    }

    /// A key with a wrong value and one that it had before, and what is rejected.
    static let poisonedKeys: [(String, String, String, String)] = [
        ("mesh", "\"\"", "\"market\"", "mesh"), ("databases", "[]", "[\"d\"]", "databases"),
        ("databases", "[1]", "[\"d\"]", "databases"), ("enabled", "\"x\"", "true", "enabled"),
        ("node", "{\"name\":\"n]\"}", "{\"name\":\"n7\"}", "node.name"), ("node", "7", "{\"name\":\"n7\"}", "node"),
        ("dsn", "{\"mode\":\"x\"}", "{\"mode\":\"service\"}", "dsn.mode"),
        ("dsn", "{\"options\":{\"host\":\"x\"}}", "{\"options\":{}}", "dsn.options.host"),
        ("dsn", "{\"options\":{\"sslmode\":[]}}", "{\"options\":{\"sslmode\":\"allow\"}}", "dsn.options.sslmode"),
        ("replication_sets", "[{}]", "[{\"name\":\"a\"}]", "replication_sets"),
        ("replication_sets", "{}", "[{\"name\":\"a\"}]", "replication_sets"),
        ("subscribe", "{\"peers\":[]}", "{\"peers\":[\"silver\"]}", "subscribe.peers"),
        ("subscribe", "{\"name_template\":\"x\"}", "{\"name_template\":\"s_{peer}\"}", "subscribe.name_template"),
        ("slots", "{\"mode\":\"spock-worker\"}", "{\"mode\":\"native\"}", "slots.mode"),
        ("slots", "{\"hold_max_wal\":-1}", "{\"hold_max_wal\":\"2GB\"}", "slots.hold_max_wal"),
        ("failover", "{\"apply_gate\":\"readonly\"}", "{\"apply_gate\":\"none\"}", "failover.apply_gate"),
        ("failover", "{\"max_gate_wait\":\"2min\"}", "{\"max_gate_wait\":9}", "failover.max_gate_wait"),
        ("ddl", "{\"include_ddl_repset\":2}", "{\"include_ddl_repset\":\"off\"}", "ddl.include_ddl_repset"),
    ]

    @Test("a wrong key keeps its last value, and takes no other with it", arguments: poisonedKeys)
    func poison(key: String, wrong: String, last: String, rejected: String) throws {
        let rest = #""slots":{"copy_interval":7},"#.replacing("\"slots\"", with: key == "slots" ? "\"x\"" : "\"slots\"")
        func section(_ value: String, _ wait: String) -> String {
            var keys = ["mesh": "\"shop\"", "databases": "[\"app\"]", "node": "{\"name\":\"n1\"}"]
            keys[key] = value
            let text = keys.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
            return "{\(wait)\(text)}"
        }
        let before = try Self.config(section(last, ""))
        #expect(before.rejected.isEmpty && before.mesh != nil, "\(before.rejected)")
        let kept = try Self.config(section(wrong, rest), last: section(last, ""))
        #expect(kept.rejected.map(\.key.description) == ["spock." + rejected])
        #expect(kept.rejectedJSON.keys == ["spock." + rejected])
        #expect(kept.values.ttl == 45)
        var expected = try #require(before.mesh)
        if key != "slots" { expected.copyInterval = .seconds(7) }
        #expect(kept.mesh == expected)
        let again = DynamicConfig(
            document: kept.accepted, local: try ConfigDynamicTests.local(), mesh: LocalMesh(scope: "gold"))
        #expect(again.rejected.isEmpty && again.mesh == kept.mesh, "\(again.rejected)")
    }

    @Test("keys that contradict each other keep the section that was accepted last")
    func contradiction() throws {
        let without =
            #"{"mesh":"shop","databases":["app"],"node":{"name":"n1"},"dsn":{"mode":"multihost"},"failover":{"apply_gate":"none"}}"#
        let wrong = without.replacing("none", with: "service").replacing("app", with: "other")
        let config = try Self.config(wrong, last: without)
        #expect(config.rejected.map(\.key.description) == ["spock.dsn.mode"])
        #expect(config.mesh?.connection.mode == .multihost && config.mesh?.applyGate == MeshSettings.ApplyGate.none)
        #expect(config.mesh?.databases == ["app"])
        #expect(config.accepted["spock"] == .object(try ConfigFixture.object(without)))
        #expect(config.values.ttl == 45 && config.accepted["ttl"] == 45)
        for unusable in [#"{"mesh":"shop"}"#, "{}", #"{"node":{"name":"n1"},"databases":["x"]}"#, "5"] {
            let slip = try Self.config(unusable, last: Self.good)
            #expect(slip.mesh?.holdMaxWAL == 1 << 30, "\(unusable)")
            #expect(!slip.rejected.isEmpty)
        }
    }

    @Test(
        "with nothing accepted before, what cannot be used means no mesh, and is said",
        arguments: [
            ("{}", ["spock.mesh", "spock.node.name", "spock.databases"]),
            (#"{"mesh":5,"databases":["d"],"node":{"name":"n"}}"#, ["spock.mesh"]),
            ("5", ["spock"]),
            (
                #"{"mesh":"m","databases":["d"],"node":{"name":"n"},"dsn":{"mode":"fixed"}}"#,
                ["spock.dsn.fixed", "spock.dsn.mode"]
            ),
            (
                #"{"mesh":"m","databases":["d"],"node":{"name":"n"},"subscribe":{"peers":["gold"]}}"#,
                ["spock.subscribe.peers.0"]
            ),
        ])
    func nothingAccepted(section: String, keys: [String]) throws {
        let config = try Self.config(section)
        #expect(config.mesh == nil)
        #expect(config.rejected.map(\.key.description) == keys)
        #expect(!config.accepted.contains("spock"))
        #expect(config.values.ttl == 45)
        #expect(config.rejected.allSatisfy { !$0.refusesStart })
    }

    @Test("without a section, or switched off, there is no mesh and nothing to say")
    func off() throws {
        for section in ["null", #"{"enabled":false}"#, #"{"enabled":"off","mesh":"m"}"#] {
            let config = try Self.config(section, last: Self.good, file: "spock: {dsn: {passfile: /etc/own}}\n")
            #expect(config.mesh == nil && config.rejected.isEmpty, "\(section)")
        }
        #expect(try Self.config(Self.good, file: "spock: {enabled: false}\n").mesh == nil, "the file wins")
    }

    @Test("what nobody could follow is refused to a PATCH by name")
    func unsupported() throws {
        let document = try ConfigFixture.object(
            #"{"spock":{"mesh":5,"slots":{"mode":"Spock-Worker"},"failover":{"apply_gate":"readonly"}}}"#)
        #expect(
            DynamicConfig.unsupported(in: document).map(\.path.description) == [
                "spock.slots.mode", "spock.failover.apply_gate",
            ])
    }
}
