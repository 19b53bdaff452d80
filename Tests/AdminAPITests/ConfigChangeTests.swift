import AdminModel
import LocalConfiguration
import HACore
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import LibPQ
import NIOConcurrencyHelpers
import NIOCore
import Testing
import ZooKeeper

@testable import AdminAPI
@testable import Agent

/// `PATCH /config` and `PUT /config` (contract/patroni.md 2.6).
@Suite struct ConfigChangeTests {
    private struct Write: Equatable {
        var text: String
        var version: ExpectedVersion
    }

    private struct Reply {
        var code: Int
        var type: String?
        var body: String
        /// What reached the znode.
        var writes: [Write]
    }

    private static let document: JSONObject = [
        "ttl": 30, "loop_wait": 10, "postgresql": ["parameters": ["work_mem": "4MB", "jit": false]],
    ]

    /// - Parameters:
    ///   - body: nil sends no body and no length.
    ///   - failure: of the write.
    private func send(
        _ method: HTTPRequest.Method, _ body: String?, over config: JSONObject? = document,
        failure: ZooKeeperError? = nil, isReadable: Bool = true, access: AccessRules = AccessRules(),
        headers: HTTPFields = [:]
    ) async throws -> Reply {
        let writes = NIOLockedValueBox<[Write]>([])
        let actions = ClusterActions(
            request: { _ in }, withdraw: { _ in },
            configure: { document, version in
                if let failure { throw failure }
                writes.withLockedValue {
                    $0.append(Write(text: JSONValue.object(document).text(.compact), version: version))
                }
            },
            reload: {}, ask: { _ in PeerRound(askedAt: .current, asked: [], answers: [:]) }, orders: OrderBook {},
            cancel: {})
        var tree = Scene.tree(config: config ?? [:])
        if config == nil { (tree.config, tree.configVersion) = (nil, nil) }
        if !isReadable { tree.configVersion = nil }
        let board = TestBoard(.replica(), tree: tree)
        let application = Application(
            responder: AdminResponder(board: board.board, actions: actions, access: access))
        return try await application.test(.router) { client in
            try await client.execute(
                uri: "/config", method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }
            ) { response in
                Reply(
                    code: response.status.code, type: response.headers[.contentType],
                    body: String(buffer: response.body), writes: writes.withLockedValue { $0 })
            }
        }
    }

    @Test func aPatchIsMergedAndWrittenOverWhatWasRead() async throws {
        let reply = try await send(
            .patch,
            #"{"loop_wait": null, "postgresql": {"parameters": {"work_mem": "8MB", "jit": null}}, "new": {"a": null}}"#)
        #expect(reply.code == 200)
        #expect(reply.type == "application/json")
        #expect(
            reply.body == #"{"ttl": 30, "postgresql": {"parameters": {"work_mem": "8MB"}}, "new": {"a": null}}"#)
        let version = try #require(Version(rawValue: 3))
        #expect(
            reply.writes == [
                Write(
                    text: #"{"ttl":30,"postgresql":{"parameters":{"work_mem":"8MB"}},"new":{"a":null}}"#,
                    version: .exactly(version))
            ])
    }

    @Test(arguments: [#"{"ttl": "30"}"#, #"{"gone": null}"#, #"{"postgresql": {"parameters": {"jit": "False"}}}"#])
    func aPatchThatChangesNothingIsNotWritten(_ body: String) async throws {
        let reply = try await send(.patch, body)
        #expect(reply.code == 200)
        #expect(reply.body == JSONValue.object(Self.document).text(.spaced))
        #expect(reply.writes.isEmpty)
    }

    @Test func whoeverWasFasterIsNotOverwritten() async throws {
        for code in [ZooKeeperError.Code.badVersion, .noNode] {
            let reply = try await send(.patch, #"{"ttl": 20}"#, failure: ZooKeeperError(code))
            #expect(reply.code == 409)
            #expect(reply.type == "text/html;charset=utf-8")
        }
        let unknown = try await send(
            .patch, #"{"ttl": 20}"#, failure: ZooKeeperError(.connectionLoss, outcome: .unknown))
        #expect(unknown.code == 503)
        #expect(try JSONParser.parse(unknown.body)["error"]?.asString?.contains("may have happened") == true)
    }

    @Test func aPatchNeedsADocumentThatCanBeRead() async throws {
        let states: [(JSONObject?, Bool)] = [(nil, true), (Self.document, false)]
        for (config, isReadable) in states {
            let reply = try await send(.patch, #"{"ttl": 20}"#, over: config, isReadable: isReadable)
            #expect(reply.code == 503)
            #expect(reply.type == "text/html;charset=utf-8")
            #expect(reply.writes.isEmpty)
        }
    }

    @Test func aPutTakesThePlaceOfWhateverIsThere() async throws {
        let body = #"{"ttl": 20, "b": null}"#
        let states: [(JSONObject?, Bool)] = [(Self.document, true), (nil, true), (["ttl": 20, "b": nil], false)]
        for (config, isReadable) in states {
            let reply = try await send(.put, body, over: config, isReadable: isReadable)
            #expect(reply.code == 200)
            #expect(reply.body == body)
            #expect(reply.writes == [Write(text: #"{"ttl":20,"b":null}"#, version: .any)])
        }
        let failed = try await send(.put, body, failure: ZooKeeperError(.connectionLoss, outcome: .unknown))
        #expect(failed.code == 502)
    }

    @Test func aPutOfTheSameIsNotWritten() async throws {
        let body =
            #"{"postgresql": {"parameters": {"jit": "False", "work_mem": "4MB"}}, "loop_wait": "10", "ttl": 30}"#
        let reply = try await send(.put, body)
        #expect(reply.code == 200)
        #expect(reply.body == body)
        #expect(reply.writes.isEmpty)
    }

    @Test(arguments: [
        (#"{"failsafe_mode": "on"}"#, "failsafe_mode"),
        (#"{"slots": {"x": {"type": "logical"}}}"#, "slots.x"),
        (#"{"synchronous_mode": "quorum"}"#, "synchronous_mode"),
    ])
    func whatIsNotSupportedIsRefusedByName(_ body: String, key: String) async throws {
        for method in [HTTPRequest.Method.patch, .put] {
            let reply = try await send(method, body)
            #expect(reply.code == 400)
            #expect(reply.body.contains("\(key): ") && reply.body.contains("not yet supported"), "\(reply.body)")
            #expect(reply.writes.isEmpty)
        }
        // It was there before: other keys can still be changed.
        let present = try #require(try JSONParser.parse(body).asObject)
        #expect(try await send(.patch, #"{"ttl": 20}"#, over: present).code == 200)
    }

    @Test func aValueThatIsWrongIsStoredForTheMembersToRefuse() async throws {
        #expect(try await send(.patch, #"{"ttl": "soon"}"#).writes.count == 1)
    }

    @Test(arguments: [HTTPRequest.Method.patch, .put])
    func whatIsNoBody(_ method: HTTPRequest.Method) async throws {
        #expect(try await send(method, nil).code == 411)
        for body in ["", "{}", "[]", "[1]", "5", "null", "{", #"{"ttl": 20} x"#, #""text""#] {
            let reply = try await send(method, body)
            #expect(reply.code == 400, "\(body)")
            #expect(reply.type == "text/html;charset=utf-8")
            #expect(reply.writes.isEmpty)
        }
        let large = "{\"a\": \"" + String(repeating: "x", count: 1 << 20) + "\"}"
        #expect(try await send(method, large).code == 413)
    }

    @Test func onlyWhoMayChangesAnything() async throws {
        var config = RestAPIConfig(
            listen: HostPort(host: "127.0.0.1", port: 0), connectAddress: HostPort(host: "127.0.0.1", port: 0))
        (config.username, config.password) = ("admin", Secret("secret"))
        for method in [HTTPRequest.Method.patch, .put] {
            let open = try await send(method, #"{"ttl": 20}"#, access: AccessRules { [config] in config })
            #expect(open.code == 401)
            #expect(open.writes.isEmpty)
            let known = try await send(
                method, #"{"ttl": 20}"#, access: AccessRules { [config] in config },
                headers: [.authorization: "Basic YWRtaW46c2VjcmV0"])
            #expect(known.code == 200)
        }
        config.allowlist = ["10.0.0.0/8"]
        let elsewhere = try await send(.patch, #"{"ttl": 20}"#, access: AccessRules { [config] in config })
        #expect(elsewhere.code == 403)
    }

    @Test func withoutTheStoreNothingIsChanged() async throws {
        let actions = ClusterActions(
            request: { _ in }, withdraw: { _ in }, configure: { _, _ in Issue.record("written") },
            reload: {}, ask: { _ in PeerRound(askedAt: .current, asked: [], answers: [:]) }, orders: OrderBook {},
            cancel: {})
        let application = Application(
            responder: AdminResponder(board: TestBoard(.primary()).board, actions: actions))
        try await application.test(.router) { client in
            for method in [HTTPRequest.Method.patch, .put] {
                try await client.execute(
                    uri: "/config", method: method, body: ByteBuffer(string: #"{"ttl": 20}"#)
                ) { #expect($0.status.code == 503) }
            }
        }
    }
}
