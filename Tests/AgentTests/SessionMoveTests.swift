import HACore
import LocalConfiguration
import Logging
import Support
import Testing
import ZooKeeper

@testable import Agent

@Suite("ZooKeeper's tickTime", .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct TickTimeTests {
    @Test("it is read off conf, or follows from the bounds of a session")
    func found() async throws {
        let search = TickTimeSearch(try configuration(try await SharedZooKeeper.host()), logger: silent)
        #expect(await search.find() == .milliseconds(200))
        let bounds = try #require(await search.bounds())
        #expect(bounds.least == .milliseconds(400) && bounds.most == .seconds(4))
    }

    @Test("bounds that are not the default ones give the longer guess")
    func bounds() {
        func tick(_ least: Int64, _ most: Int64) -> (Int64, Bool) {
            let (tick, isSure) = TickTimeSearch.tick(least: .milliseconds(least), most: .milliseconds(most))
            return (tick.milliseconds, isSure)
        }
        #expect(tick(4000, 40_000) == (2000, true))
        #expect(tick(1000, 40_000) == (2000, false))
        #expect(tick(6000, 40_000) == (3000, false))
    }

    @Test(
        "what a server says instead of its configuration is no tickTime",
        arguments: [
            "", "conf is not executed because it is not in the whitelist.\n", "tickTime=\n", "tickTime=0\n",
            "xtickTime=5\n",
        ])
    func refused(answer: String) {
        #expect(TickTimeSearch.tick(in: answer) == nil)
        #expect(TickTimeSearch.tick(in: "clientPort=2181\ntickTime=2000\r\nmaxClientCnxns=60\n") == .seconds(2))
    }
}

@Suite(
    "A session with another timeout", .serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct SessionMoveTests {
    private func withOwner(
        _ log: LogCollector = LogCollector(),
        _ body: (SessionOwner, LeaseGuard, ZNodeLayout, ZooKeeperSession) async throws -> Void
    ) async throws {
        let layout = try SharedZooKeeper.layout()
        let host = try await SharedZooKeeper.ownHost()
        try await withSession(try await SharedZooKeeper.host()) { third in
            let wakeup = Wakeup()
            let guardian = LeaseGuard(
                transactions: LockTransactions(layout: layout, me: "node-0"), tickTime: nil,
                keeper: try KeeperHost.link(nil, wakeup), wakeup: wakeup)
            guardian.start()
            let owner = SessionOwner(
                configuration: try configuration(host, timeout: .seconds(3)), layout: layout, me: "node-0",
                guardian: guardian, wakeup: wakeup, findTickTime: { .milliseconds(200) }, logger: log.logger,
                admit: { _ in })
            let running = Task { await owner.run() }
            let result: Result<Void, any Error>
            do {
                try await body(owner, guardian, layout, third)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            guardian.stop()
            running.cancel()
            await running.value
            try result.get()
        }
    }

    /// Asks as the loop does, until the sessions have changed places.
    private func move(_ owner: SessionOwner, to timeout: Duration) async throws -> ZooKeeperSession {
        try await eventually("a session of \(timeout) is the present one") { () -> ZooKeeperSession? in
            owner.follow(timeout: timeout)
            guard let session = owner.session, session.credentials?.requestedTimeout == timeout else { return nil }
            return session
        }
    }

    @Test("it takes the place of the one before, which is closed; again and again")
    func moves() async throws {
        try await withOwner { owner, guardian, layout, third in
            var former = try await eventually("the first session") { owner.session }
            for timeout in [4, 2, 3].map({ Duration.seconds($0) }) {
                let next = try await move(owner, to: timeout)
                #expect(next !== former)
                let id = try next.id
                #expect(owner.coordination == .connected)
                #expect(guardian.lease?.session == id.rawValue)
                #expect(guardian.lease?.terms == LeaseTerms(timeout: timeout, tickTime: .milliseconds(200)))
                try await eventually("the former session is closed") { former.isOver }
                try await eventually("one lease znode is left") {
                    try await third.children(layout.leases, deadline: patience)?.count == 1
                }
                let proved = try #require(guardian.lease).provenUntil
                try await eventually("the new lease is proved by its own writes") {
                    guardian.lease.map { $0.provenUntil > proved } ?? false
                }
                former = next
            }
        }
    }

    @Test("the one before stays open while it owns the lock, and the lock's holder goes on serving for a moment")
    func holds() async throws {
        try await withOwner { owner, guardian, layout, third in
            let first = try await eventually("the first session") { owner.session }
            try await third.prepare(layout)
            let transactions = LockTransactions(layout: layout, me: "node-0")
            let results = try await first.multi(
                transactions.acquire(epoch: .initial, sync: nil, session: try first.id, nonce: "n"), deadline: patience)
            let epoch = try #require(results[0].stat)
            guardian.lead(
                Leadership(
                    term: Term(try #require(results[2].stat).czxid), epochVersion: Int64(epoch.version.rawValue),
                    epochZxid: epoch.mzxid, provedAt: Instant.now), in: try first.id)
            #expect(guardian.mayServeWrites(at: Instant.now))
            let second = try await move(owner, to: .seconds(4))
            #expect(guardian.leadership == nil, "not of this session yet")
            #expect(guardian.mayServeWrites(at: Instant.now))
            #expect(!guardian.mayServeWrites(at: Instant.now + .seconds(2)))
            #expect(!first.isOver)
            #expect(try await third.exists(layout.leader, deadline: patience)?.ephemeralOwner == (try first.id))
            _ = try await second.multi(
                transactions.replace(epoch: epoch.version, session: try second.id, nonce: "m"), deadline: patience)
            try await eventually("the former session is closed") { first.isOver }
            #expect(try await third.exists(layout.leader, deadline: patience)?.ephemeralOwner == (try second.id))
        }
    }

    @Test("when it ends too early, the one before takes its place back")
    func fallsBack() async throws {
        try await withOwner { owner, guardian, layout, third in
            let first = try await eventually("the first session") { owner.session }
            try await first.put(layout.leader, "node-0", .ephemeral)
            let second = try await move(owner, to: .seconds(4))
            await second.close()
            try await eventually("the first is back") { owner.session === first }
            #expect(!first.isOver && owner.coordination == .connected)
            try await eventually("its lease is renewed") { guardian.lease?.session == (try first.id.rawValue) }
            let third = try await move(owner, to: .seconds(2))
            #expect(third !== first)
            try await third.delete(layout.leader, expecting: .any, deadline: patience)
            try await eventually("the first is closed in the end") { first.isOver }
        }
    }

    @Test("one that nobody could lead with is refused with the numbers, once")
    func refuses() async throws {
        let log = LogCollector()
        try await withOwner(log) { owner, guardian, _, _ in
            let first = try await eventually("the first session") { owner.session }
            try await eventually("it is refused") {
                owner.follow(timeout: .milliseconds(1000))
                return log.count("ttl is not followed") == 1
            }
            for _ in 0..<3 { owner.follow(timeout: .milliseconds(1000)) }
            let why = try #require(owner.refusal(of: .milliseconds(1000)))
            #expect(log.count("\(why)") == 1)
            #expect(owner.refusal(of: .seconds(3)) == nil, "another one may be followed")
            #expect(owner.session === first && !first.isOver)
            #expect(log.count("of a session of 1000 ms") == 1)
            _ = try await move(owner, to: .seconds(4))
            #expect(owner.refusal(of: .seconds(4)) == nil)
        }
    }

    @Test("a granted timeout unlike the one asked for is said once")
    func mismatch() async throws {
        let log = LogCollector()
        try await withOwner(log) { owner, _, _, _ in
            _ = try await eventually("the first session") { owner.session }
            #expect(log.count("granted") == 0)
            _ = try await move(owner, to: .seconds(30))
            #expect(log.count("ZooKeeper granted a session of 4000 ms instead of the 30000 ms of ttl") == 1)
        }
    }
}
