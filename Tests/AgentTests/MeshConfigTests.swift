import AdminModel
import Foundation
import HACore
import LibPQ
import LocalConfiguration
import Testing

@testable import Agent

@Suite("The section spock of a file")
struct MeshConfigTests {
    private static func settings(_ file: String) throws -> MeshSettings? {
        ClusterSettings(local: try ConfigFixture.load(file).config).mesh
    }

    @Test("every key is read")
    func wholeSection() throws {
        let file = try MeshFixture.file()
        #expect(try MeshFixture.notices(file).isEmpty)
        let settings = try #require(try Self.settings(file))
        #expect(settings.mesh == "shop" && settings.node == "n1")
        #expect(settings.databases == ["app", "Zweite Datenbank"])
        #expect(settings.location == "az1" && settings.country == "DE")
        #expect(settings.info == #"{"tiebreaker":1,"note":"\u00fc"}"#)
        #expect(settings.connection.mode == .service && settings.connection.user == "pgedge")
        #expect(settings.connection.serviceFile == "/run/gold/services")
        #expect(settings.connection.passfile == "/etc/matriarch/pgpass")
        #expect(
            settings.connection.options == [
                "sslmode": "verify-full", "tcp_user_timeout": "2000", "keepalives": "1", "sslcrl": "/etc/tls/crl",
                "sslcert": "/etc/tls/n1.crt", "sslkey": "/etc/tls/n1.key", "sslrootcert": "system",
            ])
        let sets = settings.replicationSets
        #expect(sets.map(\.name) == ["default", "audit", "default_insert_only"])
        #expect(sets[0].schemas == ["public"] && sets[0].tables.isEmpty && sets[0].delete)
        #expect(sets[1].tables == ["public.audit", "log.events"])
        #expect(sets[1].insert && !sets[1].update && !sets[1].delete && !sets[1].truncate)
        #expect(sets[2] == .init(name: "default_insert_only"))
        #expect(settings.peers == .listed(["silver", "bronze"]))
        #expect(settings.subscription(to: "n2") == "n2_to_n1")
        #expect(settings.subscribedSets == ["default", "audit"])
        #expect(settings.synchronization == .structure && settings.forwardOrigins.isEmpty)
        #expect(settings.slotMode == .copy && settings.copyInterval == .milliseconds(500) && !settings.holdSlots)
        #expect(settings.holdMaxWAL == 1 << 30 && settings.slotMaxWAL == 16 << 30)
        #expect(settings.applyGate == .service && settings.onGap == .resync && settings.maxGateWait == .seconds(5))
        #expect(settings.ddl["spock.include_ddl_repset"] == "off" && settings.ddl.count == 3)
    }

    @Test("what is left out, or null, has its default")
    func defaults() throws {
        let plain = MeshSettings(mesh: "shop", node: "n1", databases: ["app"])
        #expect(try Self.settings(try MeshFixture.file(section: MeshFixture.small)) == plain)
        let nulls = """
            spock:
              enabled:
              mesh: shop
              databases: [app]
              node: {name: n1, info: null, country: ~}
              dsn: {mode: Service, fixed: null, service_file: null, options: {sslmode: ~}}
              subscribe: {peers: AUTO}
              slots: {slot_max_wal: null}
              ddl:

            """
        #expect(try Self.settings(try MeshFixture.file(section: nulls)) == plain)
    }

    @Test("without the section, or switched off, there is no mesh")
    func off() throws {
        #expect(try Self.settings(ConfigFixture.yaml) == nil)
        #expect(try Self.settings(try MeshFixture.file(section: "spock:\n")) == nil)
        #expect(try Self.settings(try MeshFixture.file(["enabled: on": "enabled: false"])) == nil)
        #expect(try Self.settings(try MeshFixture.file(section: "spock: {enabled: no}\n")) == nil)
    }

    /// What replaces a piece of the section, the key that is named, and a piece of what is said.
    static let wrongValues: [(String, String, String, String)] = [
        ("enabled: on", "enabled: perhaps", "enabled", "must be true or false"),
        ("mesh: shop", "mesh: ''", "mesh", "'' must be a name of 1 to 63 bytes"),
        ("mesh: shop", "mesh: 5", "mesh", "5 must be a name"),
        ("mesh: shop", "mesh: \(String(repeating: "ü", count: 32))", "mesh", "must be a name of 1 to 63 bytes"),
        ("mesh: shop", #"mesh: "a\nb""#, "mesh", "without control characters"),
        ("[app, \"Zweite Datenbank\"]", "[]", "databases", "must have at least one item"),
        ("[app, \"Zweite Datenbank\"]", "app", "databases", "must be a list"),
        ("[app, \"Zweite Datenbank\"]", "[app, b, app]", "databases.2", "'app' must not be there twice"),
        ("[app, \"Zweite Datenbank\"]", "[app, 5]", "databases.1", "5 must be a name"),
        ("name: n1,", "name: 'n]1',", "node.name", "without ']'"),
        ("name: n1,", #"name: "n\n1","#, "node.name", "without control characters"),
        ("name: n1,", "name: [n1],", "node.name", "must be a name"),
        ("location: az1", "location: 1", "node.location", "must be text"),
        ("info: {tiebreaker: 1, \"note\": \"ü\"}", "info: '{}'", "node.info", "must be a map"),
        ("mode: service", "mode: vip", "dsn.mode", "must be one of service, multihost, fixed"),
        ("user: pgedge", "user: ''", "dsn.user", "must be a name"),
        ("service_file: /run", "service_file: run", "dsn.service_file", "must be an absolute path"),
        ("passfile: /etc", "passfile: etc", "dsn.passfile", "must be an absolute path"),
        ("sslcert: /etc", "sslcert: etc", "dsn.sslcert", "must be an absolute path"),
        ("sslrootcert: system", "sslrootcert: mine", "dsn.sslrootcert", "must be an absolute path"),
        ("sslcrl: /etc", "sslcrl: etc", "dsn.options.sslcrl", "must be an absolute path"),
        ("sslmode: verify-full", "sslmode: [a]", "dsn.options.sslmode", "must be text of up to 900 bytes"),
        ("sslmode: verify-full", #"sslmode: "a\nhost=b""#, "dsn.options.sslmode", "in one line"),
        ("sslmode: verify-full", "sslmode: ' a'", "dsn.options.sslmode", "in one line"),
        ("sslmode: verify-full", "ssl_mode: a", "dsn.options.ssl_mode", "like a keyword of libpq"),
        ("sslmode: verify-full", "host: a", "dsn.options.host", "the agent writes where a peer's leader is"),
        ("sslmode: verify-full", "dbname: a", "dsn.options.dbname", "the agent writes"),
        ("sslmode: verify-full", "port: 1", "dsn.options.port", "the agent writes"),
        ("sslmode: verify-full", "service: a", "dsn.options.service", "the agent makes a service for each peer"),
        ("sslmode: verify-full", "user: a", "dsn.options.user", "must be given as dsn.user"),
        ("sslmode: verify-full", "sslkey: /a", "dsn.options.sslkey", "must be given as dsn.sslkey"),
        ("sslmode: verify-full", "password: a", "dsn.options.password", "what is secret belongs into the file"),
        ("options: {", "fixed: 'host=h'\n    options: {", "dsn.fixed", "must not be given without dsn.mode fixed"),
        ("options: {", "fixed: 'port=1'\n    options: {", "dsn.fixed", "must be a connection string with a host"),
        ("options: {", "fixed: 'host=h user=x'\n    options: {", "dsn.fixed", "user has its place under dsn"),
        ("- {name: default,", "- {", "replication_sets.0.name", "is required"),
        ("- {name: default,", "- {name: audit,", "replication_sets.1.name", "'audit' must not be there twice"),
        ("- {name: default,", "- {name: default, insert: 2,", "replication_sets.0.insert", "must be true or false"),
        ("- {name: default, all_tables_in: [public]}", "- default", "replication_sets.0", "must be a map with name"),
        ("public.audit", "audit", "replication_sets.1.tables.0", "must be schema.table"),
        ("public.audit", "a.b.c", "replication_sets.1.tables.0", "must be schema.table"),
        ("public.audit", "'.a'", "replication_sets.1.tables.0", "must be schema.table"),
        ("public.audit", "log.events", "replication_sets.1.tables.1", "must not be there twice"),
        ("all_tables_in: [public]", "all_tables_in: public", "replication_sets.0.all_tables_in", "must be a list"),
        ("[silver, bronze]", "all", "subscribe.peers", "must be auto, or a list of the scopes"),
        ("[silver, bronze]", "[]", "subscribe.peers", "must have at least one item"),
        ("[silver, bronze]", "[silver, gold]", "subscribe.peers.1", "must not be this cluster's own scope"),
        ("{peer}_to_{local}", "to_{local}", "subscribe.name_template", "contain {peer}"),
        ("{peer}_to_{local}", "Sub_{peer}", "subscribe.name_template", "must be made of a-z"),
        ("{peer}_to_{local}", "{peer}_{node}", "subscribe.name_template", "must be made of a-z"),
        (
            "{peer}_to_{local}", "{peer}_\(String(repeating: "x", count: 61))", "subscribe.name_template",
            "must give names of at most 63 bytes"
        ),
        ("[default, audit]", "[]", "subscribe.replication_sets", "must have at least one item"),
        ("synchronize: structure", "synchronize: all", "subscribe.synchronize", "must be one of none, structure, full"),
        ("synchronize: structure", "synchronize: full", "subscribe.synchronize", "lists exactly one"),
        ("forward_origins: []", "forward_origins: [n2]", "subscribe.forward_origins.0", "must be all"),
        ("mode: copy", "mode: patroni", "slots.mode", "must be one of auto, native, copy"),
        ("500ms", "1ms", "slots.copy_interval", "must be a time from 0.1 seconds to 3600.0 seconds"),
        ("500ms", "soon", "slots.copy_interval", "seconds without one"),
        ("1GB", "15MB", "slots.hold_max_wal", "must be an integer of at least 16777216 (units: B kB MB GB TB)"),
        ("17179869184", "1kB", "slots.slot_max_wal", "at least 16777216"),
        ("apply_gate: service", "apply_gate: open", "failover.apply_gate", "must be one of service, none"),
        ("burn_and_report", "ignore", "failover.on_peer_ahead", "must be one of burn_and_report"),
        ("on_gap: resync", "on_gap: skip", "failover.on_gap", "rewind_or_hold, hold, continue, resync"),
        ("max_gate_wait: 5", "max_gate_wait: 61", "failover.max_gate_wait", "from 0.0 seconds to 60.0 seconds"),
        ("max_gate_wait: 5", "max_gate_wait: -1s", "failover.max_gate_wait", "from 0.0 seconds"),
        ("include_ddl_repset: off", "include_ddl_repset: 3", "ddl.include_ddl_repset", "must be true or false"),
    ]

    @Test("each wrong value is named with its file, line, key and what is allowed", arguments: wrongValues)
    func wrongValue(piece: String, replacement: String, key: String, said: String) throws {
        let problems = try ConfigFixture.problems(try MeshFixture.file([piece: replacement]))
        #expect(problems.count == 1, "\(problems)")
        let problem = try #require(problems.first)
        #expect(problem.path.description == "spock." + key)
        #expect(problem.reason.contains(said), "\(problem)")
        #expect(problem.source.contains("/patroni.yml:"), "\(problem)")
    }

    @Test(
        "what no agent does is refused by name, with the reason",
        arguments: [
            ("apply_gate: service", "apply_gate: readonly", "failover.apply_gate", "shuts all peers out at once"),
            ("mode: copy", "mode: spock-worker", "slots.mode", "drops what it does not know"),
        ])
    func refused(piece: String, replacement: String, key: String, reason: String) throws {
        let problems = try ConfigFixture.problems(try MeshFixture.file([piece: replacement]))
        #expect(problems.map(\.path.description) == ["spock." + key])
        #expect(problems.first?.code == .unsupported)
        #expect(problems.first?.message.contains(reason) == true)
    }

    @Test("what is required is named, all at once")
    func missing() throws {
        let problems = try ConfigFixture.problems(try MeshFixture.file(section: "spock: {enabled: true}\n"))
        #expect(
            problems.map(\.validatorLine) == [
                "spock.mesh  is not defined.", "spock.node.name  is not defined.", "spock.databases  is not defined.",
            ])
        for key in ["mesh: m", "databases: [d]", "node: {name: n}"] {
            #expect(try ConfigFixture.problems(try MeshFixture.file(section: "spock: {\(key)}\n")).count == 2)
        }
        let wrong = "spock: {databases: [5], node: 7, failover: {apply_gate: readonly}, dsn: {mode: multihost}}\n"
        #expect(
            Set(try ConfigFixture.problems(try MeshFixture.file(section: wrong)).map(\.path.description)) == [
                "spock.databases.0", "spock.node", "spock.failover.apply_gate", "spock.mesh",
            ])
        let part = "spock: {dsn: {passfile: /etc/pgpass}, node: {location: az1}}\n"
        #expect(try ConfigFixture.problems(try MeshFixture.file(section: part)).isEmpty, "it may complete the document")
        #expect(try Self.settings(try MeshFixture.file(section: part)) == nil)
    }

    @Test("what excludes each other is named across the file and bootstrap.dcs, where it stands")
    func together() throws {
        func found(_ dcs: String, _ section: String) throws -> [String] {
            try ConfigFixture.problems(try MeshFixture.file(dcs: dcs, section: section)).map {
                "\($0.path): \($0.message)"
            }
        }
        let names = "mesh: shop, databases: [app], node: {name: n1}"
        #expect(try found("{\(names)}", "").isEmpty)
        #expect(try found("{mesh: shop, databases: [app]}", "spock: {node: {name: n1}}\n").isEmpty)
        for mode in ["multihost", "fixed"] {
            let dsn = "dsn: {mode: \(mode)\(mode == "fixed" ? ", fixed: host=proxy" : "")}"
            let shared = try found("{\(names), \(dsn)}", "")
            #expect(
                shared.count == 1 && shared.first?.hasPrefix("bootstrap.dcs.spock.dsn.mode: must be service") == true)
            #expect(shared.first?.contains("loss 2") == true && shared.first?.contains("loss 3") == true)
            let local = try found("{\(names)}", "spock: {\(dsn)}\n")
            #expect(local.count == 1 && local.first?.hasPrefix("spock.dsn.mode: must be service") == true)
            #expect(try found("{\(names), failover: {apply_gate: none}}", "spock: {\(dsn)}\n").isEmpty)
        }
        #expect(
            try found("{\(names), dsn: {mode: fixed}, failover: {apply_gate: none}}", "")
                == ["bootstrap.dcs.spock.dsn.fixed: is required with dsn.mode fixed: host=... port=..."])
        #expect(try found("{mesh: shop}", "").count == 2)
        #expect(try found("{\(names)}", "spock: {subscribe: {peers: [gold]}}\n").first?.hasPrefix("spock.") == true)
        #expect(try found("{\(names), dsn: {options: {user: x}}}", "spock: {mesh: m}\n").count == 1)
    }

    @Test("a node's name must be usable where the template puts it, and its id free of meaning")
    func nodeNames() throws {
        func problems(_ name: String, _ template: String) throws -> [ConfigProblem] {
            let section =
                "spock: {mesh: m, databases: [d], node: {name: \(name)}, subscribe: {name_template: '\(template)'}}\n"
            return try ConfigFixture.problems(try MeshFixture.file(section: section))
        }
        #expect(try problems("n-1", "sub_{local}_{peer}").map(\.path.description) == ["spock.node.name"])
        #expect(try problems("n-1", "sub_{peer}").map(\.path.description) == [])
        #expect(try problems("n41612", "{peer}").first?.message.contains("have a meaning of their own") == true)
    }

    @Test("names that Spock will shorten are named, and what has no effect")
    func notices() throws {
        let section = """
            spock:
              mesh: m
              databases: [d]
              node: {name: frankfurt, colour: red}
              dsn: {mode: multihost, service_file: /a}
              failover: {apply_gate: none}

            """
        let notices = try MeshFixture.notices(try MeshFixture.file(section: section))
        #expect(
            Set(notices.map { "\($0.code.rawValue) \($0.path)" }) == [
                "unknown key spock.node.colour", "without effect spock.dsn.service_file",
                "doubtful spock.subscribe.name_template",
            ])
        #expect(notices.contains { $0.message.contains("such as sub_frankfurt_frankfurt") })
    }

    @Test("a fixed address is kept as libpq understands it")
    func fixed() throws {
        let section = """
            spock:
              mesh: m
              databases: [d]
              node: {name: n1}
              dsn: {mode: fixed, fixed: 'postgresql://proxy-az1:6432?target_session_attrs=primary'}
              failover: {apply_gate: none}
              subscribe: {peers: [silver], synchronize: full}

            """
        let settings = try Self.settings(try MeshFixture.file(section: section))
        #expect(settings?.connection.fixed.flatMap { ConnectionInfo(parsing: $0) }?["host"] == "proxy-az1")
        #expect(settings?.connection.fixed?.contains("port=6432 target_session_attrs=primary") == true)
        #expect(settings?.synchronization == .full)
    }

    @Test("no password is shown where it must not stand")
    func canary() throws {
        for (piece, replacement) in [
            ("sslmode: verify-full", "password: canary"), ("sslmode: verify-full", "sslpassword: canary"),
            ("sslmode: verify-full", "scram_client_key: canary"),
            ("options: {", "fixed: 'host=h password=canary'\n    options: {"),
            ("options: {", "fixed: 'password=canary'\n    options: {"),
            ("options: {", "fixed: 'host=h sslpassword=canary'\n    options: {"),
            ("options: {", "fixed: 'canary'\n    options: {"), ("options: {", "fixed: [canary]\n    options: {"),
        ] {
            let problems = try ConfigFixture.problems(try MeshFixture.file([piece: replacement]))
            #expect(problems.count == 1, "\(replacement)")
            for problem in problems {
                #expect(!"\(problem) \(problem.validatorLine) \(problem.value)".contains("canary"), "\(problem.path)")
            }
        }
    }

    @Test("files for connections to peers are looked at only by the check that says so")
    func files() throws {
        try ConfigFixture.withFolder(["pgpass": "", "n1.key": "", "n1.crt": ""]) { folder in
            let file = try MeshFixture.file([
                "/etc/matriarch/": folder + "/", "/etc/tls/n1": folder + "/n1",
                "sslrootcert: system": "sslrootcert: \(folder)",
            ])
            let config = try ConfigFixture.load(file).config
            func allow(_ mode: Int) throws {
                for name in ["pgpass", "n1.key", "n1.crt"] {
                    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: folder + "/" + name)
                }
            }
            try allow(0o644)
            let problems = ConfigValidator.checkMesh(config, source: "f")
            #expect(
                problems.map { "\($0.path) \($0.message)" } == [
                    "spock.dsn.passfile must not be readable for others: chmod 0600",
                    "spock.dsn.sslkey must not be readable for others: chmod 0600",
                    "spock.dsn.sslrootcert must be a file",
                ])
            try allow(0o600)
            #expect(ConfigValidator.checkMesh(config, source: "f").map(\.path.description) == ["spock.dsn.sslrootcert"])
            try FileManager.default.removeItem(atPath: folder + "/n1.crt")
            #expect(ConfigValidator.checkMesh(config, source: "f").first?.message.hasPrefix("must be there: ") == true)
        }
        #expect(ConfigValidator.checkMesh(try ConfigFixture.load(ConfigFixture.yaml).config, source: "f").isEmpty)
    }

    /// libpq 15 takes each that is not newer, so that no line of a service file makes it fail.
    @Test("the keywords of options are libpq's")
    func keywords() {
        let newer: Set<String> = [
            "gssdelegation", "load_balance_hosts", "max_protocol_version", "min_protocol_version", "require_auth",
            "sslcertmode", "sslkeylogfile", "sslnegotiation",
        ]
        for keyword in MeshOption.keywords.subtracting(newer) {
            #expect(ConnectionInfo(parsing: "\(keyword)=1") != nil, "\(keyword)")
        }
    }
}
