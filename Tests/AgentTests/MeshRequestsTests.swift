import AdminModel
import HACore
import LocalConfiguration
import Support
import Testing
import ZooKeeper

@testable import Agent

@Suite(
    "What operators ask the mesh for", .serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct MeshRequestsTests {
    /// A session that may lead, and another beside it.
    private func with(
        _ body: (MeshRequests, ZNodeLayout, _ lead: () async throws -> Term, ZooKeeperSession) async throws -> Void
    ) async throws {
        let layout = try SharedZooKeeper.layout()
        let host = try await SharedZooKeeper.ownHost()
        try await withSession(try await SharedZooKeeper.host()) { third in
            let wakeup = Wakeup()
            let keeper = try KeeperHost.link(nil, wakeup)
            let transactions = LockTransactions(layout: layout, me: "node-0")
            let guardian = LeaseGuard(transactions: transactions, tickTime: nil, keeper: keeper, wakeup: wakeup)
            guardian.start()
            let owner = SessionOwner(
                configuration: try configuration(host), layout: layout, me: "node-0", guardian: guardian,
                wakeup: wakeup,
                findTickTime: { .milliseconds(200) }, logger: silent, admit: { _ in })
            let running = Task { await owner.run() }
            let lock = LockEffects(
                layout: layout, transactions: transactions, sessions: owner, guardian: guardian, keeper: keeper)
            let requests = MeshRequests(layout: layout, sessions: owner, guardian: guardian, lock: lock)
            let result: Result<Void, any Error>
            do {
                let first = try await eventually("the first session") { owner.session }
                try await third.prepare(layout)
                let lead = {
                    let results = try await first.multi(
                        transactions.acquire(epoch: .initial, sync: nil, session: try first.id, nonce: "n"),
                        deadline: patience)
                    let epoch = try #require(results[0].stat)
                    let term = Term(try #require(results[2].stat).czxid)
                    guardian.lead(
                        Leadership(
                            term: term, epochVersion: Int64(epoch.version.rawValue), epochZxid: epoch.mzxid,
                            provedAt: Instant.now), in: try first.id)
                    return term
                }
                try await body(requests, layout, lead, third)
                result = .success(())
            } catch { result = .failure(error) }
            guardian.stop()
            running.cancel()
            await running.value
            try result.get()
        }
    }

    private func stored(_ layout: ZNodeLayout, _ session: ZooKeeperSession) async throws -> MeshIntents? {
        try await session.get(layout.meshIntents, deadline: patience).map {
            MeshIntents(json: try JSONParser.parse($0.data))
        }
    }

    @Test("only the leader writes, one change after the other")
    func changes() async throws {
        try await with { requests, layout, lead, third in
            let refused = await #expect(throws: MeshRefusal.self) { try await requests.make(.remove("n3")) }
            #expect(refused?.code == .notLeader)
            #expect(try await stored(layout, third) == nil)
            let term = try await lead()
            #expect(try await requests.make(.remove("n3")).removed == ["n3"])
            let resync = MeshIntents.Resync(MeshLink("app", "n2"))
            _ = try await requests.make(.resync(resync), as: term)
            // Somebody else has changed it meanwhile: read again, nothing of it is lost.
            var found = try #require(try await stored(layout, third))
            #expect(found.removed == ["n3"] && found.resyncs == [resync: .requested])
            found.removed.insert("n4")
            try await third.put(layout.meshIntents, found.json.znode)
            #expect(try await requests.make(.add("n3")).removed == ["n4"])
            let version = try await third.exists(layout.meshIntents, deadline: patience)?.version
            _ = try await requests.make(.add("n3"))
            #expect(
                try await third.exists(layout.meshIntents, deadline: patience)?.version == version, "nothing to change")
            // Decided under another lock.
            let old = await #expect(throws: MeshRefusal.self) {
                try await requests.make(.copies(resync), as: Term(term.rawValue - 1))
            }
            #expect(old?.code == .notLeader)
        }
    }

    @Test("a lock that is somebody else's stops the write")
    func fenced() async throws {
        try await with { requests, layout, lead, third in
            _ = try await lead()
            // Another has moved the epoch; nobody here has noticed.
            try await third.set(layout.epoch, [], expecting: .any, deadline: patience)
            let refused = await #expect(throws: MeshRefusal.self) { try await requests.make(.remove("n3")) }
            #expect(refused?.code == .failed || refused?.code == .notLeader)
            #expect(try await stored(layout, third) == nil)
        }
    }
}
