import AdminModel
import AsyncHTTPClient
import Foundation
import HTTPTypes
import HACore
import LibPQ
import LocalConfiguration
import NIOCore
import NIOPosix
import NIOSSL
import Support
import Testing

@testable import AdminAPI
@testable import Agent

/// contract/patroni.md 2.1 and 2.2 over TLS, with real handshakes.
@Suite(.serialized, .timeLimit(.minutes(2))) struct TLSTests {
    private let folder: TemporaryFolder
    private let authority: Certificates
    private let server: Certificates.Files

    init() throws {
        folder = try TemporaryFolder("tls")
        authority = try Certificates("a", in: folder)
        server = try authority.issue("server")
    }

    private func restAPI(_ verifyClient: ClientVerification = .none) -> RestAPIConfig {
        let address = HostPort(host: "127.0.0.1", port: 8008)
        var config = RestAPIConfig(listen: address, connectAddress: address)
        config.identity = TLSIdentity(certfile: server.certificate, keyfile: server.key)
        config.cafile = authority.authority
        config.verifyClient = verifyClient
        return config
    }

    private func withServer(
        _ config: RestAPIConfig, _ limits: ConnectionLimits = ConnectionLimits(),
        _ test: @escaping @Sendable (_ port: Int) async throws -> Void
    ) async throws {
        let actions = ClusterActions(
            request: { _ in }, withdraw: { _ in }, configure: { _, _ in }, reload: {},
            ask: { _ in PeerRound(askedAt: .current, asked: [], answers: [:]) },
            orders: OrderBook {}, cancel: {})
        let responder = AdminResponder(
            board: TestBoard(.primary(config: ["ttl": 30]), tree: Scene.tree(config: ["ttl": 30])).board,
            actions: actions, access: AccessRules { config }, headers: CommonHeaders { config })
        let context = try TLSMaterial(restAPI: config).serverContext()
        try await TestServer.run(responder, limits, tls: { context }, test)
    }

    @Test(arguments: [
        "GET /primary HTTP/1.0\r\n\r\n", "GET /primary HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
    ])
    func answersAndSaysGoodbye(_ request: String) async throws {
        var config = restAPI()
        config.httpExtraHeaders = ["X-Zone": "a", "X-Rack": "1"]
        config.httpsExtraHeaders = ["X-Zone": "b"]
        config.serverTokens = .productonly
        try await withServer(config) { port in
            let reply = try await TLSClient().exchange(request, port: port)
            #expect(reply.text.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(reply.text.contains("\"role\": \"primary\""))
            #expect(reply.text.contains("\r\nX-Zone: b\r\n") && reply.text.contains("\r\nX-Rack: 1\r\n"))
            #expect(reply.text.contains("\r\nServer: Patroni\r\n"))
            #expect(reply.endedInOrder)
        }
    }

    @Test func aHandshakeThatGoesOnForEverIsCutOff() async throws {
        var limits = ConnectionLimits()
        limits.header = .milliseconds(400)
        try await withServer(restAPI(), limits) { port in
            // Nothing; the head of a record that never comes; plain HTTP, whose first bytes say there is more to come.
            for start in ["", "\u{16}\u{3}\u{1}\u{1}\u{2}\u{1}"] {
                let client = try RawClient(port: port)
                defer { client.close() }
                try client.send(start)
                let began = ContinuousClock.now
                #expect(try await client.readToEnd().isEmpty)
                #expect(ContinuousClock.now - began < .seconds(4), "not after the goodbye of TLS")
            }
            // Encrypted, and then no request.
            #expect(try await TLSClient().exchange("GET /prim", port: port).text.isEmpty)
        }
    }

    @Test func whatIsNotTLSGetsNoAnswer() async throws {
        try await withServer(restAPI()) { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send("GET /primary HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await !client.readToEnd().contains("HTTP/1.1"))
        }
    }

    @Test func longHeadersAreRefused() async throws {
        try await withServer(restAPI()) { port in
            let request = "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 100_000)
            let reply = try? await TLSClient().exchange(request, port: port)
            #expect(reply?.text.contains(" 200 ") != true)
        }
    }

    /// The answer comes although the body that was promised is not read.
    @Test func anEarlyAnswerIsNotLost() async throws {
        try await withServer(restAPI()) { port in
            let request = "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{"
            let reply = try await TLSClient().exchange(request, port: port)
            #expect(reply.text.hasPrefix("HTTP/1.1 501 "))
        }
    }

    @Test func requiredCertificatesAreRequiredOfEverybody() async throws {
        let good = try authority.issue("client")
        let stranger = try Certificates("b", in: folder).issue("client")
        try await withServer(restAPI(.required)) { port in
            let get = "GET /health HTTP/1.0\r\n\r\n"
            // TLS 1.3: the client believes in the connection until it reads.
            #expect(((try? await TLSClient().exchange(get, port: port))?.text ?? "").isEmpty)
            let wrong = try TLSClient(identity: (stranger.certificate, stranger.key))
            #expect(((try? await wrong.exchange(get, port: port))?.text ?? "").isEmpty)
            let right = try TLSClient(identity: (good.certificate, good.key))
            #expect(try await right.exchange(get, port: port).text.hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func optionalCertificatesAreRequiredOfWhoChangesSomething() async throws {
        let good = try authority.issue("client")
        let stranger = try Certificates("b", in: folder).issue("client")
        var config = restAPI(.optional)
        config.username = "admin"
        config.password = Secret("word")
        try await withServer(config) { port in
            let bare = try TLSClient()
            #expect(try await bare.exchange("GET /health HTTP/1.0\r\n\r\n", port: port).text.contains(" 200 "))
            let patch = "PATCH /config HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n{\"pause\": 1}"
            let refused = try await bare.exchange(patch.withClose, port: port).text
            #expect(refused.hasPrefix("HTTP/1.1 403 ") && refused.hasSuffix("client certificate required"))
            let wrong = try TLSClient(identity: (stranger.certificate, stranger.key))
            #expect(((try? await wrong.exchange(patch.withClose, port: port))?.text ?? "").isEmpty)
            let right = try TLSClient(identity: (good.certificate, good.key))
            let asked = try await right.exchange(patch.withClose, port: port).text
            #expect(asked.hasPrefix("HTTP/1.1 401 ") && asked.hasSuffix("no auth header received"))
        }
        config.allowlist = ["10.0.0.0/8"]
        try await withServer(config) { port in
            let refused = try await TLSClient().exchange("POST /reload HTTP/1.0\r\n\r\n", port: port).text
            #expect(refused.hasPrefix("HTTP/1.1 403 ") && refused.hasSuffix("Access is denied"))
        }
    }

    /// contract/patroni.md 3.2, `ctl`: what a daemon does with the certificates of its peers.
    @Test func peersAreAskedOverTLS() async throws {
        let client = try authority.issue("client", password: "word")
        let other = try Certificates("b", in: folder)
        try await withServer(restAPI(.required)) { [authority] port in
            let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
            func answers(_ control: PeerAccess) async throws -> Bool {
                let tls = try TransportSecurity(TLSMaterial(control: control))
                let peers = PeerClient(client: http, tls: tls)
                return await peers.isAlive("https://localhost:\(port)/patroni")
            }
            let identity = TLSIdentity(
                certfile: client.certificate, keyfile: client.key, keyfilePassword: Secret("word"))
            #expect(try await answers(PeerAccess(identity: identity, cacert: authority.authority)))
            #expect(try await !answers(PeerAccess(identity: identity, cacert: other.authority)))
            #expect(try await !answers(PeerAccess()), "the peer wants a certificate")
            try await http.shutdown()
        }
        try await withServer(restAPI()) { port in
            let http = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup)
            let peers = PeerClient(client: http, tls: try TransportSecurity(TLSMaterial(control: PeerAccess())))
            #expect(await peers.isAlive("https://127.0.0.1:\(port)/patroni"), "everybody is trusted")
            try await http.shutdown()
        }
    }
}

extension String {
    /// A request that ends its connection.
    fileprivate var withClose: String { replacing("Host: a\r\n", with: "Host: a\r\nConnection: close\r\n") }
}
