import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Starts that must be refused, or must wait, with words that tell the operator what to do.
    @Suite(.serialized)
    struct Starts {
        struct Mistake: Sendable, CustomTestStringConvertible {
            let from: String
            let to: String
            /// What the message must name beside the file: key, value, and what is allowed.
            let named: [String]
            var testDescription: String { to }
        }

        @Test(
            .disabled(if: AgentCommand.isForeign),
            arguments: [
                Mistake(from: "scope: ", to: "scope: [", named: ["YAML"]),
                Mistake(from: "ttl: ", to: "ttl: soon # ", named: ["ttl", "soon"]),
                Mistake(from: "loop_wait: ", to: "loop_wait: -3 # ", named: ["loop_wait", "-3"]),
                Mistake(from: "use_slots: true", to: "use_slots: perhaps", named: ["use_slots", "perhaps"]),
                Mistake(from: "  data_dir: ", to: "  data_dri: ", named: ["postgresql.data_dir"]),
                Mistake(from: "scope: ", to: "skope: ", named: ["scope"]),
                Mistake(from: "  bin_dir: ", to: "  bin_dir: /nowhere # ", named: ["bin_dir", "/nowhere"]),
                Mistake(from: "    ttl: ", to: "    failsafe_mode: true\n    ttl: ", named: ["failsafe_mode"]),
                Mistake(
                    from: "    ttl: ", to: "    standby_cluster: {host: other}\n    ttl: ", named: ["standby_cluster"]),
                Mistake(
                    from: "    ttl: ", to: "    synchronous_mode: quorum\n    ttl: ",
                    named: ["synchronous_mode", "quorum"]),
                Mistake(
                    from: "bootstrap:", to: "watchdog:\n  mode: required\nbootstrap:",
                    named: ["watchdog.mode", "required"]),
                Mistake(
                    from: "  listen: 127.0.0.1:", to: "  listen: 127.0.0.1:99999 # ",
                    named: ["restapi.listen", "99999"]),
            ])
        func aWrongFileIsRefusedByName(mistake: Mistake) async throws {
            var settings = ClusterSettings()
            settings.members = ["member-a"]
            try await TestCluster.with(settings) { cluster in
                let node = cluster.nodes[0]
                let right = node.configuration
                let place = try #require(right.range(of: mistake.from))
                try node.write(configuration: right.replacingCharacters(in: place, with: mistake.to))
                try node.start()
                let status = try await eventually("the program ends", within: AgentCommand.deadline()) {
                    node.exitStatus
                }
                #expect(status == .exited(1))
                for words in mistake.named + [node.place.configuration] {
                    #expect(node.logText.contains(words), "\(words) in: \(node.logText)")
                }
                #expect(!node.logText.contains(ClusterSettings.Passwords.canary))
                try await eventually("no process is left") { node.everything().isEmpty }
                #expect(!FileManager.default.fileExists(atPath: node.dataDirectory))
            }
        }

        @Test(.disabled(if: AgentCommand.isForeign)) func aPortInUseIsNamedAndEndsTheProgram() async throws {
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            try await TestCluster.with(settings) { cluster in
                let (first, second) = (cluster.nodes[0], cluster.nodes[1])
                try first.start()
                try await cluster.whole("alone", members: [first], within: AgentCommand.deadline(40))
                let taken = "127.0.0.1:\(first.restPort)"
                try second.write(
                    configuration: second.configuration.replacing("127.0.0.1:\(second.restPort)", with: taken))
                try second.start()
                let status = try await eventually("the program ends", within: AgentCommand.deadline()) {
                    second.exitStatus
                }
                #expect(status == .exited(1))
                #expect(second.logText.contains("restapi.listen: cannot listen on port \(first.restPort)"))
                try await eventually("no process of member-b is left") { second.everything().isEmpty }
                try await cluster.whole("untouched", members: [first])
            }
        }

        @Test(.disabled(if: AgentCommand.isForeign)) func aNewClusterThatDoesNotStartIsGivenUp() async throws {
            var settings = ClusterSettings()
            settings.members = ["member-a"]
            try await TestCluster.with(settings) { cluster in
                let node = cluster.nodes[0]
                let right = node.configuration
                let place = try #require(right.firstMatch(of: /unix_socket_directories: .*/)).range
                try node.write(
                    configuration: right.replacingCharacters(
                        in: place, with: "unix_socket_directories: /no-such-folder"))
                try node.start()
                let status = try await eventually("the program ends", within: AgentCommand.deadline()) {
                    node.exitStatus
                }
                #expect(status == .exited(1))
                #expect(node.logText.contains("could not create lock file \"/no-such-folder/"))
                #expect(node.logText.contains("failed to bootstrap a new cluster: PostgreSQL ended as it started"))
                try await eventually("no process is left") { node.everything().isEmpty }
                try node.write(configuration: right)
                try node.start()
                try await cluster.whole("with the right folder", within: AgentCommand.deadline(40))
            }
        }

        @Test(.disabled(if: AgentCommand.isForeign, "Patroni tries each loop_wait"))
        func aServerThatCannotStartIsTriedEverMoreRarely() async throws {
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let replica = try await cluster.whole("at first", within: AgentCommand.deadline(40)).replicas[0]
                try await replica.kill()
                let port = try FreePort.occupy(replica.port)
                let log = replica.logText
                try replica.start()
                func starts() -> Int { replica.logText(since: log).matches(of: /PostgreSQL started as standby/).count }
                try await eventually("it is tried again", within: AgentCommand.deadline()) { starts() >= 3 }
                // Pauses of 0.05, 0.1, 0.2, 0.4, 0.8, 1.6 and 3.2 s.
                try await Task.sleep(for: .seconds(5))
                #expect(starts() <= 9)
                #expect(replica.logText.contains("failed to start postgres: PostgreSQL ended as it started"))
                close(port)
                try await cluster.whole("with the port free again", within: AgentCommand.deadline(30))
            }
        }

        @Test(.disabled(if: AgentCommand.isForeign, "Patroni leaves them"))
        func lockFilesOfACrashThatNameAnotherProcessAreRemoved() async throws {
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let roles = try await cluster.whole("at first", within: AgentCommand.deadline(40))
                let (crashed, other) = (roles.replicas[0], try #require(roles.leader.agent))
                let sockets = try #require(
                    crashed.configuration.firstMatch(of: /unix_socket_directories: *'?([^'\n]*)/)?.1)
                let files = ["\(sockets)/.s.PGSQL.\(crashed.port).lock", "\(crashed.dataDirectory)/postmaster.pid"]
                try await crashed.kill()
                for file in files {
                    try await PostgresInstance.run(
                        "/bin/sed", ["-i", "1s/.*/\(other.pid)/", file], log: cluster.folder.path("sed.out"))
                }
                try crashed.start()
                try await cluster.whole("started again", within: AgentCommand.deadline(30))
                for file in files {
                    #expect(
                        crashed.logText.contains("removed \(file), which a crash had left: process \(other.pid) is"))
                }
            }
        }

        @Test func anotherClustersDataDirectoryIsRefused() async throws {
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            let foreign = try await PostgresInstance("foreign", binaries: settings.binaries)
            try await TestCluster.with(settings) { cluster in
                let (first, second) = (cluster.nodes[0], cluster.nodes[1])
                try first.start()
                let roles = try await cluster.whole("alone", members: [first], within: AgentCommand.deadline(40))
                let copied = cluster.folder.path("cp.out")
                try await PostgresInstance.run(
                    "/usr/bin/cp", ["-a", foreign.dataDirectory, second.dataDirectory], log: copied)
                let before = try fingerprint(second.dataDirectory)
                try second.start()
                let status = try await eventually("the program ends", within: AgentCommand.deadline()) {
                    second.exitStatus
                }
                #expect(status == .exited(1))
                let own = try await roles.leader.query("SELECT system_identifier::text AS id FROM pg_control_system()")
                    .first().text("id")
                #expect(second.logText.contains("system ID mismatch, node member-b belongs to a different cluster"))
                #expect(second.logText.contains(own))
                #expect(try fingerprint(second.dataDirectory) == before)
                try await eventually("no process of member-b is left") { second.everything().isEmpty }
                try await cluster.whole("untouched", members: [first])
            }
            await foreign.discard()
        }

        @Test func anUnreadableDataDirectoryIsSaidAndLeftAlone() async throws {
            var settings = ClusterSettings()
            settings.members = ["member-a", "member-b"]
            try await TestCluster.with(settings) { cluster in
                let (first, second) = (cluster.nodes[0], cluster.nodes[1])
                try first.start()
                try await cluster.whole("alone", members: [first], within: AgentCommand.deadline(40))
                // Of root, as a mount point is whose volume is missing.
                try FileManager.default.createDirectory(
                    atPath: second.dataDirectory, withIntermediateDirectories: false,
                    attributes: [.posixPermissions: 0o700])
                try second.start()
                try await eventually("the log names the folder", within: AgentCommand.deadline()) {
                    let reason = ["ermission denied", "belongs to user"].contains { second.logText.contains($0) }
                    return reason && second.logText.contains(second.dataDirectory)
                }
                #expect(try FileManager.default.contentsOfDirectory(atPath: second.dataDirectory).isEmpty)
                try FileManager.default.removeItem(atPath: second.dataDirectory)
                // It may wait or give up; a file system does not tell that it can be read now.
                let ended = try? await eventually("the program ends", within: .seconds(3)) { second.exitStatus }
                if let ended {
                    #expect(ended == .exited(1))
                    try second.start()
                }
                try await cluster.whole("with the folder out of the way", within: AgentCommand.deadline(30))
            }
        }

        @Test(.disabled(if: AgentCommand.isForeign, "Patroni gives up after 15 s"))
        func anUnreachableZooKeeperIsWaitedFor() async throws {
            let server = try await ZooKeeperServer.standalone(tick: .milliseconds(500))
            var settings = ClusterSettings()
            settings.members = ["member-a"]
            try await TestCluster.with(settings, zooKeeper: server.host) { cluster in
                let node = cluster.nodes[0]
                try node.start()
                try await cluster.whole("from an empty folder", within: AgentCommand.deadline(40))
                try await node.query("CREATE TABLE public.kept AS SELECT 1 AS row")
                try await node.stop()
                try await server.stop()
                let before = try fingerprint(node.dataDirectory)
                let log = node.logText
                try node.start()
                try await eventually("the log names ZooKeeper, and the key", within: AgentCommand.deadline()) {
                    node.logText(since: log).contains("no ZooKeeper server of \(server.host) answers (zookeeper.hosts:")
                }
                try await stays("PostgreSQL is not started", for: .seconds(3)) {
                    node.isRunning && node.postmaster == nil
                }
                #expect(try fingerprint(node.dataDirectory) == before)
                try await server.start()
                let roles = try await cluster.whole("with ZooKeeper back")
                #expect(try await roles.leader.query("SELECT row FROM public.kept").rows.count == 1)
            }
            try await server.stop()
        }

        /// Path, size and time of change of each file.
        private func fingerprint(_ folder: String) throws -> [String] {
            let entries = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
            return try entries.sorted().map { entry in
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(entry)")
                let changed = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
                return "\(entry) \(attributes[.size] ?? 0) \(changed)"
            }
        }
    }
}
