import AdminModel
import Foundation
import LocalConfiguration
import Testing

@testable import Agent

@Suite("Reading the local configuration again")
struct ConfigReloadTests {
    private static func config(_ pieces: KeyValuePairs<String, String> = [:]) throws -> AgentConfig {
        try ConfigFixture.load(try ConfigFixture.changed(pieces)).config
    }

    @Test("what can hold at once does")
    func live() throws {
        let settings = ClusterSettings(local: try Self.config())
        #expect(settings.unapplied == nil)
        let changed = try Self.config([
            "az: b": "az: c", "password: canary-rest": "password: canary-new", "[10.0.0.0/8,": "[10.1.0.0/16,",
            "logging_collector: off": "logging_collector: off\n    work_mem: 7MB",
            "- local all all trust": "- local all all peer", "checkpoint: fast": "checkpoint: spread",
            "restapi:\n": "restapi:\n  certfile: /c.pem\n  server_tokens: Minimal\n",
            "zookeeper:\n": "ctl: {certfile: /c.pem}\nzookeeper:\n", "level: DEBUG": "level: ERROR\n  dir: /var/log",
        ])
        #expect(settings.reload(changed).isEmpty)
        #expect(settings.local.tags["az"] == "c")
        #expect(settings.local.restAPI == changed.restAPI)
        #expect(settings.local.restAPI.url == "https://10.0.0.1:8008/patroni")
        #expect(settings.local.control == changed.control)
        #expect(settings.local.log == changed.log)
        #expect(settings.postgres.pgHBA == ["local all all peer"])
        #expect(settings.postgres.parameters.contains(PostgresParameter(name: "work_mem", value: "7MB")))
        #expect(settings.postgres.parameters.contains(PostgresParameter(name: "wal_level", value: "logical")))
        let revision = try #require(settings.unapplied)
        settings.applied(revision)
        #expect(settings.reload(changed).isEmpty)
        #expect(settings.unapplied == nil, "nothing changed")
        #expect(settings.reload(try Self.config()).isEmpty)
        #expect(!settings.postgres.parameters.contains { $0.name == "work_mem" })
    }

    @Test("what cannot is named at each reload, until it is as it was")
    func waiting() throws {
        let settings = ClusterSettings(local: try Self.config())
        let changed = try Self.config([
            "scope: gold": "scope: silver", "listen: 0.0.0.0:8008": "listen: 0.0.0.0:8009",
            "bin_dir: /usr/lib/postgresql/15/bin": "bin_dir: /usr/lib/postgresql/16/bin",
            "password: canary-repl": "password: canary-new", "- zk2\n": "- zk3\n", "level: DEBUG": "level: INFO",
            "az: b": "az: c", "watchdog:\n  mode: off": "",
        ])
        for _ in 0..<2 {
            let waiting = settings.reload(changed).map(\.description)
            #expect(
                Set(waiting) == [
                    "scope", "restapi.listen", "postgresql.bin_dir", "postgresql.authentication", "zookeeper",
                    "watchdog",
                ])
            #expect(settings.local.scope == "gold")
            #expect(settings.local.restAPI.listen.port == 8008)
            #expect(settings.postgres.binDir == "/usr/lib/postgresql/15/bin")
            #expect(settings.local.tags["az"] == "c", "the others hold")
            #expect(settings.local.log.level == .info)
        }
        #expect(settings.reload(try Self.config()).isEmpty)
    }

    @Test("the cluster's document holds on below the new file, what it rejects included")
    func belowTheFile() throws {
        let settings = ClusterSettings(local: try Self.config())
        let document = #"{"ttl":"soon","loop_wait":7,"postgresql":{"parameters":{"work_mem":"5MB"}}}"#
        _ = settings.apply(try ConfigFixture.object(document), zxid: 1)
        _ = settings.reload(try Self.config(["logging_collector: off": "work_mem: 6MB"]))
        #expect(settings.dynamic.values.loopWait == 7)
        #expect(settings.dynamic.rejectedJSON.keys == ["ttl"])
        #expect(settings.postgres.parameters.contains(PostgresParameter(name: "work_mem", value: "6MB")))
        _ = settings.reload(try Self.config())
        #expect(settings.postgres.parameters.contains(PostgresParameter(name: "work_mem", value: "5MB")))
    }

    @Test("what the cluster's document says of the agent's own parts waits for its restart, unless the file says it")
    func waitingInTheDocument() throws {
        let settings = ClusterSettings(local: try Self.config())
        func waiting(_ section: String, _ zxid: Int64) throws -> [String] {
            _ = settings.apply(try ConfigFixture.object(#"{"postgresql":{\#(section)}}"#), zxid: zxid)
            return settings.waiting.map(\.description)
        }
        #expect(settings.waiting.isEmpty)
        let names = #""config_base_name":"main","custom_conf":"/etc/own.conf""#
        #expect(try waiting(names, 1) == ["postgresql.config_base_name", "postgresql.custom_conf"])
        #expect(try waiting(#"\#(names),"bin_name":{"postgres":"pg"}"#, 2).first == "postgresql.bin_name")
        #expect(try waiting(#""bin_dir":"/usr/lib/postgresql/16/bin","parameters":{"work_mem":"5MB"}"#, 3).isEmpty)
    }

    @Test("a file that does not hold changes nothing, and says why without a secret")
    func wrong() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/matriarch-reload-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/patroni.yml"
        func write(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }
        try write(ConfigFixture.yaml)
        let loader = ConfigLoader(
            path: path, environment: ["HOME": "/home/pg"], sealed: ["PATRONI_RESTAPI_USERNAME": "sealed"])
        let settings = ClusterSettings(local: try loader.load().config)
        let log = LogCollector()
        let reloader = ConfigReloader(
            loader: loader, settings: settings, tls: try TransportSecurity(settings.local),
            log: AgentLog(settings.local.log), manager: nil, wakeup: Wakeup(), logger: log.logger)
        try write(
            try ConfigFixture.changed([
                "az: b": "az: c", "listen: 0.0.0.0:8008": "listen: 0.0.0.0:x",
            ]))
        await reloader.reload()
        #expect(settings.local.tags["az"] == "b")
        #expect(log.count("restapi.listen: '0.0.0.0:x'") == 1)
        #expect(log.count("read again") == 0)
        for broken in ["scope: [canary-rest", ""] {
            try write(broken)
            await reloader.reload()
        }
        #expect(settings.local.tags["az"] == "b")
        #expect(log.count("stays as it was") >= 3)
        #expect(log.count("canary") == 0)
        try write(try ConfigFixture.changed(["az: b": "az: c", "mode: off": "mode: automatic"]))
        await reloader.reload()
        #expect(settings.local.tags["az"] == "c")
        #expect(settings.local.restAPI.username == "sealed", "variables are remembered")
        #expect(log.count("read again") == 1)
        #expect(log.count("restart of the agent: watchdog") == 1)
    }
}
