import AdminModel
import HACore
import Hummingbird
import HummingbirdTesting
import LocalConfiguration
import NIOConcurrencyHelpers
import PostgresControl
import Testing

@testable import AdminAPI
@testable import Agent

@Suite struct RouteTests {
    private struct Reply {
        var code: Int
        var type: String?
        var headers: HTTPFields
        var body: String
    }

    private func request(
        _ method: HTTPRequest.Method, _ target: String, _ board: TestBoard, extraHeaders: [String: String] = [:]
    ) async throws -> Reply {
        var config = RestAPIConfig(
            listen: HostPort(host: "127.0.0.1", port: 1), connectAddress: HostPort(host: "127.0.0.1", port: 1))
        config.httpExtraHeaders = extraHeaders
        let headers = CommonHeaders { [config] in config }
        let application = Application(responder: AdminResponder(board: board.board, headers: headers))
        return try await application.test(.router) { client in
            try await client.execute(uri: target, method: method) { response in
                Reply(
                    code: response.status.code, type: response.headers[.contentType], headers: response.headers,
                    body: String(buffer: response.body))
            }
        }
    }

    @Test(arguments: [
        ("/", 503), ("/replica", 200), ("/health", 200), ("/unknown", 503), ("/metrics2", 503), ("/patroni", 200),
        ("/patroni/", 200), ("/patroni/leader", 200),
    ])
    func documentsWithStatus(_ target: String, code: Int) async throws {
        let reply = try await request(.get, target, TestBoard(.replica()))
        #expect(reply.code == code)
        #expect(reply.type == "application/json")
        #expect(try JSONParser.parse(reply.body)["patroni"]?["name"] == "node-1")
    }

    @Test(arguments: [HTTPRequest.Method.head, .options])
    func bareCodes(_ method: HTTPRequest.Method) async throws {
        for (target, code) in [("/", 200), ("/primary", 200), ("/replica", 503), ("/health", 200), ("/patroni", 503)] {
            let reply = try await request(method, target, TestBoard(.primary()), extraHeaders: ["X-Zone": "a"])
            #expect(reply.code == code, "\(target)")
            #expect(reply.body.isEmpty && reply.type == nil)
            #expect(reply.headers[.init("X-Zone")!] == nil)
            #expect(reply.headers[.contentLength] == "0")
        }
    }

    @Test func probes() async throws {
        for target in ["/liveness", "/readiness?lag=1MB&mode=write"] {
            let reply = try await request(.get, target, TestBoard(.replica()))
            #expect(reply.code == 200)
            #expect(reply.body.isEmpty && reply.type == nil)
        }
        #expect(try await request(.get, "/readiness?lag=1", TestBoard(.replica())).code == 503)
    }

    @Test(arguments: [HTTPRequest.Method.post, .put, .patch, .delete, .trace])
    func otherMethods(_ method: HTTPRequest.Method) async throws {
        let reply = try await request(method, "/switchover", TestBoard(.primary()))
        #expect(reply.code == 501)
        #expect(reply.type == "text/html;charset=utf-8")
        #expect(reply.headers[.connection] == "close")
        #expect(reply.body.contains("Server does not support this operation"))
        #expect(reply.body.contains("501"))
    }

    @Test func failsafeIsOff() async throws {
        #expect(try await request(.get, "/failsafe", TestBoard(.primary())).code == 502)
        #expect(try await request(.post, "/failsafe", TestBoard(.primary())).code == 502)
    }

    @Test func clusterAndHistoryReadTheTree() async throws {
        var tree = Scene.tree(config: [:])
        tree.history = HistoryRecord(entries: [
            HistoryRecord.Entry(
                parent: Timeline(1), switchLSN: LSN(67_407_144), reason: "no recovery target specified",
                timestamp: "2026-11-21T02:52:31.796887+00:00", leader: "node-1")
        ])
        let board = TestBoard(.primary(), tree: tree)
        let cluster = try await request(.get, "/cluster", board, extraHeaders: ["X-Zone": "a"])
        #expect(cluster.code == 200)
        #expect(cluster.body == tree.document(scope: "gold").json.text(.spaced))
        #expect(cluster.headers[.init("X-Zone")!] == "a")
        let history = try await request(.get, "/history", board)
        #expect(
            history.body == """
                [[1, 67407144, "no recovery target specified", "2026-11-21T02:52:31.796887+00:00", "node-1"]]
                """)
        #expect(board.questions.withLockedValue { $0.tree } == 2)
        let empty = try await request(.get, "/history", TestBoard(.primary(), tree: Scene.tree(config: [:])))
        #expect(empty.body == "[]")
    }

    @Test func withoutTheStoreOnlyTheTreeIsMissing() async throws {
        let board = TestBoard(.primary())
        for target in ["/cluster", "/history"] {
            let reply = try await request(.get, target, board)
            #expect(reply.code == 503)
            #expect(reply.type == "application/json")
            #expect(
                try JSONParser.parse(reply.body)["error"]
                    == "cannot read the cluster from ZooKeeper: connection loss")
        }
        let asked = board.questions.withLockedValue { $0.tree }
        for target in ["/primary", "/patroni", "/health", "/read-only", "/liveness", "/readiness", "/config"] {
            #expect(try await request(.get, target, board).code == 200, "\(target)")
        }
        #expect(board.questions.withLockedValue { $0.tree } == asked, "health checks never touch ZooKeeper")
    }

    @Test func config() async throws {
        let known = try await request(.get, "/config", TestBoard(.primary(config: ["ttl": 30, "b": ["a": 1.5]])))
        #expect(known.code == 200)
        #expect(known.body == #"{"ttl": 30, "b": {"a": 1.5}}"#)
        var scene = Scene.primary()
        scene.status.tree?.config = nil
        #expect(try await request(.get, "/config", TestBoard(scene)).code == 502)
        scene.status.tree?.view.readAt = Scene.now - .seconds(31)
        #expect(try await request(.get, "/config", TestBoard(scene)).code == 503)
        let fresh = TestBoard(scene, tree: Scene.tree(config: ["ttl": 20]))
        #expect(try await request(.get, "/config/x", fresh).body == #"{"ttl": 20}"#)
    }

    @Test func metrics() async throws {
        let board = TestBoard(.replica())
        for target in ["/metrics", "/metrics/x?y=1"] {
            let reply = try await request(.get, target, board, extraHeaders: ["X-Zone": "a"])
            #expect(reply.code == 200)
            #expect(reply.type == "text/plain")
            #expect(reply.headers[.init("X-Zone")!] == "a")
            #expect(reply.body.hasPrefix("# HELP patroni_version "))
            #expect(reply.body.contains(#"patroni_xlog_received_location{scope="gold",name="node-1"} 67109000"#))
        }
        #expect(board.questions.withLockedValue { $0.tree } == 0, "ZooKeeper is not read for it")
        #expect(board.questions.withLockedValue { $0.server.map(\.maxAge) } == [.seconds(1), .seconds(1)])
        #expect(try await request(.head, "/metrics", board).code == 503, "a health check like any other path")
        #expect(try await request(.get, "/metrics", TestBoard(nil)).code == 503)
    }

    @Test func beforeTheFirstLook() async throws {
        #expect(try await request(.get, "/patroni", TestBoard(nil)).code == 200)
        #expect(try await request(.get, "/health", TestBoard(nil)).code == 503)
        #expect(try await request(.get, "/liveness", TestBoard(nil)).code == 200)
    }

    // MARK: How old an answer of the server may be

    private func questions(_ target: String, _ board: TestBoard) async throws -> [Duration] {
        _ = try await request(.get, target, board)
        return board.questions.withLockedValue { $0.server.map(\.maxAge) }
    }

    @Test func inQuietTimesARecentAnswerWillDo() async throws {
        #expect(try await questions("/replica", TestBoard(.replica())) == [.seconds(1)])
        #expect(try await questions("/replica?lag=1MB", TestBoard(.replica())) == [.seconds(1)])
        #expect(try await questions("/patroni", TestBoard(.replica())) == [.milliseconds(100)])
        #expect(try await questions("/liveness", TestBoard(.replica())).isEmpty)
        var stopped = Scene.replica()
        stopped.status.local?.process = .absent
        #expect(try await questions("/patroni", TestBoard(stopped)).isEmpty)
    }

    @Test func inARacePositionsAreAskedAfresh() async throws {
        var leaderless = Scene.replica()
        leaderless.status.tree?.view.leader = nil
        var cutOff = Scene.replica()
        cutOff.status.local?.sql?.streaming = false
        for scene in [leaderless, cutOff] {
            #expect(try await questions("/patroni", TestBoard(scene)) == [.zero])
            #expect(try await questions("/replica?lag=1MB", TestBoard(scene)) == [.zero])
            #expect(try await questions("/replica", TestBoard(scene)) == [.seconds(1)])
        }
        let board = TestBoard(leaderless)
        _ = try await request(.get, "/patroni", board)
        #expect(board.questions.withLockedValue { $0.server.map(\.deadline) } == [.milliseconds(80)])
    }

    @Test func aRecentAnswerThatSaysTheReceiverEndedIsNotBelieved() async throws {
        var scene = Scene.replica()
        scene.server?.sql.streaming = false
        #expect(
            try await questions("/patroni", TestBoard(scene, age: .milliseconds(50))) == [.milliseconds(100), .zero])
    }

    @Test func aPromotionIsSeenAtOnce() async throws {
        var scene = Scene.replica()
        scene.holdsLock = true
        let board = TestBoard(scene, age: .milliseconds(500), refreshed: Scene.primary().server)
        #expect(try await request(.get, "/primary", board).code == 200)
        #expect(board.questions.withLockedValue { $0.server.map(\.maxAge) } == [.seconds(1), .zero])
    }
}
