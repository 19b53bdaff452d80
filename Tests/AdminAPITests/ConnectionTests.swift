import AdminModel
import LocalConfiguration
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import ServiceLifecycle
import Testing

@testable import AdminAPI
@testable import Agent

/// Over real sockets: framing, and when connections end.
@Suite(.serialized, .timeLimit(.minutes(2))) struct ConnectionTests {
    private func withServer(
        _ limits: ConnectionLimits = ConnectionLimits(), listen: HostPort = HostPort(host: "127.0.0.1", port: 0),
        listeners: Int = 1, _ test: @escaping @Sendable (_ port: Int) async throws -> Void
    ) async throws {
        try await TestServer.run(
            AdminResponder(board: TestBoard(.primary()).board), limits, listen: listen, listeners: listeners, test)
    }

    @Test(arguments: [
        "GET /primary HTTP/1.0\r\n\r\n",
        "GET /primary HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /primary HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /primary HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
        "GET /primary HTTP/1.1\r\nHost: a\r\nConnection: CLOSE, TE\r\n\r\n",
        // What follows is not answered.
        "GET /primary HTTP/1.0\r\n\r\nGET /primary HTTP/1.1\r\nHost: a\r\n\r\n",
    ])
    func answersAndCloses(_ request: String) async throws {
        try await withServer { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send(request)
            let answer = try await client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(answer.lowercased().contains("\r\nconnection: close\r\n"))
            #expect(answer.contains("\r\nDate: "))
            #expect(answer.contains("\r\nServer: Matriarch/"))
            #expect(answer.split(separator: "HTTP/1.1 ").count == 1)
            let body = try #require(answer.split(separator: "\r\n\r\n").last)
            #expect(try JSONParser.parse(String(body))["role"] == "primary")
            #expect(answer.contains("\r\nContent-Length: \(body.utf8.count)\r\n"))
        }
    }

    @Test func bareAnswerOfHTTP10() async throws {
        try await withServer { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send("OPTIONS /replica HTTP/1.0\r\n\r\n")
            let answer = try await client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 503 "))
            #expect(answer.hasSuffix("\r\n\r\n"))
        }
    }

    @Test func keepsAliveAndPipelines() async throws {
        try await withServer { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            for _ in 0..<3 {
                try client.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await client.readAnswer()
                #expect(answer.hasPrefix("HTTP/1.1 200 "))
                #expect(!answer.lowercased().contains("connection: close"))
            }
            try client.send(
                "HEAD /replica HTTP/1.1\r\nHost: a\r\n\r\nGET /liveness HTTP/1.1\r\nHost: a\r\n\r\n"
                    + "GET /leader HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            #expect(try await client.readAnswer().hasPrefix("HTTP/1.1 503 "))
            #expect(try await client.readAnswer().hasPrefix("HTTP/1.1 200 "))
            let last = try await client.readToEnd()
            #expect(last.hasPrefix("HTTP/1.1 200 ") && last.contains("\"role\": \"primary\""))
        }
    }

    @Test func aClientThatEndsItsSideIsAnswered() async throws {
        try await withServer { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            client.finishSending()
            #expect(try await client.readToEnd().hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func manyClientsAtOnce() async throws {
        try await withServer { port in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        let client = try RawClient(port: port)
                        defer { client.close() }
                        for _ in 0..<5 {
                            try client.send("GET /patroni HTTP/1.1\r\nHost: a\r\n\r\n")
                            #expect(try await client.readAnswer().hasPrefix("HTTP/1.1 200 "))
                        }
                        try client.send("OPTIONS /primary HTTP/1.0\r\n\r\n")
                        #expect(try await client.readToEnd().hasPrefix("HTTP/1.1 200 "), "\(number)")
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func anErrorPageEndsTheConnectionBeforeTheBody() async throws {
        try await withServer { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send("POST /switchover HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{")
            let answer = try await client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 501 "))
            #expect(answer.contains("Server does not support this operation"))
        }
    }

    @Test func whatIsNoRequestGets400() async throws {
        try await withServer { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send("what is this\r\n\r\n")
            #expect(try await client.readToEnd().hasPrefix("HTTP/1.1 400 "))
        }
    }

    @Test func slowHeadersAreCutOff() async throws {
        var limits = ConnectionLimits()
        limits.header = .milliseconds(400)
        try await withServer(limits) { port in
            for start in ["", "GET /primary HT", "GET /primary HTTP/1.1\r\nHost: a\r\nX: "] {
                let client = try RawClient(port: port)
                defer { client.close() }
                try client.send(start)
                #expect(try await client.readToEnd().isEmpty, "\(start)")
            }
            // Also after an answer, when the next request stays unfinished.
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send("GET /primary HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.readAnswer().hasPrefix("HTTP/1.1 200 "))
            try client.send("GET /primary HT")
            #expect(try await client.readToEnd().isEmpty)
        }
    }

    @Test func idleConnectionsAreClosed() async throws {
        var limits = ConnectionLimits()
        limits.idle = .milliseconds(300)
        try await withServer(limits) { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send("GET /primary HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.readAnswer().hasPrefix("HTTP/1.1 200 "))
            #expect(try await client.readToEnd().isEmpty)
        }
    }

    @Test func longRequestLinesAndHeadersAreRefused() async throws {
        try await withServer { port in
            for request in [
                "GET /" + String(repeating: "a", count: 200_000),
                "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 200_000),
            ] {
                let client = try RawClient(port: port)
                defer { client.close() }
                // The server may have closed before all of it was sent.
                try? client.send(request)
                #expect(try await !client.readToEnd().contains(" 200 "))
            }
        }
    }

    @Test func whoIsWaitedForLongestGivesWay() async throws {
        var limits = ConnectionLimits()
        limits.connections = 3
        let get = "GET /primary HTTP/1.1\r\nHost: a\r\n\r\n"
        try await withServer(limits) { port in
            let idle = try RawClient(port: port)
            defer { idle.close() }
            let slow = [try RawClient(port: port), try RawClient(port: port)]
            try slow[0].send("GET /prim")
            try slow[1].send("PATCH /config HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
            // Accepted by now; the third is waited for from its answer on.
            try await Task.sleep(for: .milliseconds(100))
            try idle.send(get)
            #expect(try await idle.readAnswer().hasPrefix("HTTP/1.1 200 "))
            var newer: [RawClient] = []
            for client in slow {
                let next = try RawClient(port: port)
                defer { next.close() }
                try next.send(get.replacing("\r\n\r\n", with: "\r\nConnection: close\r\n\r\n"))
                #expect(try await next.readToEnd().hasPrefix("HTTP/1.1 200 "))
                #expect((try? await client.readToEnd())?.hasPrefix("HTTP/1.1 200 ") != true)
                client.close()
                // Its place is taken again.
                newer.append(try RawClient(port: port))
                try await Task.sleep(for: .milliseconds(100))
            }
            try idle.send(get)
            #expect(try await idle.readAnswer().hasPrefix("HTTP/1.1 200 "))
            for client in newer { client.close() }
        }
    }

    @Test func whoWaitsForUsGivesNoWay() {
        let book = ConnectionBook(limit: 2)
        let closed = NIOLockedValueBox<[Int]>([])
        final class Connection {}
        let clients = (0..<4).map { _ in Connection() }
        func add(_ number: Int) -> Bool {
            book.add(ObjectIdentifier(clients[number])) { closed.withLockedValue { $0.append(number) } }
        }
        #expect(add(0) && add(1))
        book.note(ObjectIdentifier(clients[0]), isServed: true)
        #expect(add(2))
        book.note(ObjectIdentifier(clients[2]), isServed: true)
        #expect(!add(3))
        book.remove(ObjectIdentifier(clients[2]))
        #expect(add(3))
        #expect(closed.withLockedValue { $0 } == [1])
    }

    @Test func slowBodiesAreCutOff() async throws {
        var limits = ConnectionLimits()
        limits.body = .milliseconds(400)
        try await withServer(limits) { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send("PATCH /config HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
            #expect((try? await client.readToEnd())?.hasPrefix("HTTP/1.1 200 ") != true)
        }
    }

    @Test(arguments: ["*", "", "127.0.0.1,*", "0.0.0.0"])
    func addresses(_ host: String) async throws {
        try await withServer(listen: HostPort(host: host, port: 0)) { port in
            let client = try RawClient(port: port)
            defer { client.close() }
            try client.send("GET /primary HTTP/1.0\r\n\r\n")
            #expect(try await client.readToEnd().hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func severalHostsShareThePort() async throws {
        let free = NIOLockedValueBox(0)
        try await withServer { port in free.withLockedValue { $0 = port } }
        let port = free.withLockedValue { $0 }
        try await withServer(listen: HostPort(host: "127.0.0.1, 127.0.0.2", port: port), listeners: 2) { _ in
            for host in ["127.0.0.1", "127.0.0.2"] {
                let client = try RawClient(port: port, host: host)
                defer { client.close() }
                try client.send("GET /primary HTTP/1.0\r\n\r\n")
                #expect(try await client.readToEnd().hasPrefix("HTTP/1.1 200 "), "\(host)")
            }
        }
    }

    @Test func aShutdownClosesIdleConnections() async throws {
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let quiet = TestServer.quiet
        let (ports, found) = AsyncStream.makeStream(of: Int.self)
        let server = AdminServer(
            responder: AdminResponder(board: TestBoard(.primary()).board),
            listen: HostPort(host: "127.0.0.1", port: 0), eventLoopGroup: threads, logger: quiet,
            limits: ConnectionLimits(), onListening: { found.yield($0) })
        let services = ServiceGroup(configuration: .init(services: [server], logger: quiet))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            for await port in ports {
                let client = try RawClient(port: port)
                defer { client.close() }
                try client.send("GET /primary HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await client.readAnswer().hasPrefix("HTTP/1.1 200 "))
                await services.triggerGracefulShutdown()
                #expect(try await client.readToEnd().isEmpty)
                break
            }
            try await group.waitForAll()
        }
        try await threads.shutdownGracefully()
    }

    @Test func aTakenPortIsNamed() async throws {
        try await withServer { port in
            let error = await #expect(throws: AdminServerError.self) {
                try await withServer(listen: HostPort(host: "127.0.0.1", port: port)) { _ in }
            }
            #expect(error?.code == .cannotListen)
            #expect(
                error?.description
                    == "restapi.listen: cannot listen on port \(port) of 127.0.0.1: Address already in use: "
                    + "end what listens there (ss -ltnp shows it), or choose another port")
        }
    }
}
