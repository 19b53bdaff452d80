import Glibc
import HACore
import LocalConfiguration
import PostgresControl
import Support
import SystemPackage
import Testing
import ZooKeeper

@testable import Agent

/// A member's guard at work on a session of its own, with a third party beside it.
private struct Guarded {
    let layout: ZNodeLayout
    let session: ZooKeeperSession
    let third: ZooKeeperSession
    let candidate: ZNodePath
    let wakeup: Wakeup
    let keeper: KeeperLink
    let guardian: LeaseGuard
    let transactions: LockTransactions

    /// Takes the lock and leads under it.
    @discardableResult
    func lead(epoch: Int64 = 0) async throws -> Leadership {
        let id = try session.id
        try await eventually("the lock is taken") {
            do throws(ZooKeeperError) {
                try await session.multi(
                    transactions.acquire(epoch: Version(counted: epoch), sync: nil, session: id, nonce: "n"),
                    deadline: patience)
                return true
            } catch  where error.outcome == .unknown {
                // The guard of a busy machine takes a slow server for a lost one, and connects anew.
                _ = try await session.connected(deadline: patience)
                return try await third.exists(layout.leader, deadline: patience)?.ephemeralOwner == id
            }
        }
        let taken = try #require(try await third.exists(layout.leader, deadline: patience))
        let moved = try #require(try await third.exists(layout.epoch, deadline: patience))
        let leadership = Leadership(
            term: Term(taken.czxid), epochVersion: Int64(moved.version.rawValue), epochZxid: moved.mzxid,
            provedAt: .now)
        guardian.lead(leadership, in: id)
        return leadership
    }

    /// The lease moves later `times` times from here on.
    func advances(_ times: Int = 3) async throws {
        for _ in 0..<times {
            let before = try #require(guardian.lease).provenUntil
            try await eventually("the lease moves") { guardian.lease.map { $0.provenUntil > before } ?? false }
        }
    }

    func serves() async throws {
        try await eventually("writes may be served") { guardian.mayServeWrites(at: .now) }
    }

    func stoodDown() async throws {
        try await eventually("leadership is gone", pace: .milliseconds(1)) { guardian.leadership == nil }
        #expect(!guardian.mayServeWrites(at: .now))
    }
}

@Suite("The lease guard", .serialized, .timeLimit(.minutes(3)), .enabled(if: ZooKeeperServer.isInstalled))
struct LeaseGuardTests {
    /// T = 2 s unless given, on ticks of 200 ms.
    /// - Parameter wire: the session's way to the server.
    private func withGuard(
        _ server: ZooKeeperServer? = nil, wire: Wire? = nil, timeout: Duration = .seconds(2),
        keeper: KeeperHost? = nil, _ body: (Guarded) async throws -> Void
    ) async throws {
        let layout = try SharedZooKeeper.layout()
        let host: String
        if let server { host = server.host } else { host = try await SharedZooKeeper.host() }
        let own: Wire
        if let wire { own = wire } else { own = try await SharedZooKeeper.wire(to: server) }
        try await withSession(host) { third in
            try await third.prepare(layout)
            try await withSession("127.0.0.1:\(own.port)", timeout: timeout) { session in
                let candidate = try layout.lease("node-0")
                try await session.put(candidate, "", .ephemeral)
                let wakeup = Wakeup()
                let transactions = LockTransactions(layout: layout, me: "node-0")
                let link = try KeeperHost.link(keeper, wakeup)
                let guardian = LeaseGuard(
                    transactions: transactions, tickTime: .milliseconds(200), keeper: link, wakeup: wakeup)
                guardian.start()
                defer { guardian.stop() }
                guardian.use(session, candidateNode: candidate)
                try await body(
                    Guarded(
                        layout: layout, session: session, third: third, candidate: candidate, wakeup: wakeup,
                        keeper: link, guardian: guardian, transactions: transactions))
            }
        }
    }

    @Test("a candidate keeps its lease long with writes to its own znode")
    func candidate() async throws {
        try await withGuard { member in
            let first = try #require(member.guardian.lease)
            #expect(try first.session == member.session.id.rawValue)
            #expect(first.terms == LeaseTerms(timeout: .seconds(2), tickTime: .milliseconds(200)))
            #expect(first.provenUntil - first.anchor == .milliseconds(1998 - 300))
            try await member.advances(4)
            let lease = try #require(member.guardian.lease)
            #expect(lease.anchor > first.anchor && lease.provenUntil - lease.anchor == .milliseconds(1998 - 300))
            #expect(lease.provenUntil - .now < .seconds(2), "no lease lasts longer than its session's timeout")
            let version = try await member.third.exists(member.candidate, deadline: patience)?.version.rawValue
            #expect(try #require(version) >= 4)
            #expect(member.guardian.leadership == nil && !member.guardian.mayServeWrites(at: .now))
        }
    }

    @Test("a leader renews with the guarded transaction instead")
    func leader() async throws {
        try await withGuard { member in
            try await member.advances(1)
            member.guardian.setStatus(Array(#"{"optime":4711}"#.utf8))
            let leadership = try await member.lead()
            #expect(member.guardian.leadership == leadership)
            try await eventually("status is written") {
                try await member.third.text(member.layout.status) == #"{"optime":4711}"#
            }
            let left = try await member.third.exists(member.candidate, deadline: patience)?.version
            try await member.advances()
            try await member.serves()
            #expect(try await member.third.exists(member.candidate, deadline: patience)?.version == left)
            #expect(!member.guardian.mayServeWrites(at: .now + .seconds(2)), "a later moment needs a later proof")
            member.guardian.standDown()
            #expect(member.guardian.leadership == nil && !member.guardian.mayServeWrites(at: .now))
            try await member.advances()
            let now = try #require(try await member.third.exists(member.candidate, deadline: patience)?.version)
            #expect(try now > #require(left))
        }
    }

    @Test("a third party deletes the lock: leadership ends at once, and the loop is woken", arguments: [false, true])
    func deleted(andMadeAnew: Bool) async throws {
        try await withGuard { member in
            try await member.lead()
            try await member.serves()
            await member.wakeup.wait(atMost: .zero)
            if andMadeAnew {
                try await member.third.multi(
                    [
                        .delete(member.layout.leader, .any),
                        .create(member.layout.leader, Array("node-0".utf8), .ephemeral),
                    ], deadline: patience)
            } else {
                try await member.third.remove(member.layout.leader)
            }
            let start = Instant.now
            await member.wakeup.wait(atMost: .seconds(40))
            #expect(Instant.now - start < .seconds(20))
            try await member.stoodDown()
            try await member.advances()
        }
    }

    @Test("a third party moves epoch: the guard stands down and goes on as a candidate")
    func epochMoved() async throws {
        try await withGuard { member in
            try await member.lead()
            try await member.serves()
            try await member.third.put(member.layout.epoch, "{}")
            try await member.stoodDown()
            try await member.advances()
            // Adopting proves the lock again.
            let id = try member.session.id
            let results = try await member.third.multi(
                member.transactions.adopt(epoch: Version(counted: 2), session: id, nonce: "m"), deadline: patience)
            let stat = try #require(results[0].stat)
            member.guardian.lead(
                Leadership(term: Term(1), epochVersion: 3, epochZxid: stat.mzxid, provedAt: .now), in: id)
            try await member.serves()
            try await member.advances()
            #expect(member.guardian.leadership?.epochVersion == 3)
        }
    }

    @Test("a status that somebody deleted is reported, and nothing is lost once it is back")
    func statusMissing() async throws {
        try await withGuard { member in
            let leadership = try await member.lead()
            try await member.advances(1)
            #expect(!member.guardian.nodeMissing)
            try await member.third.remove(member.layout.status)
            try await eventually("it is noticed") { member.guardian.nodeMissing }
            #expect(member.guardian.leadership == leadership)
            try await member.third.put(member.layout.status, "{}")
            try await member.advances()
            #expect(!member.guardian.nodeMissing && member.guardian.leadership == leadership)
        }
    }

    @Test("a candidate's znode that somebody deleted is reported")
    func candidateMissing() async throws {
        try await withGuard { member in
            try await member.advances(1)
            try await member.third.remove(member.candidate)
            try await eventually("it is noticed") { member.guardian.nodeMissing }
            try await eventually("it is back") {
                do throws(ZooKeeperError) {
                    try await member.session.create(member.candidate, mode: .ephemeral, deadline: patience)
                    return true
                } catch {
                    return error.code == .nodeExists
                }
            }
            try await member.advances()
            #expect(!member.guardian.nodeMissing)
        }
    }

    @Test("neither lease nor leadership outlives its session")
    func sessions() async throws {
        try await withGuard { member in
            let leadership = try await member.lead()
            try await member.serves()
            let former = try member.session.id
            member.guardian.sessionEnded()
            #expect(member.guardian.lease == nil && member.guardian.leadership == nil)
            #expect(!member.guardian.mayServeWrites(at: .now))
            member.guardian.lead(leadership, in: former)
            #expect(member.guardian.leadership == nil, "a reply that comes after the end")

            try await withSession(try await SharedZooKeeper.ownHost(), timeout: .seconds(3)) { next in
                let node = try member.layout.lease("next")
                try await next.put(node, "", .ephemeral)
                member.guardian.use(next, candidateNode: node)
                #expect(try member.guardian.lease?.session == next.id.rawValue)
                #expect(member.guardian.lease?.terms.timeout == .seconds(3))
                member.guardian.lead(leadership, in: former)
                #expect(member.guardian.leadership == nil, "the lock was the other session's")
                try await member.advances()
                member.guardian.sessionEnded()
            }
        }
    }

    @Test("another session without word of the end of the first takes the leadership away, too")
    func sessionReplaced() async throws {
        try await withGuard { member in
            try await member.lead()
            try await member.serves()
            try await withSession(try await SharedZooKeeper.ownHost()) { next in
                let node = try member.layout.lease("next")
                try await next.put(node, "", .ephemeral)
                member.guardian.use(next, candidateNode: node)
                #expect(member.guardian.leadership == nil && !member.guardian.mayServeWrites(at: .now))
                try await member.advances()
                member.guardian.sessionEnded()
            }
        }
    }

    @Test("a handshake that stays without an answer is given up before the library would do so")
    func unansweredHandshake() async throws {
        let wire = try await SharedZooKeeper.wire()
        try await withGuard(wire: wire, timeout: .seconds(4)) { member in
            try await member.advances(1)
            wire.cut()
            // 0.6 s for the connection and for the first handshake; the library alone takes 2.7 s for each.
            try await eventually("a second handshake", within: .seconds(3)) { wire.connections >= 3 }
            wire.mend()
            try await member.advances(1)
        }
    }

    @Test("a frozen server: writes are refused in time, before the session can end, and served again if the lock stood")
    func frozen() async throws {
        let server = try await ZooKeeperServer.standalone()
        try await withGuard(server) { member in
            try await member.lead()
            try await member.advances()
            try await member.serves()
            let lastProof = try #require(member.guardian.lease)
            server.freeze()
            defer { server.thaw() }
            let latest = Instant.now + .seconds(2)
            try await eventually("writes are refused", pace: .milliseconds(2)) {
                !member.guardian.mayServeWrites(at: .now)
            }
            let proof = try #require(member.guardian.lease)
            #expect(proof.provenUntil >= lastProof.provenUntil)
            #expect(proof.provenUntil <= latest - LeaseTerms.margin, "nothing is proved by what was never answered")
            #expect(!member.guardian.mayServeWrites(at: proof.provenUntil - .milliseconds(600)))
            #expect(member.guardian.mayServeWrites(at: proof.provenUntil - .milliseconds(610)))
            #expect(member.guardian.leadership != nil, "the lock may still be ours")
            server.thaw()
            // On a busy machine the session may have ended before the server saw its requests.
            try await eventually("the lock is proved again, or lost") {
                if member.guardian.mayServeWrites(at: .now) { return true }
                return try await member.third.exists(member.layout.leader, deadline: patience) == nil
            }
            let stat = try await member.third.exists(member.layout.leader, deadline: patience)
            if stat != nil { try await member.serves() }
        }
        try await server.stop()
    }

    @Test("the keeper's deadline follows each proof, and a deleted lock makes it fence")
    func keeperFollows() async throws {
        let keeper = try await KeeperHost.start()
        defer { keeper.end() }
        try await withGuard(keeper: keeper) { member in
            try await keeper.attached(member.keeper) { client in
                let leadership = try await member.lead()
                try await member.serves()
                let lease = try #require(member.guardian.lease)
                try await client.arm(until: lease.provenUntil, epochZxid: leadership.epochZxid)
                // Not told yet that the keeper is armed: nothing is sent.
                member.guardian.armed(Term(leadership.term.rawValue + 1))
                try await member.advances(1)
                #expect(try await client.status().armedUntil == lease.provenUntil)
                member.guardian.armed(leadership.term)
                for _ in 0..<3 {
                    let before = try #require(try await client.status().armedUntil)
                    try await eventually("the deadline moves") {
                        try #require(try await client.status().armedUntil) > before
                    }
                    #expect(try #require(try await client.status().armedUntil) <= .now + .milliseconds(1_700))
                }
                #expect(try await client.status().armedZxid == leadership.epochZxid)
                try await member.third.remove(member.layout.leader)
                try await eventually("the keeper has fenced", pace: .milliseconds(2)) {
                    try await client.status().latch == leadership.epochZxid
                }
                try await member.stoodDown()
            }
        }
    }

    @Test("without an answer of ZooKeeper the keeper fences by itself, not later than the session can end")
    func keeperFencesAlone() async throws {
        let server = try await ZooKeeperServer.standalone()
        let keeper = try await KeeperHost.start()
        defer { keeper.end() }
        try await withGuard(server, keeper: keeper) { member in
            try await keeper.attached(member.keeper) { client in
                let leadership = try await member.lead()
                try await member.serves()
                try await client.arm(
                    until: try #require(member.guardian.lease).provenUntil, epochZxid: leadership.epochZxid)
                member.guardian.armed(leadership.term)
                try await member.advances(2)
                server.freeze()
                defer { server.thaw() }
                let frozenAt = Instant.now
                try await eventually("the keeper has fenced") {
                    try await client.status().latch == leadership.epochZxid
                }
                #expect(try #require(member.guardian.lease).provenUntil <= frozenAt + .milliseconds(1_700))
                #expect(!member.guardian.mayServeWrites(at: .now))
            }
        }
        try await server.stop()
    }
}
