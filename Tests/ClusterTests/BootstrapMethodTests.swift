import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Data directories that the user's commands make: a cluster from a backup, a replica by a command.
    @Suite(.serialized) struct Methods {
        /// A server with an archive and a base backup, and rows before and after a named point.
        private func withBackup(
            _ body: (_ source: PostgresInstance, _ backup: String, _ archive: String) async throws -> Void
        )
            async throws
        {
            let source = try await PostgresInstance("backup-source", binaries: "/usr/lib/postgresql/15/bin")
            let archive = try source.folder.makeFolder("archive", mode: 0o755)
            do {
                try await source.start([
                    "archive_mode": "on", "archive_command": "cp %p \(archive)/%f", "wal_level": "replica",
                    "shared_buffers": "16MB",
                ])
                try await source.query("CREATE TABLE kept AS SELECT 1 AS n")
                let backup = source.folder.path("backup")
                try await PostgresInstance.run(
                    "\(source.binaries)/pg_basebackup",
                    [
                        "--pgdata=\(backup)", "--checkpoint=fast",
                        "--dbname=\(source.conninfo.conninfo(includingPassword: true))",
                    ],
                    log: source.folder.path("pg_basebackup.log"))
                for statement in [
                    "INSERT INTO kept VALUES (2)", "SELECT pg_create_restore_point('here')",
                    "INSERT INTO kept VALUES (3)", "SELECT pg_switch_wal()",
                ] { try await source.query(statement) }
                try await source.stop()
                try await body(source, backup, archive)
            } catch {
                await source.discard()
                throw error
            }
            await source.discard()
        }

        private func settings(
            _ members: [String], _ backup: String, recovery: [String]
        ) -> Support.ClusterSettings {
            var settings = Support.ClusterSettings()
            settings.members = members
            settings.bootstrap = { place in
                let copy = ClusterSettings.quoted(
                    "sh -c 'echo \"$@\" >>\(place.folder)/bootstrap; cp -a \(backup) \(place.dataDirectory)' bootstrap")
                let after = ClusterSettings.quoted(
                    "sh -c 'psql \"$1\" -c \"CREATE TABLE made AS SELECT current_user AS by\" && env >\(place.folder)/env' after"
                )
                return ["method: copied", "copied:", "  command: \(copy)", "  extra: 'a b'"]
                    + (recovery.isEmpty ? [] : ["  recovery_conf:"] + recovery.map { "    \($0)" })
                    + ["post_bootstrap: \(after)"]
            }
            return settings
        }

        private func rows(_ node: ClusterNode) async throws -> [String] {
            try await node.query("SELECT n FROM public.kept ORDER BY n").rows.map { try $0.text("n") }
        }

        /// Its passwords are the backup's: those of the configuration hold once the bootstrap is done.
        @Test func aClusterFromABackup() async throws {
            try await withBackup { source, backup, _ in
                let settings = settings(
                    ["member-a", "member-b"], backup, recovery: [])
                try await TestCluster.with(settings) { cluster in
                    try cluster.start()
                    let roles = try await cluster.whole("from a backup", within: AgentCommand.deadline(40))
                    let folder = roles.leader.place.folder
                    #expect(try await rows(roles.leader) == ["1"])
                    #expect(try await roles.leader.query("SELECT by FROM public.made").first()["by"] == "postgres")
                    let told = try String(contentsOfFile: "\(folder)/bootstrap", encoding: .utf8)
                    #expect(
                        told
                            == "--scope=\(cluster.scope) --datadir=\(roles.leader.dataDirectory) --extra=a b\n")
                    let environment = try String(contentsOfFile: "\(folder)/env", encoding: .utf8)
                    #expect(environment.contains("PGOPTIONS=-c synchronous_commit=local -c statement_timeout=0"))
                    #expect(environment.contains("PGPASSFILE="))
                    #expect(!environment.contains(ClusterSettings.Passwords.canary))
                    let access = try String(
                        contentsOfFile: "\(roles.leader.dataDirectory)/pg_hba.conf", encoding: .utf8)
                    #expect(!access.contains("trust"), "nobody gets in without a password any more")
                }
            }
        }

        @Test func aClusterRecoveredToAPoint() async throws {
            try await withBackup { source, backup, archive in
                let settings = settings(
                    ["member-a", "member-b"], backup,
                    recovery: [
                        "restore_command: cp \(archive)/%f %p", "recovery_target_name: here",
                        "recovery_target_action: promote", "recovery_target_timeline: latest",
                    ])
                try await TestCluster.with(settings) { cluster in
                    try cluster.start()
                    let roles = try await cluster.whole("recovered", within: AgentCommand.deadline(40))
                    #expect(try await rows(roles.leader) == ["1", "2"])
                    #expect(roles.timeline == 2)
                    for node in cluster.nodes {
                        let configuration = try String(
                            contentsOfFile: "\(node.dataDirectory)/postgresql.conf", encoding: .utf8)
                        #expect(!configuration.contains("recovery_target_name = 'here'"))
                    }
                }
            }
        }

        /// Whoever goes on with a recovery goes to its target and no further.
        @Test(.disabled(if: AgentCommand.isForeign, "a foreign program has no supervisor"))
        func aRecoveryOutlivesItsAgent() async throws {
            try await withBackup { source, backup, archive in
                let go = source.folder.path("go")
                let wait = "touch \(archive)/asked; until [ -e \(go) ]; do sleep 0.1; done"
                let fetch = "sh -c '\(wait); cp \(archive)/%f %p'"
                let settings = settings(
                    ["member-a"], backup,
                    recovery: [
                        "restore_command: \(ClusterSettings.quoted(fetch))", "recovery_target_name: here",
                        "recovery_target_action: promote",
                    ])
                try await TestCluster.with(settings) { cluster in
                    let node = cluster.nodes[0]
                    try cluster.start()
                    try await eventually("it recovers", within: AgentCommand.deadline(40)) {
                        FileManager.default.fileExists(atPath: "\(archive)/asked")
                    }
                    try node.kill(\.agent, "agent")
                    let log = node.logText
                    try await eventually("another agent waits for it", within: AgentCommand.deadline()) {
                        node.logText(since: log).contains("rule=")
                    }
                    try node.kill(\.postmaster, "postmaster")
                    try source.folder.write("go", "", mode: 0o644)
                    let roles = try await cluster.whole("recovered", within: AgentCommand.deadline(40))
                    #expect(try await rows(roles.leader) == ["1", "2"])
                    try await eventually("what the dead agent owed is done", within: AgentCommand.deadline()) {
                        let access = try String(contentsOfFile: "\(node.dataDirectory)/pg_hba.conf", encoding: .utf8)
                        return !access.contains("trust")
                    }
                }
            }
        }

        /// A target that is not there ends the bootstrap: what was made is kept aside, and the next may try.
        @Test func aBootstrapThatFailsLeavesNothing() async throws {
            try await withBackup { source, backup, archive in
                let settings = settings(
                    ["member-a"], backup,
                    recovery: [
                        "restore_command: cp \(archive)/%f %p", "recovery_target_name: nowhere",
                        "recovery_target_action: promote",
                    ])
                try await TestCluster.with(settings) { cluster in
                    let node = cluster.nodes[0]
                    try cluster.start()
                    try await eventually("the agent gives up", within: AgentCommand.deadline(40)) {
                        !node.isRunning
                    }
                    #expect(node.exitStatus == .exited(1))
                    try await ClusterTree.with(cluster) { tree in
                        let initialize = try await tree.text("initialize")
                        #expect(initialize == nil)
                    }
                    let entries = try FileManager.default.contentsOfDirectory(atPath: node.place.folder)
                    #expect(entries.contains { $0.hasPrefix("data.failed") })
                }
            }
        }

        /// The first method fails, the second is the user's own, and the third is not needed.
        @Test func aReplicaByACommand() async throws {
            var settings = Support.ClusterSettings()
            settings.members = ["member-a", "member-b"]
            let binaries = settings.binaries
            settings.postgres = { place in
                let failing = ClusterSettings.quoted(
                    "sh -c 'echo half >\(place.folder)/half; mkdir -p \(place.dataDirectory); echo x >\(place.dataDirectory)/x; exit 9'"
                )
                let own = ClusterSettings.quoted(
                    "sh -c 'echo \"$@\" >\(place.folder)/own; for a; do case $a in --datadir=*) d=${a#*=};; --connstring=*) c=${a#*=};; esac; done; "
                        + "test ! -e $d/x && \(binaries)/pg_basebackup --checkpoint=fast -D $d -d \"$c\"' own")
                return [
                    "use_unix_socket: true", "create_replica_methods: [failing, own, basebackup]", "failing:",
                    "  command: \(failing)",
                    "own:", "  command: \(own)", "  depth: 3",
                ]
            }
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let roles = try await cluster.whole("from nothing", within: AgentCommand.deadline(40))
                let folder = roles.replicas[0].place.folder
                #expect(FileManager.default.fileExists(atPath: "\(folder)/half"))
                let told = try String(contentsOfFile: "\(folder)/own", encoding: .utf8)
                #expect(told.contains("--depth=3"))
                #expect(told.contains("--scope=\(cluster.scope) --role=replica --datadir=\(folder)/data --connstring="))
                #expect(!told.contains(ClusterSettings.Passwords.canary))
                #expect(roles.replicas[0].logText.contains("replica has been created using own"))
                let socket = try await roles.leader.query(
                    "SELECT client_addr IS NULL AS it FROM pg_stat_activity WHERE application_name LIKE '% heartbeat'")
                #expect(try socket.first().bool("it") == true, "use_unix_socket")
            }
        }
    }
}
