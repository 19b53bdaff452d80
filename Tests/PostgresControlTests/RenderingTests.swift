import HACore
import LibPQ
import SystemPackage
import Testing

@testable import PostgresControl

struct RenderingTests {
    private let config = ServerConfig(dataDirectory: "/data")

    @Test func postgresqlConfHasTheContractsShape() {
        let parameters = ServerParameters(
            values: ["work_mem": "4MB", "archive_command": "cp '%p' \\dir"], recovery: [:], warnings: [])
        let recovery = RecoverySettings(
            following: Upstream(host: "127.0.0.1", port: 25431, user: "replicator", passfile: "/home/x/pgpass"),
            memberName: "node-2", slot: "node_2",
            configured: ["restore_command": "cp", "recovery_target_time": "now", "primary_conninfo": "host=evil"])
        let lines = config.render(parameters, recovery: recovery).split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0].hasPrefix("#") && lines[1].hasPrefix("#"))
        #expect(
            lines.dropFirst(2) == [
                "include 'postgresql.base.conf'", "", "archive_command = 'cp ''%p'' \\\\dir'", "work_mem = '4MB'",
                "hba_file = '/data/pg_hba.conf'", "ident_file = '/data/pg_ident.conf'", "", "# recovery.conf",
                "primary_conninfo = 'dbname=postgres user=replicator passfile=/home/x/pgpass host=127.0.0.1 port=25431 sslmode=prefer application_name=node-2 gssencmode=prefer channel_binding=prefer'",
                "primary_slot_name = 'node_2'", "recovery_target = ''", "recovery_target_lsn = ''",
                "recovery_target_name = ''", "recovery_target_time = ''", "recovery_target_timeline = 'latest'",
                "recovery_target_xid = ''", "restore_command = 'cp'", "",
            ])
    }

    @Test func aCustomConfAndOwnFilesAreKept() {
        let parameters = ServerParameters(values: ["hba_file": "/etc/hba"], recovery: [:], warnings: [])
        let text = ServerConfig(dataDirectory: "/data", customConf: "/etc/it's.conf").render(parameters, recovery: nil)
        #expect(text.contains("include '/etc/it''s.conf'\n"))
        #expect(text.contains("hba_file = '/etc/hba'\n"))
        #expect(!text.contains("recovery.conf"))
    }

    @Test func aLineBreakStaysInsideItsValue() {
        #expect(ServerConfig.quoted("a\nport = 1\r") == "'a\\nport = 1\\r'")
    }

    @Test func nobodyToFollowIsAnEmptyConninfo() {
        let recovery = RecoverySettings(
            following: nil, memberName: "a", slot: nil, configured: ["restore_command": "one"],
            parameters: ["restore_command": "two"])
        #expect(recovery.values["primary_conninfo"] == "")
        #expect(recovery.values["primary_slot_name"] == "")
        #expect(recovery.values["restore_command"] == "two")
    }

    @Test func conninfoHasTheContractsOrderAndEscapes() {
        let upstream = Upstream(
            host: "h", port: 1, user: "o'dd user", passfile: "/p",
            options: [
                "sslnegotiation": "direct", "krbsrvname": "k", "sslkey": "/k", "sslmode": "verify-full",
                "sslcert": "/c", "sslrootcert": "/r", "sslcrl": "/l", "sslcrldir": "/d", "nonsense": "1",
            ])
        #expect(
            upstream.primaryConninfo(applicationName: "n")
                == "dbname=postgres user=o\\'dd\\ user passfile=/p host=h port=1 sslmode=verify-full sslcert=/c sslkey=/k sslrootcert=/r sslcrl=/l sslcrldir=/d application_name=n krbsrvname=k gssencmode=prefer channel_binding=prefer sslnegotiation=direct"
        )
        #expect(
            upstream.connection(targetSessionAttributes: "read-write").conninfo(includingPassword: false)
                .contains("target_session_attrs=read-write"))
    }

    @Test func passfileLinesEscapeColonsAndBackslashes() {
        let entry = Passfile.Entry(host: "::1", port: 5432, user: "a\\b", password: Secret("p:w"))
        #expect(entry.line == "\\:\\:1:5432:*:a\\\\b:p\\:w")
        #expect(Passfile.Entry(host: "h", port: 1, user: "u", password: Secret("a\nb")).line == nil)
        #expect(!"\(entry)".contains("p:w"))
    }

    @Test func raisesForAStandbyAndSaysWhat() throws {
        let parameters = ServerParameters(
            values: ["max_connections": "100", "max_worker_processes": "20"], recovery: [:], warnings: [])
        var data = try #require(ControlData(output: ControlDataTests.output))
        data.standbyFloor["max_connections"] = 150
        let raised = parameters.raised(to: data)
        #expect(raised.values["max_connections"] == "150")
        #expect(raised.values["max_worker_processes"] == "20")
        #expect(raised.raised == ["max_connections": "100"])
    }

    @Test func toolsGetTheirArguments() {
        let installation = Installation(binDir: "/bin", names: [.initdb: "initdb-15"])
        let bootstrapper = Bootstrapper(
            installation: installation, dataDirectory: "/d/", runner: UnprivilegedRunner(), output: "/o")
        #expect(
            bootstrapper.arguments(
                target: bootstrapper.layout.bootstrapStaging,
                options: [.flag("data-checksums"), .value("encoding", "'UTF8'")], superuser: "pg", passwordFile: "/pw")
                == [
                    "/bin/initdb-15", "--pgdata=/d.new", "--data-checksums", "--encoding=UTF8", "--username=pg",
                    "--pwfile=/pw",
                ])
        let source = Upstream(host: "h", port: 2, user: "r", passfile: "/p")
        let cloner = Cloner(
            installation: installation, dataDirectory: "/d", runner: UnprivilegedRunner(), output: "/o")
        let conninfo =
            "dbname=postgres user=r passfile=/p host=h port=2 sslmode=prefer gssencmode=prefer channel_binding=prefer"
        #expect(
            cloner.arguments(target: "/d.clone", source: source, options: [.value("max-rate", "10M")]) == [
                "/bin/pg_basebackup", "--pgdata=/d.clone", "-X", "stream", "--dbname=\(conninfo)", "--max-rate=10M",
                "--checkpoint=fast",
            ])
        let named = cloner.arguments(target: "/d", source: source, options: [.value("checkpoint", "spread")])
        #expect(named.last == "--checkpoint=spread")
        let rewinder = Rewinder(
            installation: installation, config: config, runner: UnprivilegedRunner(), output: "/o")
        #expect(
            rewinder.arguments(source, true, [.flag("debug")]) == [
                "/bin/pg_rewind", "--restore-target-wal", "--config-file=/data/postgresql.conf", "-D", "/data",
                "--source-server", conninfo + " target_session_attrs=primary", "--debug",
            ])
        let command = StartCommand(
            installation: installation, config: config,
            parameters: ServerParameters(values: ["port": "1"], recovery: [:], warnings: []),
            environment: ChildEnvironment(cleaning: ["PATH": "/bin"]))
        #expect(
            command.arguments == ["/bin/postgres", "-D", "/data", "--config-file=/data/postgresql.conf", "--port=1"])
        #expect(command.environment == ["PATH": "/bin"])
        let meshed = StartCommand(
            installation: installation, config: config,
            parameters: ServerParameters(values: ["port": "1"], recovery: [:], warnings: []),
            serviceFile: "/run/services", passfile: "/etc/pgpass",
            environment: ChildEnvironment(cleaning: ["PATH": "/bin", "PGSERVICEFILE": "/s", "PGPASSFILE": "/p"]))
        #expect(meshed.arguments == command.arguments)
        #expect(
            meshed.environment == ["PATH": "/bin", "PGSERVICEFILE": "/run/services", "PGPASSFILE": "/etc/pgpass"])
    }

    @Test func theEnvironmentIsCleaned() {
        let inherited = [
            "PATH": "/bin", "LANG": "C", "LC_MESSAGES": "C", "TZ": "UTC", "HOME": "/h", "USER": "u", "AWS_REGION": "x",
            "PATRONI_SUPERUSER_PASSWORD": "hush", "MATRIARCH_X": "1", "NOTIFY_SOCKET": "/n", "KUBERNETES_PORT": "1",
            "PGSERVICEFILE": "/s", "PGPASSWORD": "hush", "PG_MALLOC_ARENA_MAX": "1", "PGBACKREST_STANZA": "main",
        ]
        #expect(
            ChildEnvironment(cleaning: inherited).variables == [
                "PATH": "/bin", "LANG": "C", "LC_MESSAGES": "C", "TZ": "UTC", "HOME": "/h", "USER": "u",
                "AWS_REGION": "x", "MALLOC_ARENA_MAX": "1", "PGBACKREST_STANZA": "main",
            ])
    }
}
