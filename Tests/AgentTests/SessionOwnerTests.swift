import HACore
import LocalConfiguration
import Logging
import Support
import Testing
import ZooKeeper

@testable import Agent

/// A session owner at work, with its guard, and a third party beside it.
private struct Owned {
    let layout: ZNodeLayout
    let third: ZooKeeperSession
    let owner: SessionOwner
    let guardian: LeaseGuard
    let wakeup: Wakeup
    let admitted: Locked<[String]>

    func session() async throws -> ZooKeeperSession {
        try await eventually("the session is prepared") { owner.session }
    }

    /// Ends the present session as its own process could: a second connection takes it up and closes it.
    func endSession() async throws {
        let credentials = try #require(try await session().credentials)
        try await eventually("the session has ended") {
            let other = try await ZooKeeperSession.open(
                try configuration(try await SharedZooKeeper.host()), resuming: credentials, logger: silent)
            _ = try? await other.connected(deadline: .seconds(2))
            await other.close()
            // Its owner may have taken it back meanwhile.
            return try await third.children(layout.leases, deadline: patience)?.contains(
                Self.lease(credentials.session))
                == false
        }
    }

    static func lease(_ session: SessionID) -> String {
        "node-0." + String(UInt64(bitPattern: session.rawValue), radix: 16)
    }
}

@Suite("The owner of the session", .serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct SessionOwnerTests {
    private func withOwner(
        host: String? = nil, logger: Logger = silent,
        prepare: (ZNodeLayout, ZooKeeperSession) async throws -> Void = { _, _ in },
        _ body: (Owned) async throws -> Void
    ) async throws {
        let shared = try await SharedZooKeeper.host()
        let own = try await SharedZooKeeper.ownHost()
        let layout = try SharedZooKeeper.layout()
        try await withSession(shared) { third in
            try await prepare(layout, third)
            let wakeup = Wakeup()
            let admitted = Locked<[String]>([])
            let guardian = LeaseGuard(
                transactions: LockTransactions(layout: layout, me: "node-0"), tickTime: .milliseconds(200),
                keeper: try KeeperHost.link(nil, wakeup), wakeup: wakeup)
            guardian.start()
            let owner = SessionOwner(
                configuration: try configuration(host ?? own, timeout: .seconds(2)), layout: layout, me: "node-0",
                guardian: guardian, wakeup: wakeup, logger: logger,
                admit: { record in admitted.withLock { $0.append(String(decoding: record, as: UTF8.self)) } })
            let running = Task { await owner.run() }
            let result: Result<Void, any Error>
            do {
                try await body(
                    Owned(
                        layout: layout, third: third, owner: owner, guardian: guardian, wakeup: wakeup,
                        admitted: admitted))
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

    @Test("it makes what every agent makes, and its own lease znode")
    func prepares() async throws {
        try await withOwner { owned in
            let session = try await owned.session()
            let id = try session.id
            #expect(owned.owner.coordination == .connected)
            #expect(try await owned.third.text(owned.layout.status) == "{}")
            #expect(try await owned.third.text(owned.layout.sync) == "{}")
            #expect(try await owned.third.children(owned.layout.members, deadline: patience) == [])
            let lease = try owned.layout.leases.child(Owned.lease(id))
            #expect(try await owned.third.exists(lease, deadline: patience)?.ephemeralOwner == id)
            #expect(try await owned.third.exists(owned.layout.epoch, deadline: patience) == nil, "the loop's, lifted")
            try await eventually("the guard has its session") { owned.guardian.lease?.session == id.rawValue }
            #expect(owned.admitted.withLock { $0 }.isEmpty, "nobody of this name is known")
        }
    }

    @Test("what is there stays as it is, and a member of this name is asked about once")
    func existing() async throws {
        try await withOwner { layout, third in
            try await third.put(layout.status, #"{"optime":5}"#)
            try await third.put(layout.member("node-0"), #"{"state":"running"}"#)
        } _: { owned in
            let former = try await owned.session().id
            #expect(try await owned.third.text(owned.layout.status) == #"{"optime":5}"#)
            #expect(owned.admitted.withLock { $0 } == [#"{"state":"running"}"#])
            try await owned.endSession()
            try await eventually("another session") { try owned.owner.session?.id ?? former != former }
            #expect(owned.admitted.withLock { $0 }.count == 1)
        }
    }

    @Test("a session that is over is followed by another")
    func expiry() async throws {
        try await withOwner { owned in
            let session = try await owned.session()
            let former = try session.id
            try await eventually("the guard has its session") { owned.guardian.lease != nil }
            _ = owned.owner.take(.member)
            try await owned.endSession()
            let next = try await eventually("another session") { () -> ZooKeeperSession? in
                guard let next = owned.owner.session, next !== session, next.connection != nil else { return nil }
                return next
            }
            let id = try next.id
            #expect(id != former)
            try await eventually("the guard follows") { owned.guardian.lease?.session == id.rawValue }
            #expect(owned.owner.coordination == .connected)
            #expect(owned.owner.take(.member), "watches went with the session")
            #expect(
                try await owned.third.children(owned.layout.leases, deadline: patience) == [Owned.lease(id)])
        }
    }

    @Test("a session that ends again and again is always followed by a prepared one")
    func expiries() async throws {
        try await withOwner { owned in
            for _ in 0..<4 {
                let former = try await owned.session()
                try await owned.endSession()
                try await eventually("a prepared session, and its lease") {
                    guard let next = owned.owner.session, next !== former, let id = next.connection?.session else {
                        return false
                    }
                    return owned.guardian.lease?.session == id.rawValue
                }
            }
            let id = try await owned.session().id
            #expect(
                try await owned.third.children(owned.layout.leases, deadline: patience) == [Owned.lease(id)])
        }
    }

    @Test("dirty is said once; the leader's deletion says it again and wakes the loop at once")
    func dirty() async throws {
        try await withOwner { owned in
            try await owned.third.put(owned.layout.leader, "node-1", .ephemeral)
            let session = try await owned.session()
            let reader = ClusterReader(layout: owned.layout, logger: silent)
            try await eventually("nothing changes any more") {
                let wasDirty = owned.owner.take(.member)
                guard let tree = try? await reader.read(session, deadline: patience) else { return false }
                return !wasDirty && tree.view.leader != nil
            }
            #expect(!owned.owner.take(.member))
            owned.owner.mark(.lock)
            #expect(owned.owner.take(.member) && !owned.owner.take(.member))

            await owned.wakeup.wait(atMost: .zero)
            try await owned.third.remove(owned.layout.leader)
            let start = Instant.now
            await owned.wakeup.wait(atMost: .seconds(40))
            #expect(Instant.now - start < .seconds(20))
            #expect(owned.owner.take(.lock))

            _ = try await reader.read(session, deadline: patience)
            await owned.wakeup.wait(atMost: .zero)
            try await owned.third.put(owned.layout.config, "{}")
            await owned.wakeup.wait(atMost: .seconds(40))
            #expect(!owned.owner.take(.lock), "what happens to other znodes says nothing about the lock")
            #expect(owned.owner.take(.member))
        }
    }

    @Test("a tree that somebody removed is made again, so that the lease can be proved")
    func repair() async throws {
        try await withOwner { owned in
            let session = try await owned.session()
            try await eventually("the guard has its session") { owned.guardian.lease != nil }
            try await owned.third.removeAll(owned.layout.base)
            // The loop's part: it looks whenever a renewal fails.
            try await eventually("the tree is back") {
                if owned.guardian.nodeMissing { owned.owner.repair() }
                return try await owned.third.exists(owned.layout.leases, deadline: patience)?.numChildren == 1
            }
            let before = try #require(owned.guardian.lease).anchor
            try await eventually("the lease is proved anew") {
                owned.guardian.lease.map { $0.anchor > before } ?? false
            }
            try await eventually("nothing is missing") { !owned.guardian.nodeMissing }
            #expect(owned.owner.session === session)
            #expect(try await owned.third.text(owned.layout.status) == "{}")
            #expect(try await owned.third.text(owned.layout.sync) == "{}")
            #expect(try await owned.third.exists(owned.layout.members, deadline: patience) != nil)
        }
    }

    @Test("without a server there is no session, and cancelling ends the search")
    func noServer() async throws {
        try await withOwner(host: "127.0.0.1:\(try FreePort.next())") { owned in
            await owned.wakeup.wait(atMost: .milliseconds(300))
            #expect(owned.owner.session == nil && owned.owner.coordination == .never)
            owned.owner.repair()
        }
    }

    @Test("closing ends the session with its znodes")
    func close() async throws {
        try await withOwner { owned in
            let id = try await owned.session().id
            await owned.owner.close()
            try await eventually("its lease znode is gone") {
                try await owned.third.children(owned.layout.leases, deadline: patience)?.contains(Owned.lease(id))
                    == false
            }
        }
    }
}
