import AdminModel
import HACore
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import LibPQ
import LocalConfiguration
import NIOConcurrencyHelpers
import Testing
import ZooKeeper

@testable import AdminAPI
@testable import Agent

/// `/spock`, what stands below it, and the metrics of a mesh.
@Suite struct MeshEndpointTests {
    private struct Reply {
        var code: Int
        var text: String
        var json: JSONValue
        /// What was asked of the tree.
        var changes: [MeshIntents.Change]
    }

    private func send(
        _ method: HTTPRequest.Method, _ target: String, _ body: String? = nil, status: MeshStatus? = MeshScene.status(),
        scene: Scene = .primary(), letsClientsWrite: Bool = true, failure: MeshRefusal? = nil,
        access: AccessRules = AccessRules()
    ) async throws -> Reply {
        let changes = NIOLockedValueBox<[MeshIntents.Change]>([])
        let actions = ClusterActions(
            request: { _ in }, withdraw: { _ in }, configure: { _, _ in }, reload: {},
            ask: { _ in PeerRound(askedAt: .current, asked: [], answers: [:]) },
            intend: { change in
                if let failure { throw failure }
                changes.withLockedValue { $0.append(change) }
                return (status?.intents ?? MeshIntents()).with(change)
            }, orders: OrderBook {}, cancel: {})
        let board = TestBoard(
            scene, tree: Scene.tree(config: [:]),
            mesh: MeshScene.board(status, letsClientsWrite: letsClientsWrite))
        let application = Application(responder: AdminResponder(board: board.board, actions: actions, access: access))
        return try await application.test(.router) { client in
            var headers: HTTPFields = [:]
            if let body { headers[.contentLength] = String(body.utf8.count) }
            return try await client.execute(
                uri: target, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }
            ) { response in
                let text = String(buffer: response.body)
                return Reply(
                    code: response.status.code, text: text, json: (try? JSONParser.parse(text)) ?? .null,
                    changes: changes.withLockedValue { $0 })
            }
        }
    }

    // MARK: Reading

    @Test func statusOfALeader() async throws {
        let reply = try await send(.get, "/spock/")
        #expect(reply.code == 200)
        let json = reply.json
        #expect(json["mesh"] == "shop" && json["node"] == "n1" && json["scope"] == "gold")
        #expect(json["leader"] == "node-0" && json["leads"] == true && json["clients_may_write"] == true)
        #expect(json["record"]?["fork"]?["term"] == 30)
        #expect(json["peers"]?.asArray?.first?["current"] == true)
        #expect(json["problems"]?.asArray?.first?["peer"] == "n2")
        #expect(json["server"]?["position"] == "0/3000400")
        let link = try #require(json["links"]?.asArray?.first)
        #expect(link["database"] == "app" && link["peer"] == "n2")
        let incoming = link["incoming"]
        #expect(incoming?["status"] == "replicating" && incoming?["up"] == true && incoming?["route"] == "shut")
        #expect(incoming?["held"] == true && incoming?["gap"] == ["from": "0/5000000", "to": "0/5001000"])
        let outgoing = link["outgoing"]
        #expect(
            outgoing?["lag_bytes"] == 0x400 && outgoing?["lag_ms"] == 12 && outgoing?["retained_bytes"] == 0x10_0400)
        #expect(outgoing?["hold_slot"] == "hold_app_n2" && outgoing?["hold_retained_bytes"] == 0x90_0400)
        #expect(outgoing?["active"] == true && outgoing?["rewind"] == "done")
    }

    @Test func statusOfAReplica() async throws {
        let reply = try await send(
            .get, "/spock", status: MeshScene.status(leads: false), scene: .replica(), letsClientsWrite: false)
        #expect(reply.code == 200)
        #expect(reply.json["leads"] == false && reply.json["clients_may_write"] == false)
        let link = try #require(reply.json["links"]?.asArray?.first)
        #expect(link["incoming"]?["status"] == "replicating" && link["incoming"]?["held"] == true)
        #expect(link["outgoing"]?["lag_bytes"] == nil && reply.json["server"] == nil)
    }

    @Test func withoutAMesh() async throws {
        for target in ["/spock", "/spock/plan"] {
            let reply = try await send(.get, target, status: nil)
            #expect(reply.code == 404 && reply.json["error"]?.asString?.contains("in no mesh") == true)
        }
        let reply = try await send(.post, "/spock/remove", #"{"node": "n2"}"#, status: nil)
        #expect(reply.code == 404 && reply.changes.isEmpty)
    }

    @Test func plan() async throws {
        let reply = try await send(.get, "/spock/plan")
        #expect(reply.code == 200)
        #expect(reply.json["actions"] == ["database app: dropping slot x"])
        #expect(reply.json["needs"] == ["max_wal_senders": 5])
        let replica = try await send(.get, "/spock/plan", status: MeshScene.status(leads: false), scene: .replica())
        #expect(replica.code == 503 && replica.json["leader"] == "node-0")
    }

    // MARK: Requests

    @Test func requestsReachTheTree() async throws {
        let cases: [(String, String, [MeshIntents.Change])] = [
            ("remove", #"{"node": "n2"}"#, [.remove("n2")]),
            ("add", #"{"node": "n2"}"#, [.add("n2")]),
            ("accept", #"{"database": "app", "peer": "n2"}"#, [.accept(MeshScene.link, Term(30))]),
            ("resync", #"{"peer": "n2"}"#, [.resync(MeshIntents.Resync(MeshScene.link))]),
            (
                "resync", #"{"peer": "n2", "database": "app", "table": "public.t"}"#,
                [.resync(MeshIntents.Resync(MeshScene.link, table: "public.t"))]
            ),
        ]
        for (endpoint, body, changes) in cases {
            let reply = try await send(.post, "/spock/\(endpoint)", body)
            #expect(reply.code == 200, "\(endpoint): \(reply.text)")
            #expect(reply.changes == changes)
            #expect(reply.json["intents"]?.asObject != nil)
        }
    }

    @Test(arguments: [
        ("remove", #"{"node": "n9"}"#, #"node: "n9" is not allowed; it must be one of n1, n2"#),
        ("remove", #"{"name": "n2"}"#, "name: not known; allowed are node"),
        ("accept", #"{"peer": "n2"}"#, "database: missing; it must be one of app"),
        ("resync", #"{"peer": 7}"#, "peer: 7 is not allowed; it must be one of n2"),
        ("resync", #"{"peer": "n2", "table": "t"}"#, #"table: "t" is not allowed; it must be schema.table"#),
    ])
    func badBodies(_ endpoint: String, body: String, error: String) async throws {
        let reply = try await send(.post, "/spock/\(endpoint)", body)
        #expect(reply.code == 400)
        #expect(reply.json["error"]?.asString == error)
        #expect(reply.changes.isEmpty)
    }

    @Test func onlyAGapIsAccepted() async throws {
        var status = MeshScene.status()
        status.peers[0].record.links[MeshLink("app", "n1")]?.rewind?.gap = nil
        let reply = try await send(.post, "/spock/accept", #"{"database": "app", "peer": "n2"}"#, status: status)
        #expect(reply.code == 409 && reply.changes.isEmpty)
    }

    @Test func onlyTheLeaderWrites() async throws {
        let reply = try await send(
            .post, "/spock/remove", #"{"node": "n2"}"#, status: MeshScene.status(leads: false), scene: .replica())
        #expect(reply.code == 503 && reply.json["leader"] == "node-0" && reply.changes.isEmpty)
        let early = try await send(.post, "/spock/remove", #"{"node": "n2"}"#, status: MeshScene.status(leads: false))
        #expect(early.code == 503 && early.json["error"] == "the leader has not looked at the mesh yet")
        for (code, status) in [(MeshRefusal.Code.notLeader, 503), (.conflict, 409), (.failed, 503)] {
            let reply = try await send(
                .post, "/spock/remove", #"{"node": "n2"}"#, failure: MeshRefusal(code, "not now"))
            #expect(reply.code == status && reply.json["error"]?.asString?.contains("not now") == true)
        }
    }

    @Test func onlyWhoMayAsks() async throws {
        var config = RestAPIConfig(
            listen: HostPort(host: "127.0.0.1", port: 1), connectAddress: HostPort(host: "127.0.0.1", port: 1))
        config.username = "admin"
        config.password = Secret("secret")
        let access = AccessRules { [config] in config }
        #expect(try await send(.post, "/spock/remove", #"{"node": "n2"}"#, access: access).code == 401)
        #expect(try await send(.get, "/spock", access: access).code == 200)
    }

    @Test func whatIsNotBelowSpock() async throws {
        #expect(try await send(.post, "/spock", "{}").code == 501)
        #expect(try await send(.post, "/spock/other", "{}").code == 501)
        #expect(try await send(.get, "/spock/other").json["patroni"] != nil, "a health check like any other path")
    }

    // MARK: Metrics

    @Test func metrics() async throws {
        let text = try await send(.get, "/metrics").text
        let own = #"{scope="gold",name="node-0"}"#
        let link = #"{scope="gold",name="node-0",database="app",peer="n2"}"#
        for line in [
            "matriarch_spock_clients_let_in\(own) 1", "matriarch_spock_gated\(own) 0",
            "matriarch_spock_link_up\(link) 1", "matriarch_spock_lag_bytes\(link) 1024",
            "matriarch_spock_slot_retained_bytes\(link) 1049600",
            "matriarch_spock_hold_slot_retained_bytes\(link) 9438208",
            #"matriarch_spock_findings{scope="gold",name="node-0",kind="gap"} 1"#,
            #"matriarch_spock_findings{scope="gold",name="node-0",kind="ahead"} 0"#,
        ] { #expect(text.split(separator: "\n").contains(Substring(line)), "\(line)") }
        let replica = try await send(
            .get, "/metrics", status: MeshScene.status(leads: false), scene: .replica(), letsClientsWrite: false
        ).text
        #expect(replica.contains(#"matriarch_spock_clients_let_in{scope="gold",name="node-1"} 0"#))
        #expect(!replica.contains("matriarch_spock_link_up"))
        #expect(!(try await send(.get, "/metrics", status: nil).text.contains("matriarch_spock")))
    }
}
