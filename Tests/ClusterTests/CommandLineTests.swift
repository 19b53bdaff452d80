import AdminModel
import Foundation
import Support
import Testing

extension ClusterTests {
    /// What `matriarch` does besides running: each row is a run of the program, its exit code and its words.
    @Suite(.serialized, .enabled(if: !AgentCommand.isForeign)) struct CommandLine {
        struct Output: Equatable {
            var code: Int32
            var text: String

            var lines: [String] { text.split(separator: "\n").map(String.init) }
        }

        private static let binaries = ["pg_ctl", "initdb", "pg_controldata", "pg_basebackup", "postgres", "pg_isready"]

        /// The program as the user of PostgreSQL, without a terminal.
        private func run(
            _ arguments: [String], environment: [String: String] = [:], in folder: TemporaryFolder
        ) async throws -> Output {
            let name = "run-\(UInt32.random(in: 0...UInt32.max))"
            let process = try UnprivilegedProcess.start(
                try AgentCommand.shared.get().executable, arguments,
                environment: environment.merging(["HOME": folder.path]) { $1 }, folder: folder.path,
                output: folder.path(name))
            guard case .exited(let code) = try await process.wait(within: .seconds(30)) else {
                throw SupportError("matriarch \(arguments) ended by a signal")
            }
            return Output(code: code, text: folder.read(name) ?? "")
        }

        /// A configuration that holds on this machine, and the ports it names.
        private func configuration(_ folder: TemporaryFolder) async throws -> String {
            let (rest, port) = (try FreePort.next(), try FreePort.next())
            return """
                scope: line
                name: member-a
                restapi: {listen: '127.0.0.1:\(rest)', connect_address: '10.0.0.1:\(rest)'}
                zookeeper: {hosts: ['\(try await SharedZooKeeper.shared.server().host)']}
                postgresql:
                  listen: 127.0.0.1:\(port)
                  connect_address: 10.0.0.1:\(port)
                  data_dir: \(folder.path)/data
                  bin_dir: \(ClusterSettings().binaries)
                  authentication:
                    superuser: {username: postgres, password: kanarie}
                    replication: {username: replicator, password: kanarie}
                """
        }

        /// What is put in the place of a line's value, and what is said of it, both after the name of the key.
        private static let wrong: [(key: String, value: String, says: String)] = [
            ("postgresql.listen", "127.0.0.1:x", " 127.0.0.1:x VERDICT must be host:port with a port from 1 to 65535"),
            ("postgresql.listen", "127.0.0.1:65536", " 127.0.0.1:65536 VERDICT must be host:port with a port from 1"),
            ("postgresql.listen", "ZOOKEEPER", " ZOOKEEPER VERDICT Port ZOOPORT is already in use."),
            ("postgresql.listen", "nobody.invalid:1", " nobody.invalid:1 VERDICT nobody.invalid: "),
            (
                "postgresql.connect_address", "localhost:5432",
                " localhost:5432 VERDICT must not contain \"127.0.0.1\", \"0.0.0.0\", \"*\", \"::1\", \"localhost\""
            ),
            ("postgresql.data_dir", "data", " data VERDICT must be an absolute path"),
            (
                "postgresql.data_dir", "FOLDER/old",
                " FOLDER/old VERDICT data_dir directory postgresql version (14) doesn't match with"
                    + " 'postgres --version' output (15)"
            ),
            ("postgresql.data_dir", "FOLDER", " FOLDER VERDICT doesn't look like a valid data directory"),
            ("postgresql.data_dir", "/etc/hostname", " /etc/hostname VERDICT must be a directory"),
        ]

        /// One line a problem, in the words that Patroni's users know.
        @Test(arguments: wrong.indices) func namesWhatIsWrong(row: Int) async throws {
            let folder = try TemporaryFolder("validate")
            defer { folder.remove() }
            let old = try folder.makeFolder("old")
            try folder.write("old/PG_VERSION", "14\n")
            try folder.makeFolder("old/pg_wal")
            let server = try await SharedZooKeeper.shared.server()
            func filled(_ text: String) -> String {
                text.replacing("FOLDER/old", with: old).replacing("FOLDER", with: folder.path)
                    .replacing("ZOOKEEPER", with: server.host).replacing("ZOOPORT", with: "\(server.port)")
                    .replacing("VERDICT", with: "didn't pass validation:")
            }
            let (key, value, says) = Self.wrong[row]
            let name = try #require(key.split(separator: ".").last)
            let text = try await configuration(folder).split(separator: "\n").map { line in
                line.hasPrefix("  \(name): ") ? "  \(name): '\(filled(value))'" : String(line)
            }
            let file = try folder.write("wrong.yml", text.joined(separator: "\n"))
            let output = try await run(["--validate-config", file], in: folder)
            #expect(output.code == 1)
            #expect(output.lines.count == 1 && output.text.hasPrefix(key + filled(says)), "\(output.text)")
            let ignoring = try await run(["--validate-config", "-i", file], in: folder)
            #expect(ignoring == (says.contains("in use") ? Output(code: 0, text: "") : output))
        }

        @Test func saysNothingOfWhatHolds() async throws {
            let folder = try TemporaryFolder("validate")
            defer { folder.remove() }
            let text = try await configuration(folder)
            let file = try folder.write("right.yml", text)
            #expect(try await run(["--validate-config", file], in: folder) == Output(code: 0, text: ""))
            let printed = try await run(["--validate-config", "--print", file], in: folder)
            #expect(printed.code == 0)
            #expect(printed.text.contains("\n  data_dir: ") && printed.text.contains("password: '***'\n"))
            #expect(!printed.text.contains(ClusterSettings().passwords.superuser), "\(printed.text)")
            let unreachable = text.replacing(
                try await SharedZooKeeper.shared.server().host, with: "nobody.invalid:2181")
            try folder.write("right.yml", unreachable)
            let words =
                "zookeeper.hosts.0 nobody.invalid:2181 didn't pass validation: nobody.invalid:2181 is not reachable"
            #expect(try await run(["--validate-config", file], in: folder) == Output(code: 1, text: words + "\n"))
        }

        @Test func namesEachProgramThatCannotBeReached() async throws {
            let folder = try TemporaryFolder("validate")
            defer { folder.remove() }
            let hidden = try folder.makeFolder("bin", mode: 0)
            let text = try await configuration(folder).replacing(ClusterSettings().binaries, with: hidden)
            let file = try folder.write("wrong.yml", text)
            let output = try await run(["--validate-config", file], in: folder)
            #expect(output.code == 1)
            #expect(
                output.lines
                    == Self.binaries.map {
                        "postgresql.bin_dir \(hidden) didn't pass validation: "
                            + "must hold the program \($0), which is not in \(hidden)"
                    })
        }

        @Test func namesEachKeyThatIsMissing() async throws {
            let folder = try TemporaryFolder("validate")
            defer { folder.remove() }
            let file = try folder.write("wrong.yml", "name: member-a\npostgresql: {listen: '127.0.0.1:1'}\n")
            let output = try await run(["--validate-config", file], in: folder)
            #expect(output.code == 1)
            for key in ["scope", "restapi", "zookeeper", "postgresql.data_dir"] {
                #expect(output.lines.contains("\(key)  is not defined."), "\(output.text)")
            }
            let nothing = try await run(["--validate-config"], in: folder)
            #expect(nothing == Output(code: 1, text: "Config is empty.\n"))
        }

        @Test func writesASampleIntoANewFolder() async throws {
            let folder = try TemporaryFolder("sample")
            defer { folder.remove() }
            let file = folder.path("new/and newer/sample.yml")
            #expect(try await run(["--generate-sample-config", file], in: folder) == Output(code: 0, text: ""))
            let text = try #require(folder.read("new/and newer/sample.yml"))
            #expect(text.hasPrefix("scope: '#FIXME'\n"))
            #expect(try await run(["--generate-sample-config"], in: folder) == Output(code: 0, text: text))
            // Filled in, it holds.
            let (rest, port) = (try FreePort.next(), try FreePort.next())
            let filled = text.replacing("data_dir: '#FIXME'", with: "data_dir: \(folder.path)/data")
                .replacing("'#FIXME:2181'", with: try await SharedZooKeeper.shared.server().host)
                .replacing(/listen: '.*:8008'/, with: "listen: 127.0.0.1:\(rest)")
                .replacing(/listen: '.*:5432'/, with: "listen: 127.0.0.1:\(port)")
                .replacing(/connect_address: '.*:/, with: "connect_address: '10.0.0.1:")
            try folder.write("new/and newer/sample.yml", filled)
            #expect(try await run(["--validate-config", file], in: folder) == Output(code: 0, text: ""))

            let nowhere = try await run(["--generate-sample-config", "/proc/none/sample.yml"], in: folder)
            #expect(nowhere.code == 1 && nowhere.text.hasPrefix("/proc/none/sample.yml: "), "\(nowhere.text)")
        }

        private static let modes = ["--validate-config", "--generate-sample-config", "--generate-config"]
        private static let misuses: [(arguments: [String], says: String)] = [
            (["--validate-config", "--generate-sample-config"], exclusion),
            (["--validate-config", "--generate-config"], exclusion),
            (["--generate-sample-config", "--generate-config"], exclusion),
            (["-i", "file"], "--ignore-listen-port and --print go with --validate-config"),
            (["--dsn", "host=/tmp"], "--dsn goes with --generate-config"),
            (["--no-such-option"], "Unknown option '--no-such-option'"),
            (["one.yml", "two.yml"], "Unexpected argument 'two.yml'"),
        ]
        private static let exclusion =
            "--validate-config, --generate-sample-config and --generate-config exclude each other"

        /// 64 is the code of a wrong command line.
        @Test(arguments: misuses.indices) func refusesWhatDoesNotGoTogether(row: Int) async throws {
            let folder = try TemporaryFolder("misuse")
            defer { folder.remove() }
            let (arguments, says) = Self.misuses[row]
            let output = try await run(arguments, in: folder)
            #expect(output.code == 64)
            #expect(output.text.hasPrefix("Error: \(says)"), "\(output.text)")
        }

        @Test func tellsItsVersionAndUse() async throws {
            let folder = try TemporaryFolder("version")
            defer { folder.remove() }
            let version = Output(code: 0, text: "matriarch \(MatriarchVersion.own)\n")
            #expect(try await run(["--version"], in: folder) == version)
            #expect(try await run(["--version", "--validate-config"], in: folder) == version)
            let help = try await run(["--help"], in: folder)
            #expect(help.code == 0)
            for mode in Self.modes + ["--ignore-listen-port", "--dsn"] { #expect(help.text.contains(mode)) }
            #expect(!help.text.contains("agent-process"))
        }
    }
}
