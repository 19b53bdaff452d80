import AdminModel
import LocalConfiguration
import Foundation
import LibPQ
import PostgresControl
import Testing

@testable import Agent

@Suite("What is wrong in a configuration")
struct ConfigProblemTests {
    /// What replaces a piece of the fixture, the key that is named, and a piece of what is allowed.
    static let wrongValues: [(String, String, String, String)] = [
        ("scope: gold", "scope: [a]", "scope", "must be text"),
        ("scope: gold", "scope: ''", "scope", "must be text that is not empty"),
        (
            "name: node-0", "name: __patroni_strict_sync_replica_placeholder__", "name",
            "must not be the name that stands"
        ),
        ("name: node-0", "name: a/b", "name", "no slash"), ("name: node-0", "name: 5", "name", "must be text"),
        ("level: DEBUG", "level: LOUD", "log.level", "must be one of debug, info"),
        ("listen: 0.0.0.0:8008", "listen: 0.0.0.0", "restapi.listen", "must be host:port"),
        ("listen: 0.0.0.0:8008", "listen: h:65536", "restapi.listen", "from 1 to 65535"),
        ("listen: 0.0.0.0:8008", "listen: h:0", "restapi.listen", "from 1 to 65535"),
        ("listen: 0.0.0.0:8008", "listen: 8008", "restapi.listen", "must be host:port"),
        ("connect_address: 10.0.0.1:8008", "x: 1", "restapi.connect_address", "is required beside a listener"),
        ("- zk1:2181", "- zk1:port", "zookeeper.hosts", "must be host:port"),
        ("- zk1:2181", "- 5", "zookeeper.hosts", "must be a list of host:port"),
        ("[ALL]", "[EVERYTHING]", "zookeeper.set_acls.0", "must be a list of CREATE"),
        ("digest: 'user:canary-zk'", "digest: [canary]", "zookeeper.auth_data", "must be a map of scheme"),
        ("ttl: 30", "ttl: 1", "bootstrap.dcs.ttl", "must be an integer from 2 to"),
        ("ttl: 30", "ttl: soon", "bootstrap.dcs.ttl", "must be an integer"),
        ("loop_wait: 10", "loop_wait: 0", "bootstrap.dcs.loop_wait", "from 1 to"),
        ("retry_timeout: 10", "retry_timeout: 2", "bootstrap.dcs.retry_timeout", "from 3 to"),
        (
            "maximum_lag_on_failover: 1MB", "maximum_lag_on_failover: -1", "bootstrap.dcs.maximum_lag_on_failover",
            "at least 0"
        ),
        ("synchronous_mode: on", "synchronous_mode: maybe", "bootstrap.dcs.synchronous_mode", "must be true or false"),
        ("use_pg_rewind: yes", "use_pg_rewind: 7", "bootstrap.dcs.postgresql.use_pg_rewind", "must be true or false"),
        (
            "wal_level: logical", "wal_level: [a]", "bootstrap.dcs.postgresql.parameters.wal_level",
            "must be text, a number"
        ),
        (
            "wal_level: logical", "'wal level': x", "bootstrap.dcs.postgresql.parameters.wal level",
            "must be named like a setting"
        ),
        ("archive: {type: physical}", "Archive: {}", "bootstrap.dcs.slots.Archive", "must be named with up to 63"),
        ("archive: {type: physical}", "a: {type: odd}", "bootstrap.dcs.slots.a.type", "must be physical"),
        ("- data-checksums", "- nosync", "bootstrap.initdb.1", "nosync must not be given to initdb"),
        ("- data-checksums", "- pgdata: /x", "bootstrap.initdb.pgdata", "pgdata must not be given"),
        ("- data-checksums", "- {a: 1, b: 2}", "bootstrap.initdb.1", "must be the name of an option or one"),
        ("- data-checksums", "- --debug", "bootstrap.initdb.1", "without the leading dashes"),
        (
            "- checkpoint: fast", "- wal-method: none", "postgresql.basebackup.wal-method",
            "wal-method must not be given"
        ),
        (
            "- checkpoint: fast", "- compress: gzip", "postgresql.basebackup.compress",
            "must be a compression on the server"
        ),
        ("callbacks: {", "rewind: [dry-run]\n  callbacks: {", "postgresql.rewind.0", "dry-run must not be given"),
        ("post_bootstrap: /usr/local/bin/setup.sh --all", "method: mine", "bootstrap.mine", "is required"),
        ("\"*,::1:5432\"", "h:http", "postgresql.listen", "must be host:port"),
        ("connect_address: 10.0.0.1:5432", "connect_address: ':x'", "postgresql.connect_address", "must be host:port"),
        ("data_dir: /var/lib/postgresql/data", "data_dir: data", "postgresql.data_dir", "must be an absolute path"),
        ("bin_dir: /usr", "bin_dir: usr", "postgresql.bin_dir", "must be an absolute path"),
        (
            "create_replica_methods: [walg, basebackup]", "create_replica_methods: walg",
            "postgresql.create_replica_methods", "must be a list"
        ),
        ("no_leader: true", "no_leader: perhaps", "postgresql.walg.no_leader", "must be true or false"),
        ("failover_priority: '1'", "failover_priority: high", "tags.failover_priority", "must be an integer"),
        ("mode: off", "mode: sometimes", "watchdog.mode", "must be one of off, automatic"),
        ("tick_time: 500", "tick_time: 0", "matriarch.tick_time", "from 1 to"),
        ("runtime_dir: /run/gold", "runtime_dir: gold", "matriarch.runtime_dir", "must be an absolute path"),
    ]

    @Test("each wrong value is named with its file, line, key and what is allowed", arguments: wrongValues)
    func wrongValue(piece: String, replacement: String, key: String, allowed: String) throws {
        let problems = try ConfigFixture.problems(try ConfigFixture.changed([piece: replacement]))
        #expect(problems.count == 1, "\(problems)")
        let problem = try #require(problems.first)
        #expect(problem.path.description == key)
        #expect(problem.message.contains(allowed), "\(problem)")
        #expect(problem.source.contains("/patroni.yml:"), "\(problem)")
        #expect("\(problem)".contains(key))
    }

    /// What this agent does not have yet is refused by name.
    static let unsupportedKeys: [(String, String, String)] = [
        ("mode: off", "mode: required", "watchdog.mode"),
        ("zookeeper:\n", "zookeeper:\n  use_ssl: true\n", "zookeeper.use_ssl"),
        ("zookeeper:\n", "zookeeper:\n  exhibitor: {port: 1}\n", "zookeeper.exhibitor"),
        ("scope: gold", "scope: gold\ncitus: {group: 0}", "citus"),
        ("scope: gold", "scope: gold\netcd3: {hosts: a}", "etcd3"),
        ("scope: gold", "scope: gold\nexhibitor: {hosts: [a]}", "exhibitor"),
        ("ttl: 30", "standby_cluster: {host: h}", "bootstrap.dcs.standby_cluster"),
        ("ttl: 30", "failsafe_mode: true", "bootstrap.dcs.failsafe_mode"),
        ("synchronous_mode: on", "synchronous_mode: Quorum", "bootstrap.dcs.synchronous_mode"),
        ("archive: {type: physical}", "l: {type: logical, database: d, plugin: p}", "bootstrap.dcs.slots.l"),
        ("archive: {type: physical}", "l: {database: d, plugin: p}", "bootstrap.dcs.slots.l"),
    ]

    @Test("what is not supported yet is refused by name", arguments: unsupportedKeys)
    func unsupported(piece: String, replacement: String, key: String) throws {
        let problems = try ConfigFixture.problems(try ConfigFixture.changed([piece: replacement]))
        #expect(problems.map(\.path.description) == [key])
        #expect(problems.first?.code == .unsupported)
    }

    @Test("what looks alike and is off is accepted")
    func acceptedOff() throws {
        let text = try ConfigFixture.changed([
            "ttl: 30":
                "ttl: 30\n    failsafe_mode: false\n    standby_cluster: {host: ~, create_replica_methods: [basebackup]}",
            "zookeeper:\n": "zookeeper:\n  use_ssl: false\n  verify: true\n", "mode: off": "mode: automatic",
        ])
        let loaded = try ConfigFixture.load(text)
        #expect(loaded.notices.filter { $0.path == ["watchdog", "mode"] }.count == 1)
    }

    @Test("a short ttl is accepted and said to be ours")
    func shortTTL() throws {
        let loaded = try ConfigFixture.load(try ConfigFixture.changed(["ttl: 30": "ttl: 6"]))
        #expect(
            loaded.notices.contains {
                $0.path == ["bootstrap", "dcs", "ttl"] && $0.message.contains("Patroni would use 20")
            })
    }

    @Test("all problems come at once, those of the environment among them")
    func allAtOnce() throws {
        let text = try ConfigFixture.changed([
            "scope: gold\n": "", "listen: 0.0.0.0:8008": "listen: x", "level: DEBUG": "level: 1", "ttl: 30": "ttl: -1",
            "data_dir: /var/lib/postgresql/data": "", "mode: off": "mode: required",
        ])
        let problems = try ConfigFixture.problems(
            text,
            environment: [
                "PATRONI_LOG_FILE_NUM": "many", "PATRONI_ZOOKEEPER_HOSTS": "[", "PATRONI_POSTGRESQL_LISTEN": "h:99999",
            ])
        #expect(
            Set(problems.map(\.path.description)) == [
                "scope", "restapi.listen", "log.level", "bootstrap.dcs.ttl", "postgresql.data_dir", "watchdog.mode",
                "log.file_num",
                "zookeeper.hosts", "postgresql.listen",
            ])
        #expect(
            problems.first { $0.path == ["log", "file_num"] }?.source == "environment variable PATRONI_LOG_FILE_NUM")
        #expect(
            problems.first { $0.path == ["postgresql", "listen"] }?.source
                == "environment variable PATRONI_POSTGRESQL_LISTEN")
    }

    @Test("an empty map lacks all that is required")
    func missing() throws {
        let problems = try ConfigFixture.problems("scope: a\n")
        #expect(
            problems.map(\.validatorLine) == [
                "name  is not defined.", "restapi  is not defined.", "zookeeper  is not defined.",
                "postgresql  is not defined.",
            ])
    }

    @Test("the validator's lines are those that tools read")
    func validatorLines() throws {
        let text = try ConfigFixture.changed(["connect_address: 10.0.0.1:8008": "connect_address: 127.0.0.1:28000"])
        let config = try ConfigFixture.load(text).config
        #expect(
            ConfigValidator.checkAddresses(config, source: "f").map(\.validatorLine) == [
                "restapi.connect_address 127.0.0.1:28000 didn't pass validation: must not contain \"127.0.0.1\", \"0.0.0.0\", \"*\", \"::1\", \"localhost\""
            ])
    }

    @Test("the disk is looked at only by the check that says so")
    func disk() throws {
        try ConfigFixture.withFolder(["file": ""]) { folder in
            let text = try ConfigFixture.changed([
                "data_dir: /var/lib/postgresql/data": "data_dir: \(folder)/file",
                "bin_dir: /usr/lib/postgresql/15/bin": "bin_dir: \(folder)",
            ])
            let config = try ConfigFixture.load(text).config
            let problems = ConfigValidator.checkDisk(config, searchPath: "/bin", source: "f")
            #expect(
                problems.map(\.path.description) == ["postgresql.data_dir"]
                    + Array(repeating: "postgresql.bin_dir", count: 6))
            for tool in ConfigValidator.requiredBinaries {
                try Data().write(to: URL(fileURLWithPath: folder + "/" + tool))
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/" + tool)
            }
            #expect(ConfigValidator.checkDisk(config, searchPath: "/bin", source: "f").count == 1)
        }
    }

    @Test("without bin_dir, what the agent finds beside the PATH will do; where there is nothing, the cure is named")
    func withoutBinDir() throws {
        var config = try ConfigFixture.load(ConfigFixture.yaml).config
        config.postgresql.settings.binDir = nil
        let problems = ConfigValidator.checkDisk(config, searchPath: "/nowhere", source: "f")
        if (try? Installation.find(searchPath: "/nowhere")) != nil {
            #expect(problems.isEmpty, "\(problems)")
        } else {
            #expect(problems.allSatisfy { $0.message.contains("install PostgreSQL") } && !problems.isEmpty)
        }
        config.postgresql.settings.binNames["postgres"] = "no-such-postgres"
        let missing = ConfigValidator.checkDisk(config, searchPath: "/nowhere", source: "f")
        #expect(
            missing.contains { $0.message.contains("no-such-postgres, which is not in the PATH: install PostgreSQL") })
    }

    @Test("no secret is shown: not by the configuration, its parts, its problems or its notices")
    func canary() throws {
        let loaded = try ConfigFixture.load(
            ConfigFixture.yaml, environment: ["PATRONI_SUPERUSER_PASSWORD": "canary-env"])
        let config = loaded.config
        var shown =
            "\(loaded) \(config) \(config.restAPI) \(config.zooKeeper) \(config.postgresql) \(config.postgresql.superuser)"
        shown += String(reflecting: config) + String(reflecting: config.postgresql) + String(reflecting: config.restAPI)
        for part in [config, config.restAPI, config.zooKeeper, config.postgresql, config.bootstrap, loaded] as [Any] {
            dump(part, to: &shown)
        }
        let broken = try ConfigFixture.changed([
            "password: canary-rest": "password: [canary-rest]",
            "digest: 'user:canary-zk'": "digest: {canary: canary-zk}",
            "password: canary-repl": "password: [canary-repl]",
            "superuser: {username: postgres, password: 0123, sslmode: verify-full}": "superuser: canary-whole",
            "restore_command: cp": "primary_conninfo: [password=canary]\n    restore_command: cp",
        ])
        let problems = try ConfigFixture.problems(broken, environment: ["PATRONI_REWIND_PASSWORD": "canary-env"])
        #expect(problems.count >= 5, "\(problems)")
        for problem in problems {
            shown += "\(problem) \(problem.validatorLine) \(problem.value) \(String(reflecting: problem))"
        }
        #expect(!shown.contains("canary"))
        #expect("\(Secret("canary"))" == "***")
    }
}
