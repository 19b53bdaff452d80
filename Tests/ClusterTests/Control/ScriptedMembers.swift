import AdminModel
import Foundation
import Logging
import Support
import ZooKeeper

/// A cluster that exists in ZooKeeper only, and a REST API that gives the answers it is told to: for what a real member
/// answers rarely.
struct ScriptedMembers {
    /// One request that arrived.
    struct Request: Equatable {
        var line: String
        var body: JSONValue
    }

    let scope: String
    let folder: TemporaryFolder
    let server: UnprivilegedProcess
    private let hosts: String
    private let port: UInt16
    private let scheme: String

    /// - Parameters:
    ///   - answers: by method and path, status codes and texts in their order; the last stays.
    ///   - certificates: HTTPS with these, which asks for a client's own.
    static func with(
        _ answers: [String: [(Int, String)]], zooKeeper hosts: String,
        config: JSONObject = ["ttl": 30, "loop_wait": 1],
        failover: JSONObject? = nil, leader: String? = "a", member: JSONObject = [:],
        certificates: TestCertificates? = nil, _ body: (ScriptedMembers) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder("scripted")
        defer { folder.remove() }
        let port = try FreePort.next()
        let table = JSONObject(
            answers.map { ($0, .array($1.map { [.int(Int64($0.0)), .string($0.1)] })) })
        let script = try folder.write("server.py", Self.server)
        let server = try UnprivilegedProcess.start(
            "/usr/bin/python3",
            [script, String(port), JSONValue.object(table).text(.compact), folder.path("requests")]
                + (certificates.map { [$0.folder.path] } ?? []),
            output: folder.path("server.log"))
        let members = ScriptedMembers(
            scope: "scripted-\(UInt32.random(in: 0...UInt32.max))", folder: folder, server: server, hosts: hosts,
            port: port, scheme: certificates == nil ? "http" : "https")
        do {
            try await eventually("the server listens") {
                (try? String(contentsOfFile: folder.path("server.log"), encoding: .utf8))?.contains("listens") == true
            }
            try await members.session { try await members.write(config, failover, leader, member, $0) }
            try await body(members)
        } catch {
            try? await server.end()
            throw error
        }
        try await server.end()
    }

    /// A configuration for both command lines.
    var configuration: String {
        get throws { try folder.write("ctl.yml", "scope: \(scope)\nzookeeper: {hosts: '\(hosts)'}\n") }
    }

    /// What arrived since the last call, apart from the test's own look.
    func requests() throws -> [Request] {
        let text = (try? String(contentsOfFile: folder.path("requests"), encoding: .utf8)) ?? ""
        _ = try folder.write("requests", "")
        return try text.split(separator: "\n").compactMap { line in
            let entry = try JSONParser.parse(String(line))
            return entry["line"]?.asString.map { Request(line: $0, body: entry["body"] ?? .null) }
        }
    }

    /// The text of a znode of the cluster; nil without one.
    func znode(_ name: String) async throws -> String? {
        try await session { session in
            try await session.get(ZNodePath("/service/\(scope)/\(name)"), deadline: .seconds(5))
                .map { String(decoding: $0.data, as: UTF8.self) }
        }
    }

    func set(_ name: String, _ value: JSONObject) async throws {
        try await session { session in
            let path = try ZNodePath("/service/\(scope)/\(name)")
            try await session.createParents(path, deadline: .seconds(5))
            try await session.set(path, JSONValue.object(value).znode, expecting: .any, deadline: .seconds(5))
        }
    }

    private func write(
        _ config: JSONObject, _ failover: JSONObject?, _ leader: String?, _ member: JSONObject,
        _ session: ZooKeeperSession
    ) async throws {
        func put(_ name: String, _ data: [UInt8]) async throws {
            let path = try ZNodePath("/service/\(scope)/\(name)")
            try await session.createParents(path, deadline: .seconds(5))
            try await session.set(path, data, expecting: .any, deadline: .seconds(5))
        }
        try await put("initialize", Array("7710451765082907510".utf8))
        try await put("config", JSONValue.object(config).znode)
        try await put("status", Array("{\"optime\":67406848}".utf8))
        if let failover { try await put("failover", JSONValue.object(failover).znode) }
        if let leader { try await put("leader", Array(leader.utf8)) }
        for name in ["a", "b"] {
            var record: JSONObject = [
                "conn_url": .string("postgres://127.0.0.\(name == "a" ? 1 : 2):5432/postgres"),
                "api_url": .string("\(scheme)://127.0.0.1:\(port)/patroni"), "state": "running",
                "role": name == leader ? "primary" : "replica", "version": "4.1.5", "xlog_location": 67_406_848,
                "timeline": 1,
            ]
            for (key, value) in member.map({ ($0.key, $0.value) }) { record[key] = value }
            try await put("members/\(name)", JSONValue.object(record).znode)
        }
    }

    func session<Value>(_ body: (ZooKeeperSession) async throws -> Value) async throws -> Value {
        var logger = Logger(label: "test")
        logger.logLevel = .error
        let session = try await ZooKeeperSession.open(
            ZooKeeperConfiguration(hosts: try ZooKeeperHosts(hosts), timeout: .seconds(10)), logger: logger)
        do {
            try await session.connected(deadline: .seconds(5))
            let value = try await body(session)
            await session.close()
            return value
        } catch {
            await session.close()
            throw error
        }
    }

    private static let server = """
        import json, sys
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        port, answers, log = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                line = self.command + ' ' + self.path
                body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
                with open(log, 'a') as file:
                    file.write(json.dumps({'line': line, 'body': json.loads(body) if body else None}) + '\\n')
                left = answers.get(line, [[404, 'nothing is scripted']])
                code, text = left.pop(0) if len(left) > 1 else left[0]
                data = text.encode()
                self.send_response(code)
                self.send_header('Content-Length', str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            do_GET = do_POST = do_PATCH = do_DELETE = answer
            def log_message(self, *arguments): pass
        server = ThreadingHTTPServer(('127.0.0.1', port), Handler)
        if len(sys.argv) > 4:
            import ssl
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(sys.argv[4] + '/server.pem', sys.argv[4] + '/server.key')
            context.load_verify_locations(sys.argv[4] + '/ca.pem')
            context.verify_mode = ssl.CERT_REQUIRED
            server.socket = context.wrap_socket(server.socket, server_side=True)
        print('listens', flush=True)
        server.serve_forever()
        """
}

/// An authority, a server's certificate for 127.0.0.1 and a client's, whose key has a password.
struct TestCertificates {
    static let password = "kanarie-key"
    let folder: TemporaryFolder

    static func make() async throws -> TestCertificates {
        let folder = try TemporaryFolder("certificates")
        let script = """
            set -e; cd '\(folder.path)'
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
            printf 'subjectAltName=IP:127.0.0.1' > server.ext
            for name in server client; do
                openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
                openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \\
                    $([ $name = server ] && echo -extfile server.ext) -out $name.pem
            done
            openssl ec -in client.key -aes256 -passout pass:\(password) -out locked.key
            """
        try await PostgresInstance.run("/bin/sh", ["-c", script], log: folder.path("openssl.log"))
        return TestCertificates(folder: folder)
    }
}
