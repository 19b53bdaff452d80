import HACore
import LocalConfiguration
import Support
import Testing
import ZooKeeper

@testable import Agent

private struct Refusal: Equatable {
    let code: ZooKeeperError.Code
    let operation: Int?

    init(_ code: ZooKeeperError.Code, _ operation: Int?) { (self.code, self.operation) = (code, operation) }
}

/// Two members, each with a session, at one prepared tree.
private struct Pair {
    let layout: ZNodeLayout
    let a: ZooKeeperSession
    let b: ZooKeeperSession
    let ofA: LockTransactions
    let ofB: LockTransactions

    init(_ layout: ZNodeLayout, _ a: ZooKeeperSession, _ b: ZooKeeperSession) {
        (self.layout, self.a, self.b) = (layout, a, b)
        ofA = LockTransactions(layout: layout, me: "node-a")
        ofB = LockTransactions(layout: layout, me: "node-b")
    }

    func run(_ session: ZooKeeperSession, _ operations: [Operation]) async throws -> [OperationResult] {
        try await session.multi(operations, deadline: patience)
    }

    func acquire(_ epoch: Int64 = 0) async throws -> [OperationResult] {
        try await run(a, ofA.acquire(epoch: Version(counted: epoch), sync: nil, session: a.id, nonce: "a"))
    }

    /// Which operation failed, and how.
    func refusal(_ session: ZooKeeperSession, _ operations: [Operation]) async throws -> Refusal {
        let error = try await failure { _ = try await run(session, operations) }
        #expect(error.outcome == .didNotHappen)
        return Refusal(error.code, error.failedOperation)
    }

    func version(_ path: ZNodePath) async throws -> Int32? {
        try await a.exists(path, deadline: patience)?.version.rawValue
    }

    func holder() async throws -> StoreView.Epoch.Holder? {
        try await a.get(layout.epoch, deadline: patience).map { EpochRecord(znode: $0.data).holder }
    }
}

@Suite("The lock's transactions", .serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct LockTransactionTests {
    private func withPair(_ body: (Pair) async throws -> Void) async throws {
        let host = try await SharedZooKeeper.host()
        let layout = try SharedZooKeeper.layout()
        try await withSession(host) { a in
            try await a.prepare(layout)
            try await withSession(host) { b in try await body(Pair(layout, a, b)) }
        }
    }

    @Test("acquire moves epoch, names the holder and leaves the mark")
    func acquire() async throws {
        try await withPair { pair in
            let results = try await pair.acquire()
            let (data, stat) = try #require(try await pair.b.get(pair.layout.leader, deadline: patience))
            #expect(String(decoding: data, as: UTF8.self) == "node-a")
            #expect(stat.version == LockTransactions.mark && stat.version.rawValue == 1)
            #expect(try stat.ephemeralOwner == pair.a.id)
            #expect(results[2].stat?.czxid == stat.czxid, "the term comes with the answer")
            #expect(results[0].stat?.version.rawValue == 1)
            #expect(try await pair.version(pair.layout.epoch) == 1)
            #expect(
                try await pair.holder() == .taken(by: "node-a", session: try pair.a.id.rawValue, nonce: "a"))
        }
    }

    @Test("acquire fails with an old epoch, beside a leader and with an old sync, and changes nothing")
    func acquireRefused() async throws {
        try await withPair { pair in
            let (layout, b, id) = (pair.layout, pair.b, try pair.b.id)
            let stale = pair.ofB.acquire(epoch: Version(counted: 5), sync: nil, session: id, nonce: "b")
            #expect(try await pair.refusal(b, stale) == Refusal(.badVersion, 0))
            let oldSync = pair.ofB.acquire(epoch: .initial, sync: Version(counted: 3), session: id, nonce: "b")
            #expect(try await pair.refusal(b, oldSync) == Refusal(.badVersion, 3))
            #expect(try await pair.version(layout.leader) == nil)
            #expect(try await pair.version(layout.epoch) == 0)

            _ = try await pair.acquire()
            let beside = pair.ofB.acquire(
                epoch: Version(counted: 1), sync: try await b.exists(layout.sync, deadline: patience)?.version,
                session: id, nonce: "b")
            #expect(try await pair.refusal(b, beside) == Refusal(.nodeExists, 1))
            #expect(try await pair.version(layout.epoch) == 1)
            #expect(try await pair.holder() == .taken(by: "node-a", session: try pair.a.id.rawValue, nonce: "a"))
        }
    }

    @Test("of two that acquire on the same read one wins")
    func race() async throws {
        try await withPair { pair in
            async let a = Result { try await pair.acquire() }
            let id = try pair.b.id
            async let b = Result {
                try await pair.run(pair.b, pair.ofB.acquire(epoch: .initial, sync: nil, session: id, nonce: "b"))
            }
            let results = await [a, b]
            #expect(results.count { if case .success = $0 { true } else { false } } == 1)
            for case .failure(let error as ZooKeeperError) in results {
                #expect(error.code == .badVersion && error.failedOperation == 0)
            }
        }
    }

    @Test("acquire needs the tree: without epoch it says so")
    func noEpoch() async throws {
        try await withPair { pair in
            try await pair.a.removeAll(pair.layout.epoch)
            let operations = pair.ofA.acquire(epoch: .initial, sync: nil, session: try pair.a.id, nonce: "a")
            #expect(try await pair.refusal(pair.a, operations) == Refusal(.noNode, 0))
        }
    }

    @Test("renew writes status; its failures name what is wrong")
    func renew() async throws {
        try await withPair { pair in
            let layout = pair.layout
            _ = try await pair.acquire()
            let renew = pair.ofA.renew(epoch: Version(counted: 1), status: Array(#"{"optime":7}"#.utf8))
            _ = try await pair.run(pair.a, renew)
            #expect(try await pair.b.text(layout.status) == #"{"optime":7}"#)

            try await pair.b.remove(layout.status)
            #expect(try await pair.refusal(pair.a, renew) == Refusal(.noNode, LockTransactions.renewStatusIndex))
            try await pair.b.put(layout.status, "{}")

            // A Patroni deletes what it takes for its own and creates it anew: no mark, epoch untouched.
            try await pair.b.remove(layout.leader)
            #expect(try await pair.refusal(pair.a, renew) == Refusal(.noNode, LockTransactions.renewLeaderIndex))
            try await pair.b.put(layout.leader, "node-b", .ephemeral)
            #expect(try await pair.refusal(pair.a, renew) == Refusal(.badVersion, LockTransactions.renewLeaderIndex))
            try await pair.b.remove(layout.leader)

            // Another of ours: epoch has moved, which is noticed first.
            _ = try await pair.run(
                pair.b, pair.ofB.acquire(epoch: Version(counted: 1), sync: nil, session: try pair.b.id, nonce: "b"))
            #expect(try await pair.refusal(pair.a, renew) == Refusal(.badVersion, LockTransactions.renewEpochIndex))
            try await pair.a.removeAll(layout.epoch)
            #expect(try await pair.refusal(pair.a, renew) == Refusal(.noNode, LockTransactions.renewEpochIndex))
            #expect(try await pair.b.text(layout.status) == "{}")
        }
    }

    @Test("a leader's other writes carry the same guards")
    func guards() async throws {
        try await withPair { pair in
            let layout = pair.layout
            let zxid = try #require(try await pair.acquire()[0].stat).mzxid
            let leadership = Leadership(term: Term(1), epochVersion: 1, epochZxid: zxid, provedAt: .now)
            let write = pair.ofA.guards(leadership) + [.set(layout.sync, [1], .any)]
            _ = try await pair.run(pair.a, write)
            try await pair.b.remove(layout.leader)
            try await pair.b.put(layout.leader, "node-a", .ephemeral)
            #expect(try await pair.refusal(pair.a, write) == Refusal(.badVersion, 1))
        }
    }

    @Test("release takes the lock away and says so; a second one fails")
    func release() async throws {
        try await withPair { pair in
            _ = try await pair.acquire()
            let release = pair.ofA.release(epoch: Version(counted: 1))
            _ = try await pair.run(pair.a, release)
            #expect(try await pair.version(pair.layout.leader) == nil)
            #expect(try await pair.holder() == .released)
            #expect(try await pair.refusal(pair.a, release) == Refusal(.badVersion, 0))
            #expect(
                try await pair.refusal(pair.a, pair.ofA.release(epoch: Version(counted: 2))) == Refusal(.noNode, 1),
                "nothing is left to release")
            #expect(try await pair.version(pair.layout.epoch) == 2)
        }
    }

    @Test("a lock without the mark is neither released, nor replaced, nor adopted")
    func withoutMark() async throws {
        try await withPair { pair in
            try await pair.b.put(pair.layout.leader, "node-a", .ephemeral)
            let id = try pair.a.id
            #expect(try await pair.refusal(pair.a, pair.ofA.release(epoch: .initial)) == Refusal(.badVersion, 1))
            #expect(
                try await pair.refusal(pair.a, pair.ofA.replace(epoch: .initial, session: id, nonce: "n"))
                    == Refusal(.badVersion, 1))
            #expect(
                try await pair.refusal(pair.a, pair.ofA.adopt(epoch: .initial, session: id, nonce: "n"))
                    == Refusal(.badVersion, 1))
            #expect(try await pair.version(pair.layout.epoch) == 0)
        }
    }

    @Test("a newer session replaces the lock of the older one in one step")
    func replace() async throws {
        try await withPair { pair in
            let old = try #require(try await pair.acquire()[2].stat)
            // The same member after it lost its session file.
            let results = try await pair.run(
                pair.b, pair.ofA.replace(epoch: Version(counted: 1), session: try pair.b.id, nonce: "new"))
            let stat = try #require(try await pair.b.exists(pair.layout.leader, deadline: patience))
            #expect(try stat.ephemeralOwner == pair.b.id)
            #expect(stat.version == LockTransactions.mark)
            #expect(stat.czxid > old.czxid && results[3].stat?.czxid == stat.czxid)
            #expect(results[0].stat?.version.rawValue == 2)
            let renew = pair.ofA.renew(epoch: Version(counted: 1), status: [])
            #expect(try await pair.refusal(pair.a, renew) == Refusal(.badVersion, 0))
            await pair.a.close()
            #expect(
                try await pair.b.exists(pair.layout.leader, deadline: patience)?.czxid == stat.czxid,
                "the old session's end takes nothing with it")
        }
    }

    @Test("after adopt nothing of the process before succeeds")
    func adopt() async throws {
        try await withPair { pair in
            let term = try #require(try await pair.acquire()[2].stat).czxid
            let results = try await pair.run(
                pair.a, pair.ofA.adopt(epoch: Version(counted: 1), session: try pair.a.id, nonce: "second"))
            #expect(results[0].stat?.version.rawValue == 2)
            #expect(try await pair.a.exists(pair.layout.leader, deadline: patience)?.czxid == term)
            #expect(try await pair.holder() == .taken(by: "node-a", session: try pair.a.id.rawValue, nonce: "second"))
            let before = Version(counted: 1)
            #expect(
                try await pair.refusal(pair.a, pair.ofA.renew(epoch: before, status: [])) == Refusal(.badVersion, 0))
            #expect(try await pair.refusal(pair.a, pair.ofA.release(epoch: before)) == Refusal(.badVersion, 0))
            #expect(
                try await pair.refusal(pair.a, pair.ofA.adopt(epoch: before, session: try pair.a.id, nonce: "first"))
                    == Refusal(.badVersion, 0))
            _ = try await pair.run(pair.a, pair.ofA.renew(epoch: Version(counted: 2), status: []))
        }
    }

    @Test("epoch made anew starts above every version before", arguments: [1, 2, 500, LockTransactions.highestLift])
    func createEpoch(highest: Int64) async throws {
        try await withPair { pair in
            let layout = pair.layout
            try await pair.a.removeAll(layout.epoch)
            _ = try await pair.run(pair.b, pair.ofB.createEpoch(above: highest))
            let version = try #require(try await pair.version(layout.epoch))
            #expect(Int64(version) > highest)
            #expect(try await pair.version(layout.epochKeep) == 0)
            #expect(try await pair.holder() == .nobody)
            #expect(try await pair.refusal(pair.a, pair.ofA.createEpoch(above: highest)) == Refusal(.nodeExists, 0))
            let deletion = try await failure { try await pair.a.remove(layout.epoch) }
            #expect(deletion.code == .notEmpty, "only a recursive delete removes it")
        }
    }

    @Test("a version is never the one that means any")
    func versions() {
        #expect(Version(counted: 7).rawValue == 7)
        for count in [-1, Int64(UInt32.max), Int64.max] { #expect(Version(counted: count).rawValue != -1) }
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
