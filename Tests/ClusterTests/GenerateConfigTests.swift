import AdminModel
import Foundation
import Support
import Testing

extension ClusterTests {
    /// `--generate-config` on a real server.
    @Suite(.serialized, .enabled(if: !AgentCommand.isForeign)) struct GenerateConfig {
        private static let variables = ["PGPASSWORD": PostgresInstance.password]

        /// A server with something in each of the places that a configuration is made of.
        private func withServer(_ body: (PostgresInstance, String) async throws -> Void) async throws {
            let server = try await PostgresInstance("generate", binaries: ClusterSettings().binaries)
            let rules = """
                # TYPE  DATABASE  USER  ADDRESS  METHOD
                host all all 127.0.0.1/32 scram-sha-256

                  local   all  "odd: user"   peer map='it''s'
                """
            try server.folder.write("data/pg_hba.conf", rules + "\n", mode: 0o600)
            try server.folder.write("data/pg_ident.conf", "# none\nours  root  postgres\n", mode: 0o600)
            do {
                try await server.start([
                    "cluster_name": "gold", "work_mem": "7MB", "app.note": "two\nlines: 'quoted'", "archive_mode": "on",
                    "archive_command": "true", "primary_conninfo": "host=h password=kanarie",
                ])
                try await body(server, "host=127.0.0.1 port=\(server.port) user=postgres dbname=postgres")
            } catch {
                await server.discard()
                throw error
            }
            await server.discard()
        }

        private func run(
            _ executable: String, _ arguments: [String], _ environment: [String: String] = variables,
            in folder: TemporaryFolder
        ) async throws -> (status: UnprivilegedProcess.ExitStatus, text: String) {
            let name = "run-\(UInt32.random(in: 0...UInt32.max))"
            let process = try UnprivilegedProcess.start(
                executable, arguments, environment: environment.merging(["HOME": folder.path]) { $1 },
                folder: folder.path, output: folder.path(name))
            return (try await process.wait(within: .seconds(30)), folder.read(name) ?? "")
        }

        private func matriarch(
            _ arguments: [String], _ environment: [String: String] = variables, in folder: TemporaryFolder
        ) async throws -> (status: UnprivilegedProcess.ExitStatus, text: String) {
            try await run(try AgentCommand.shared.get().executable, arguments, environment, in: folder)
        }

        /// YAML as PyYAML reads it: nothing of ours.
        private func read(_ file: String, in folder: TemporaryFolder) async throws -> JSONValue {
            let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
            let python = try await PythonEnvironment.patroni.folder() + "/venv/bin/python"
            let output = try await run(python, ["-c", script, file], in: folder)
            return try JSONParser.parse(output.text)
        }

        private func same(_ one: JSONValue?, _ other: JSONValue?) -> Bool {
            one.flatMap { one in other.map { one.deepEquals($0) } } ?? false
        }

        /// The same server, described by Patroni 4.1.5: what differs is meant to.
        @Test func saysWhatPatroniSays() async throws {
            try await withServer { server, dsn in
                let folder = server.folder
                let (ours, theirs) = (folder.path("new/ours.yml"), folder.path("new/theirs.yml"))
                let made = try await matriarch(["--generate-config", "--dsn", dsn, ours], in: folder)
                #expect(made.status == .exited(0) && made.text.isEmpty, "\(made.text)")
                let patroni = try await AgentCommand.patroni().executable
                let output = try await run(patroni, ["--generate-config", "--dsn", dsn, theirs], in: folder)
                #expect(output.status == .exited(0), "\(output.text)")
                let (own, other) = (try await read(ours, in: folder), try await read(theirs, in: folder))
                for key in ["scope", "name", "restapi", "tags"] { #expect(same(own[key], other[key]), "\(key)") }
                var dynamic = try #require(other["bootstrap"]?["dcs"]?.asObject)
                var shared = try #require(dynamic["postgresql"]?.asObject)
                var parameters = try #require(shared["parameters"]?.asObject)
                #expect(parameters["primary_conninfo"] == "host=h password=kanarie")
                parameters["primary_conninfo"] = nil
                shared["parameters"] = .object(parameters)
                dynamic["postgresql"] = .object(shared)
                #expect(same(own["bootstrap"], ["dcs": .object(dynamic)]))
                for key in ["bin_dir", "connect_address", "data_dir", "listen", "parameters", "pg_hba", "pg_ident"] {
                    #expect(same(own["postgresql"]?[key], other["postgresql"]?[key]), "\(key)")
                }
                #expect(own["postgresql"]?["parameters"]?["archive_command"] == "true")
                #expect(
                    own["postgresql"]?["authentication"]?["superuser"]
                        == ["password": .string(PostgresInstance.password), "username": "postgres"])
                #expect(own["zookeeper"] == ["hosts": ["#FIXME:2181"]])
                let attributes = try FileManager.default.attributesOfItem(atPath: ours)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
            }
        }

        /// With the rest given by variables nothing is left to be filled in.
        @Test func holds() async throws {
            try await withServer { server, dsn in
                let folder = server.folder
                let port = try FreePort.next()
                let (listen, rest) = ("127.0.0.1:\(port)", "10.0.0.1:\(port)")
                let given = [
                    "PATRONI_ZOOKEEPER_HOSTS": try await SharedZooKeeper.shared.server().host,
                    "PATRONI_RESTAPI_LISTEN": listen, "PATRONI_RESTAPI_CONNECT_ADDRESS": rest,
                    "PATRONI_POSTGRESQL_CONNECT_ADDRESS": "10.0.0.1:1", "PATRONI_NAMESPACE": "/db/",
                    "PATRONI_SUPERUSER_PASSWORD": PostgresInstance.password, "PGSSLMODE": "disable",
                    "PGHOST": "127.0.0.1", "PGPORT": String(server.port), "PGUSER": "postgres",
                ]
                let file = folder.path("made.yml")
                let made = try await matriarch(["--generate-config", file], given, in: folder)
                #expect(made.status == .exited(0) && made.text.isEmpty, "\(made.text)")
                let valid = try await matriarch(["--validate-config", file], [:], in: folder)
                #expect(valid.status == .exited(0) && valid.text.isEmpty, "\(valid.text)")
                let own = try await read(file, in: folder)
                #expect(own["namespace"] == "/db/")
                #expect(own["restapi"] == ["connect_address": .string(rest), "listen": .string(listen)])
                #expect(own["postgresql"]?["connect_address"] == .string("10.0.0.1:\(server.port)"))
                #expect(own["postgresql"]?["authentication"]?["superuser"]?["sslmode"] == "disable")
            }
        }

        /// A password that libpq finds elsewhere is not asked for, and not told.
        @Test func leavesAPasswordFileAlone() async throws {
            try await withServer { server, dsn in
                let line = "127.0.0.1:\(server.port):*:postgres:\(PostgresInstance.password)\n"
                let passfile = try server.folder.write("pass", line, mode: 0o600)
                let made = try await matriarch(
                    ["--generate-config", "--dsn", dsn], ["PGPASSFILE": passfile], in: server.folder)
                #expect(made.status == .exited(0), "\(made.text)")
                #expect(made.text.contains("    superuser:\n      password: '#FIXME'\n      username: postgres\n"))
                #expect(!made.text.contains(PostgresInstance.password))
            }
        }

        @Test func saysWhyNot() async throws {
            try await withServer { server, dsn in
                let connect = "Failed to establish PostgreSQL connection: "
                try await server.query("CREATE ROLE common LOGIN PASSWORD 'kanarie'")
                let rows: [(dsn: String, password: String?, says: String)] = [
                    (dsn, "kanarie-wrong", connect), (dsn, nil, connect),
                    (dsn.replacing("port=\(server.port)", with: "port=1"), "kanarie", connect),
                    (
                        "kanarie", nil,
                        "Failed to parse DSN string: it must be KEYWORD=VALUE pairs or a postgresql:// URI"
                    ),
                    (
                        dsn.replacing("user=postgres", with: "user=common"), "kanarie",
                        "The provided user does not have superuser privilege"
                    ),
                ]
                for row in rows {
                    let output = try await matriarch(
                        ["--generate-config", "--dsn", row.dsn, "none.yml"],
                        row.password.map { ["PGPASSWORD": $0] } ?? [:], in: server.folder)
                    #expect(output.status == .exited(1))
                    #expect(output.text.hasPrefix(row.says), "\(row.dsn): \(output.text)")
                    #expect(!output.text.contains("kanarie"), "\(output.text)")
                    #expect(server.folder.read("none.yml") == nil)
                }
            }
        }
    }
}
