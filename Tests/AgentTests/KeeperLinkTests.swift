import Foundation
import HACore
import PostgresControl
import Support
import Testing

@testable import Agent

@Suite("The keeper's last words", .timeLimit(.minutes(1)))
struct KeeperLinkTests {
    private func withLink(_ body: (KeeperHost, KeeperLink, KeeperClient) async throws -> Void) async throws {
        let host = try await KeeperHost.start()
        defer { host.end() }
        let link = try KeeperHost.link(host, Wakeup())
        try await host.attached(link) { try await body(host, link, $0) }
    }

    /// What it says while it is stopped was said before.
    private func saysWhileStopped(_ host: KeeperHost, _ link: KeeperLink, maxAge: Duration) async -> KeeperStatus? {
        host.signal(SIGSTOP)
        defer { host.signal(SIGCONT) }
        return await link.status(maxAge: maxAge)
    }

    @Test("they stand for so long while nothing happens, with what it was told of the deadline")
    func standing() async throws {
        try await withLink { host, link, client in
            let pid = try await host.startStandIn(client)
            let armedUntil = Instant.now + .seconds(100)
            try await client.arm(until: armedUntil, epochZxid: 1)
            #expect(await link.status()?.armedUntil == armedUntil)
            link.extend(until: armedUntil + .seconds(1))
            let standing = try #require(await saysWhileStopped(host, link, maxAge: .seconds(60)))
            #expect(standing.postmasterPID == pid && standing.armedUntil == armedUntil + .seconds(1))
            #expect(await saysWhileStopped(host, link, maxAge: .zero) == nil, "it was asked")
        }
    }

    @Test("a command, and the end of what ran, is another question")
    func changes() async throws {
        try await withLink { host, link, client in
            let pid = try await host.startStandIn(client)
            #expect(await link.status()?.latch == nil)
            try await client.setMode(.paused)
            #expect(await link.status(maxAge: .seconds(60))?.mode == .paused)
            kill(pid, SIGKILL)
            try await eventually("its end is told") { await link.status(maxAge: .seconds(60))?.postmasterPID == nil }
        }
    }

    @Test("of a keeper without a server they stand for no time")
    func nothingRuns() async throws {
        try await withLink { host, link, _ in
            #expect(await link.status() != nil)
            #expect(await saysWhileStopped(host, link, maxAge: .seconds(60)) == nil)
        }
    }
}
