import Foundation
import LibPQ
import Support
import Testing

/// Peers that accept a connection and say nothing, or not even that.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct ConnectDeadlineTests {
    @Test func holdsAgainstAStoppedServer() async throws {
        let server = try await PostgresInstance("stopped")
        try await server.start()
        let connection = try await server.connect()
        // The postmaster alone: the kernel still accepts, into its queue, and the backend goes on.
        server.freeze()
        try await expectTimeout(.milliseconds(300)) {
            _ = try await PostgresConnection.connect(server.conninfo, deadline: .milliseconds(300))
        }
        #expect(try await connection.query("SELECT 1", deadline: .seconds(5)).rows.count == 1)
        // A backend that does not answer: the cancel request hangs in the stopped postmaster's queue, the caller not.
        kill(connection.backendPID, SIGSTOP)
        try await expectTimeout(.milliseconds(300)) {
            _ = try await connection.query("SELECT 1", deadline: .milliseconds(300))
        }
        kill(connection.backendPID, SIGCONT)
        server.thaw()
        await server.discard()
    }

    @Test func holdsAgainstAFullAcceptQueue() async throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        let port = try listenWithoutAccepting(listener)
        // The queue of a listener with backlog 0 holds one connection; the next ones get no answer to their SYN.
        var fillers: [Task<Void, Never>] = []
        for _ in 0..<3 {
            fillers.append(Task { _ = try? await PostgresConnection.connect(Self.info(port), deadline: .seconds(2)) })
        }
        try await expectTimeout(.milliseconds(400)) {
            _ = try await PostgresConnection.connect(Self.info(port), deadline: .milliseconds(400))
        }
        for filler in fillers { await filler.value }
    }

    @Test func aRefusedPortFailsAtOnce() async throws {
        let port = try FreePort.next()
        let error = await #expect(throws: PostgresError.self) {
            try await PostgresConnection.connect(Self.info(port), deadline: .seconds(5))
        }
        #expect(error?.code == .connectFailed)
        #expect(error?.sqlState == nil)
    }

    @Test func anUnknownOptionIsAnErrorNotACrash() async throws {
        let error = await #expect(throws: PostgresError.self) {
            try await PostgresConnection.connect(
                ConnectionInfo([("nonsense", "1"), ("password", "hush")]), deadline: .seconds(5))
        }
        #expect(error?.code == .connectFailed)
        #expect(error.map { !"\($0)".contains("hush") } == true)
    }

    private static func info(_ port: UInt16) -> ConnectionInfo {
        ConnectionInfo([("host", "127.0.0.1"), ("port", String(port)), ("user", "nobody")])
    }

    private func expectTimeout(_ deadline: Duration, _ body: () async throws -> Void) async throws {
        let start = ContinuousClock.now
        let error = await #expect(throws: PostgresError.self) { try await body() }
        let took = ContinuousClock.now - start
        #expect(error?.code == .timedOut)
        #expect(took >= deadline && took < deadline + .seconds(2), "took \(took)")
    }

    private func listenWithoutAccepting(_ listener: Int32) throws -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 0) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard result else { throw SupportError("listen: \(String(cString: strerror(errno)))") }
        return UInt16(bigEndian: address.sin_port)
    }
}
