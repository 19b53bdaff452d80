import AdminModel
import HACore
import LibPQ
import LocalConfiguration
import Testing

@testable import Agent

@Suite("Keys that few set")
struct ConfigRareKeyTests {
    @Test("settings of PostgreSQL, also in the cluster's document")
    func rareSettings() throws {
        let keys = """
            config_base_name: gold
              custom_conf: /etc/gold.conf
              bin_name: {postgres: postgres15}
              database: admin
              krbsrvname: pg
              use_unix_socket: on
              use_unix_socket_repl: on
              pg_ctl_timeout: 1min
            """
        let changed = try ConfigFixture.changed([
            "pgpass: ~/pgpass0": "proxy_address: 10.0.0.1:6432\n  config_dir: /etc/pg\n  \(keys)"
        ])
        let config = try ConfigFixture.load(changed).config.postgresql
        #expect(config.proxyAddress?.description == "10.0.0.1:6432")
        #expect(config.configDir == "/etc/pg")
        #expect(config.pgpass == "/home/pg/pgpass")
        let document = try YAMLDocument.parse(keys.replacing("\n  ", with: "\n"), source: "").value
        let local = try ConfigFixture.load(try ConfigFixture.changed([:])).config.postgresql
        let dynamic = DynamicConfig(document: ["postgresql": document], local: local)
        #expect(dynamic.rejected.isEmpty && dynamic.notices.isEmpty)
        for settings in [config.settings, dynamic.postgresql.settings] {
            #expect(settings.configBaseName == "gold")
            #expect(settings.customConf == "/etc/gold.conf")
            #expect(settings.binNames == ["postgres": "postgres15"])
            #expect(settings.database == "admin")
            #expect(settings.krbsrvname == "pg")
            #expect(settings.useUnixSocket && settings.useUnixSocketRepl)
            #expect(settings.pgCtlTimeout == 60)
        }
    }

    @Test("bootstrap and replica methods of the user's")
    func ownMethods() throws {
        let changed = try ConfigFixture.changed([
            "post_bootstrap: /usr/local/bin/setup.sh --all": """
            post_init: /usr/local/bin/old.sh
              method: mine
              mine: {command: make it, no_params: on, keep_existing_recovery_conf: on, recovery_conf: {a: b}, depth: 3}
            """,
            "no_leader: true": "no_master: true\n    no_params: true\n    keep_data: true",
        ])
        let config = try ConfigFixture.load(changed).config
        #expect(config.bootstrap.postBootstrap == "/usr/local/bin/old.sh")
        let method = try #require(config.bootstrap.method)
        #expect(method.command == "make it" && method.noParams && method.keepExistingRecoveryConf)
        #expect(method.recoveryConf == [PostgresParameter(name: "a", value: "b")])
        #expect(method.extra.map(\.argument) == ["--depth=3"])
        let replica = try #require(config.postgresql.settings.replicaMethods.first)
        #expect(replica.noLeader && replica.noParams && replica.keepData)
    }

    @Test("keys at the places where they once were")
    func formerPlaces() throws {
        let account = "{username: u, password: p, sslmode: require}"
        let config = try ConfigFixture.load(
            """
            scope: gold
            restapi: {listen: "10.0.0.1:8008"}
            zookeeper: {hosts: zk1}
            postgresql:
              name: old
              listen: 10.0.0.1
              data_dir: /data
              create_replica_method: [mine]
              superuser: \(account)
              replication: \(account)
              pg_rewind: \(account)
            """
        ).config
        #expect(config.name == "old")
        #expect(config.postgresql.settings.replicaMethods.map(\.command) == ["mine"])
        for account in [config.postgresql.superuser, config.postgresql.replication, config.postgresql.rewind] {
            #expect(account?.username == "u" && account?.password?.reveal() == "p")
            #expect(account?.options == [PostgresParameter(name: "sslmode", value: "require")])
        }
    }

    @Test("keys that change nothing are accepted, and most are named once")
    func withoutEffect() throws {
        let changed = try ConfigFixture.changed([
            "scope: gold": "scope: gold\nthread_pool_size: 7\nthread_stack_size: 1MB",
            "level: DEBUG": "level: DEBUG\n  traceback_level: DEBUG",
            "restapi:\n": "restapi:\n  thread_pool_size: 7\n  request_queue_size: 7\n",
            "zookeeper:\n": "zookeeper:\n  cacert: a\n  cert: b\n  key: c\n  key_password: d\n  verify: false\n",
            "ttl: 30": "ttl: 30\n    primary_race_backoff: 1", "post_bootstrap:": "users: {a: {}}\n  post_bootstrap:",
            "mode: off": "mode: off\n  device: /dev/w\n  safety_margin: 5\n  driver: testing",
            "pgpass:": "use_slots: false\n  pgpass:",
        ])
        let notices = try ConfigFixture.load(changed).notices
        #expect(notices.allSatisfy { $0.code == .withoutEffect || $0.code == .doubtful }, "\(notices)")
        #expect(
            Set(notices.filter { $0.code == .withoutEffect }.map(\.path.description)) == [
                "thread_pool_size", "thread_stack_size", "restapi.thread_pool_size", "restapi.request_queue_size",
                "zookeeper.cacert", "zookeeper.cert", "zookeeper.key", "zookeeper.key_password", "zookeeper.verify",
                "bootstrap.dcs.primary_race_backoff", "bootstrap.users", "postgresql.use_slots",
            ])
    }
}
