import AdminModel
import Logging
import NIOCore
import NIOPosix
import NIOSSL

@testable import AdminAPI
@testable import Agent

/// The server of a primary's board on a free port of its own.
enum TestServer {
    static let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    /// Runs `test` once every listener is there, and ends the server after it.
    static func run(
        _ responder: AdminResponder = AdminResponder(board: TestBoard(.primary()).board),
        _ limits: ConnectionLimits = ConnectionLimits(), listen: HostPort = HostPort(host: "127.0.0.1", port: 0),
        listeners: Int = 1, tls: @escaping @Sendable () -> NIOSSLContext? = { nil },
        _ test: @escaping @Sendable (_ port: Int) async throws -> Void
    ) async throws {
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (ports, found) = AsyncStream.makeStream(of: Int.self)
        let server = AdminServer(
            responder: responder, listen: listen, tls: tls, eventLoopGroup: threads, logger: quiet, limits: limits,
            onListening: { found.yield($0) })
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                group.addTask {
                    var running = 0
                    for await port in ports {
                        running += 1
                        if running == listeners { return try await test(port) }
                    }
                }
                // Ends with the test, or with the server when it could not begin.
                try await group.next()
                group.cancelAll()
            }
        } catch {
            try await threads.shutdownGracefully()
            throw error
        }
        try await threads.shutdownGracefully()
    }
}
