import AdminModel
import LocalConfiguration
import Foundation
import HACore
import LibPQ
import Testing

@testable import Agent

@Suite("The local configuration")
struct ConfigLoaderTests {
    @Test("a whole file is read")
    func wholeFile() throws {
        let loaded = try ConfigFixture.load(ConfigFixture.yaml)
        let config = loaded.config
        #expect(config.basePath == "/db/gold")
        #expect(config.name == "node-0")
        #expect(config.log.level == .debug)
        #expect(config.restAPI.url == "http://10.0.0.1:8008/patroni")
        #expect(config.restAPI.password?.reveal() == "canary-rest")
        #expect(config.restAPI.allowlist == ["10.0.0.0/8", "::1"])
        #expect(config.zooKeeper.connectString == "zk1:2181,zk2:2181,[2001:db8::1]:2182/chroot")
        #expect(config.zooKeeper.authData.first?.credential.reveal() == "user:canary-zk")
        #expect(
            config.zooKeeper.setACLs == [
                .init(scheme: "digest", id: "user:hash=", permissions: 31),
                .init(scheme: "x509", id: "CN=client", permissions: 3),
            ])
        #expect(
            config.bootstrap.initdbOptions.map(\.argument) == ["--encoding=UTF8", "--data-checksums", "--lc-collate=C"])
        #expect(config.bootstrap.postBootstrap == "/usr/local/bin/setup.sh --all")
        #expect(
            config.bootstrap.dcs?["postgresql"]?["parameters"]?.text(.compact)
                == #"{"wal_level":"logical","hot_standby":true,"log_file_mode":416}"#)
        #expect(config.tags.text(.compact) == #"{"failover_priority":"1","nofailover":true,"az":"b"}"#)
        #expect(config.watchdog == .off)
        #expect(config.matriarch == MatriarchConfig(runtimeDir: "/run/gold", tickTime: 500))
    }

    @Test("the section postgresql is read")
    func postgresql() throws {
        let postgresql = try ConfigFixture.load(ConfigFixture.yaml).config.postgresql
        #expect(postgresql.listen.hosts == ["*", "::1"])
        #expect(postgresql.listen.port == 5432)
        #expect(postgresql.configDir == "/var/lib/postgresql/data")
        #expect(postgresql.pgpass == "/home/pg/pgpass0")
        #expect(postgresql.superuser.password?.reveal() == "83", "YAML 1.1 takes 0123 for an octal number")
        #expect(postgresql.superuser.options == [PostgresParameter(name: "sslmode", value: "verify-full")])
        #expect(postgresql.rewind?.username == "rewinder")
        #expect(postgresql.rewind?.password?.reveal() == "canary-repl")
        let settings = postgresql.settings
        #expect(settings.createReplicaMethods == ["walg", "basebackup"])
        #expect(settings.replicaMethods.first?.noLeader == true)
        #expect(settings.replicaMethods.first?.extra.map(\.argument) == ["--threads=4"])
        #expect(settings.basebackupOptions.map(\.argument) == ["--checkpoint=fast", "--verbose"])
        #expect(
            settings.parameters.map { "\($0.name)=\($0.value)" } == [
                "shared_buffers=1GB", "archive_command=cp %p /archive/%f", "checkpoint_completion_target=0.9",
                "logging_collector=False",
            ])
        #expect(settings.recoveryConf == [PostgresParameter(name: "restore_command", value: "cp /archive/%f %p")])
        #expect(settings.callbacks == ["on_role_change": "/bin/notify"])
        #expect(settings.pgHBA == ["local all all trust"])
        #expect(settings.pgIdent == nil)
    }

    @Test("unknown keys are kept and named once; keys without effect are named")
    func notices() throws {
        let text = try ConfigFixture.changed([
            "namespace: /db/": "flavour: {a: 1}\nttl: 5", "  bin_dir:": "  colour: red\n  bin_dir:",
        ])
        let loaded = try ConfigFixture.load(text)
        let unknown = loaded.notices.filter { $0.code == .unknownKey }.map(\.path.description)
        #expect(unknown == ["postgresql.colour", "flavour"])
        #expect(loaded.config.document["flavour"]?["a"] == 1)
        #expect(loaded.notices.contains { $0.code == .withoutEffect && $0.path == ["ttl"] })
        #expect(
            loaded.notices.contains {
                $0.code == .doubtful && $0.message.hasPrefix("Conflicting configuration between nofailover")
            })
    }

    @Test("a file that lets nobody make the cluster is said to be one")
    func withoutBootstrap() throws {
        let text = try ConfigFixture.changed(["\nbootstrap:": "\nbootstrap: null\nwas_bootstrap:"])
        let said = try ConfigFixture.load(text).notices.first { $0.path == ["bootstrap"] }
        #expect(said?.message.contains("this member makes no cluster") == true)
        #expect(try !ConfigFixture.load(ConfigFixture.yaml).notices.contains { $0.path == ["bootstrap"] })
    }

    @Test("the environment wins over the file, the sealed variables over both")
    func precedence() throws {
        let environment = [
            "PATRONI_NAME": "from-env", "PATRONI_SCOPE": "", "PATRONI_POSTGRESQL_LISTEN": "127.0.0.1:6000",
            "PATRONI_ZOOKEEPER_HOSTS": "'a:1','b:2'", "PATRONI_SUPERUSER_PASSWORD": "0123",
            "PATRONI_SUPERUSER_SSLMODE": "require",
            "PATRONI_RESTAPI_ALLOWLIST_INCLUDE_MEMBERS": "on", "PATRONI_LOGLEVEL": "ERROR",
            "PATRONI_LOG_FILE_SIZE": "0x10",
            "PATRONI_ZOOKEEPER_AUTH_DATA": "digest: 'x:y'", "PATRONI_POSTGRESQL_BIN_PG_CTL": "pg_ctl15",
            "PATRONI_RESTAPI_PASSWORD": "env", "UNRELATED": "x",
        ]
        let config = try ConfigFixture.withFile(ConfigFixture.yaml) { path in
            try ConfigLoader(path: path, environment: environment, sealed: ["PATRONI_RESTAPI_PASSWORD": "sealed"])
                .load().config
        }
        #expect(config.name == "from-env")
        #expect(config.scope == "gold")
        #expect(config.postgresql.listen.port == 6000)
        #expect(config.zooKeeper.connectString == "a:1,b:2")
        #expect(config.postgresql.superuser.password?.reveal() == "0123", "text of the environment is no YAML")
        #expect(config.postgresql.superuser.options.first?.value == "require")
        #expect(config.postgresql.superuser.username == "postgres")
        #expect(config.restAPI.allowlistIncludeMembers)
        #expect(config.restAPI.password?.reveal() == "sealed")
        #expect(config.log.level == .error)
        #expect(config.log.fileSize == 16)
        #expect(config.zooKeeper.authData.first?.credential.reveal() == "x:y")
        #expect(config.postgresql.settings.binNames == ["pg_ctl": "pg_ctl15"])
    }

    @Test("the environment alone is enough; PATRONI_CONFIGURATION replaces everything else")
    func environmentAlone() throws {
        let environment = [
            "PATRONI_SCOPE": "s", "PATRONI_NAME": "n", "PATRONI_RESTAPI_LISTEN": "127.0.0.1:8008",
            "PATRONI_POSTGRESQL_LISTEN": "127.0.0.1:5432", "PATRONI_POSTGRESQL_DATA_DIR": "/data",
            "PATRONI_ZOOKEEPER_HOSTS": "'zk'",
            "PATRONI_REPLICATION_USERNAME": "r",
        ]
        #expect(try ConfigLoader(path: nil, environment: environment).load().config.basePath == "/service/s")
        #expect(try ConfigLoader(path: "/nowhere/x.yml", environment: environment).load().config.scope == "s")
        let whole = environment.merging(["PATRONI_CONFIGURATION": ConfigFixture.yaml]) { $1 }
        #expect(try ConfigLoader(path: nil, environment: whole).load().config.scope == "gold")
    }

    @Test("nothing at all is said in the contract's words; a file that is not there is named")
    func nothing() {
        let empty = #expect(throws: ConfigError.self) { try ConfigLoader(path: nil, environment: [:]).load() }
        #expect(empty?.description == "Config is empty.")
        let missing = #expect(throws: ConfigError.self) {
            try ConfigLoader(path: "/nowhere/x.yml", environment: [:]).load()
        }
        #expect(missing?.description == "/nowhere/x.yml: must be an existing file or folder")
    }

    @Test("the files of a folder are merged in the order of their names; problems name the file")
    func folder() throws {
        let files = [
            "10-base.yml": ConfigFixture.yaml,
            "20-over.yaml": "scope: silver\npostgresql: {parameters: {shared_buffers: 2GB, work_mem: 4MB}}\n",
            "30-away.yml": "watchdog: null\nnamespace: ~\n", "99-ignored.txt": "scope: lead",
        ]
        try ConfigFixture.withFolder(files) { folder in
            let config = try ConfigLoader(path: folder, environment: [:]).load().config
            #expect(config.basePath == "/service/silver")
            #expect(config.watchdog == .automatic)
            #expect(
                config.postgresql.settings.parameters.map(\.value) == [
                    "2GB", "cp %p /archive/%f", "0.9", "False", "4MB",
                ])
        }
        try ConfigFixture.withFolder(
            files.merging(["40.yml": "\nname: 5\n", "50.yml": "postgresql: {listen: 'x:y'}"]) { $1 }
        ) { folder in
            let error = #expect(throws: ConfigError.self) { try ConfigLoader(path: folder, environment: [:]).load() }
            #expect(error?.problems.map(\.source) == ["\(folder)/40.yml:2", "\(folder)/50.yml:1"])
        }
        try ConfigFixture.withFolder(["a.yml": "a: 'x", "b.yml": "- 1\n", "c.yml": "a: 1"]) { folder in
            let error = #expect(throws: ConfigError.self) { try ConfigLoader(path: folder, environment: [:]).load() }
            #expect(error?.problems.count == 2)
        }
    }

    @Test("sealed variables come back as they were put in")
    func sealedVariables() throws {
        let variables = ["PATRONI_SUPERUSER_PASSWORD": "a=b\nc ü", "PATRONI_NAME": "", "PATRONI_SCOPE": "s"]
        try ConfigFixture.withFolder([:]) { folder in
            try Data(SealedVariables.encode(variables)).write(to: URL(fileURLWithPath: folder + "/sealed"))
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: folder + "/sealed"))
            defer { try? file.close() }
            #expect(try SealedVariables.read(file.fileDescriptor) == variables)
            #expect(try SealedVariables.read(file.fileDescriptor) == variables, "a reload reads again")
            try Data("no end".utf8).write(to: URL(fileURLWithPath: folder + "/odd"))
            let odd = try FileHandle(forReadingFrom: URL(fileURLWithPath: folder + "/odd"))
            defer { try? odd.close() }
            let error = #expect(throws: SealedVariables.Failure.self) { try SealedVariables.read(odd.fileDescriptor) }
            #expect(error?.code == .malformed)
        }
        #expect(throws: SealedVariables.Failure.self) { try SealedVariables.read(-1) }
    }

    @Test("the sample is a file that only lacks what is marked")
    func sample() throws {
        let text = SampleConfig.text(name: "it's", address: "db1", binDir: "/usr/lib/postgresql/15/bin")
        #expect(try ConfigFixture.problems(text).map(\.path.description) == ["postgresql.data_dir"])
        let filled = text.replacingOccurrences(of: "data_dir: '#FIXME'", with: "data_dir: /data")
        let loaded = try ConfigFixture.load(filled)
        #expect(loaded.config.name == "it's")
        #expect(loaded.notices.isEmpty, "\(loaded.notices)")
        #expect(
            loaded.config.document.keys == [
                "scope", "name", "log", "restapi", "zookeeper", "bootstrap", "postgresql", "tags",
            ])
        #expect(loaded.config.bootstrap.dcs?.keys.prefix(3) == ["loop_wait", "retry_timeout", "ttl"])
    }

    @Test("what the sample has in a comment of a mesh holds when it is filled in")
    func sampleOfAMesh() throws {
        let text = SampleConfig.text(name: "a", address: "db1", binDir: "/usr/lib/postgresql/15/bin")
        let comment = text.split(separator: "\n").drop { $0 != "# spock:" }.prefix { $0.hasPrefix("# ") }
        let section = comment.map { $0.dropFirst(2) }.joined(separator: "\n")
        #expect(section == SampleConfig.spock)
        let file = try MeshFixture.file(section: section.replacing("'#FIXME'", with: "n1") + "\n")
        #expect(try MeshFixture.notices(file).isEmpty)
        var expected = MeshSettings(mesh: "n1", node: "n1", databases: ["n1"])
        expected.location = "az1"
        expected.connection.passfile = "/etc/matriarch/pgpass"
        expected.connection.options = ["sslmode": "prefer"]
        expected.replicationSets = [.init(name: "default")]
        expected.replicationSets[0].schemas = ["public"]
        #expect(
            ClusterSettings(local: try ConfigFixture.load(file).config).mesh == expected,
            "all the others are the defaults")
    }
}
