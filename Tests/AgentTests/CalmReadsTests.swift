import AdminModel
import HACore
import LocalConfiguration
import Support
import Testing
import ZooKeeper

@testable import Agent

@Suite(
    "Reading a tree in which nothing has happened", .serialized, .timeLimit(.minutes(2)),
    .enabled(if: ZooKeeperServer.isInstalled))
struct CalmReadsTests {
    private struct Scene {
        let layout: ZNodeLayout
        let writer: ZooKeeperSession
        let session: ZooKeeperSession
        let changes: Locked<TreeChanges>
        let reader: ClusterReader

        func read() async throws -> TreeSnapshot { try await reader.read(session, deadline: patience) }

        func ttl() async throws -> String? { try await read().config?.text(.compact) }

        func lead(_ name: String) async throws {
            _ = try await writer.create(layout.leader, Array(name.utf8), mode: .ephemeral, deadline: patience)
        }
    }

    /// A cluster with a lock, and a configuration that the reader has seen.
    private func withScene(
        trust: TreeQuestion.Trust = TreeQuestion.Trust(time: .milliseconds(1)), _ body: (Scene) async throws -> Void
    ) async throws {
        // An address of its own: a connection that is abandoned takes those to the same server with it.
        let host = try await SharedZooKeeper.ownHost()
        let layout = try SharedZooKeeper.layout()
        try await withSession(host) { writer in
            try await withSession(host) { session in
                let changes = Locked(TreeChanges())
                let scene = Scene(
                    layout: layout, writer: writer, session: session, changes: changes,
                    reader: ClusterReader(
                        question: TreeQuestion(
                            layout: layout, changes: { changes.withLock { $0 } }, trust: trust),
                        logger: silent))
                try await writer.prepare(layout)
                try await scene.lead("a")
                try await writer.put(layout.member("a"), #"{"state":"running","role":"primary"}"#, .ephemeral)
                try await writer.put(layout.config, #"{"ttl":20}"#)
                #expect(try await scene.ttl() == #"{"ttl":20}"#)
                try await writer.put(layout.config, #"{"ttl":30}"#)
                try await body(scene)
            }
        }
    }

    @Test("what watches tell of stands as it was until one does; all else is read again")
    func calm() async throws {
        try await withScene { scene in
            try await scene.writer.put(scene.layout.status, #"{"optime":7}"#)
            try await scene.writer.put(scene.layout.sync, #"{"leader":"a","sync_standby":"b"}"#)
            try await scene.writer.put(scene.layout.history, #"[[1,5,"why"]]"#)
            try await scene.writer.put(scene.layout.member("a"), #"{"state":"stopping","role":"primary"}"#)
            let calm = try await scene.read()
            #expect(calm.config?.text(.compact) == #"{"ttl":20}"#, "nobody has told of the change")
            #expect(calm.status?.optime?.rawValue == 7)
            #expect(calm.sync.standbys == ["b"])
            #expect(calm.history?.clusterTimeline == Timeline(2))
            #expect(calm.record(of: "a")?.state == .stopping)
            #expect(try calm.view.livingSessions == [scene.writer.id.rawValue])

            scene.changes.withLock { $0.rest += 1 }
            #expect(try await scene.ttl() == #"{"ttl":30}"#)
        }
    }

    @Test("another lock, or none, makes everything be read that a race depends on", arguments: [true, false])
    func lock(isTaken: Bool) async throws {
        try await withScene { scene in
            try await scene.writer.put(scene.layout.lease("b.1"), "", .ephemeral)
            try await scene.writer.delete(scene.layout.member("a"), expecting: .any, deadline: patience)
            #expect(try await scene.read().view.livingSessions.isEmpty, "nobody has told of the lease")
            try await scene.writer.delete(scene.layout.leader, expecting: .any, deadline: patience)
            if isTaken { try await scene.lead("a") }
            // Told by its watch, or found by sight.
            if isTaken { scene.changes.withLock { $0.lock += 1 } }
            let read = try await scene.read()
            #expect((read.view.leader != nil) == isTaken)
            #expect(try read.view.livingSessions == [scene.writer.id.rawValue])
        }
    }

    @Test("what watches vouch for is not asked for again, once something sent later was answered")
    func standing() async throws {
        try await withScene { scene in
            let before = try await scene.read().view.readAt
            try await scene.writer.put(scene.layout.status, #"{"optime":7}"#)
            // As a renewal is.
            func renew() async throws { _ = try await scene.session.exists(.root, deadline: patience) }
            try await renew()
            let standing = try await scene.read()
            #expect(standing.status?.optime == nil, "no watch is on it")
            #expect(standing.view.readAt > before)
            #expect(standing.record(of: "a")?.state == .running)
            #expect(try await scene.read().status?.optime?.rawValue == 7, "nothing was answered since")

            try await scene.writer.put(scene.layout.status, #"{"optime":8}"#)
            try await scene.writer.put(scene.layout.member("a"), #"{"state":"stopping","role":"primary"}"#)
            try await renew()
            let told = try await scene.read()
            #expect(told.record(of: "a")?.state == .stopping)
            #expect(told.status?.optime?.rawValue == 8)

            try await renew()
            scene.changes.withLock { $0.rest += 1 }
            #expect(try await scene.ttl() == #"{"ttl":30}"#)
        }
    }

    @Test("another reader of the same session, which asks for everything, keeps nothing from it")
    func besideAnother() async throws {
        try await withScene { scene in
            let other = ClusterReader(layout: scene.layout, logger: silent)
            try await scene.writer.put(scene.layout.member("a"), #"{"state":"stopping","role":"primary"}"#)
            #expect(try await other.read(scene.session, deadline: patience).record(of: "a")?.state == .stopping)
            #expect(try await scene.read().record(of: "a")?.state == .stopping)
        }
    }

    @Test("after a read that failed nothing stands, with a connection or without")
    func standingAfterAFailure() async throws {
        try await withScene { scene in
            func fail() async throws {
                await #expect(throws: ZooKeeperError.self) {
                    try await scene.reader.read(scene.session, deadline: .zero)
                }
                _ = try await scene.session.exists(.root, deadline: patience)
            }
            try await fail()
            try await scene.writer.put(scene.layout.status, #"{"optime":7}"#)
            #expect(try await scene.read().status?.optime?.rawValue == 7)
            try await fail()
            await scene.session.close()
            await #expect(throws: ZooKeeperError.self) { try await scene.read() }
        }
    }

    @Test("a lock that is gone is told of before the answer to what is sent later")
    func standingWithoutLock() async throws {
        try await withScene { scene in
            try await scene.writer.delete(scene.layout.leader, expecting: .any, deadline: patience)
            try await scene.session.sync(scene.layout.leader, deadline: patience)
            _ = try await scene.session.exists(.root, deadline: patience)
            #expect(try await scene.read().view.leader == nil)
        }
    }

    @Test("without a question for a while it is asked")
    func unasked() async throws {
        try await withScene(trust: TreeQuestion.Trust(unasked: .zero)) { scene in
            try await scene.writer.put(scene.layout.status, #"{"optime":7}"#)
            _ = try await scene.session.exists(.root, deadline: patience)
            #expect(try await scene.read().status?.optime?.rawValue == 7)
        }
    }

    @Test("nothing depends for long on a watch that got lost")
    func limit() async throws {
        try await withScene { scene in
            var reads = 0
            while try await scene.ttl() != #"{"ttl":30}"#, reads < 100 { reads += 1 }
            #expect(reads == 10)
        }
    }

    @Test("a connection that was made since has its own watches")
    func reconnected() async throws {
        try await withScene { scene in
            let before = try #require(scene.session.connection?.generation)
            _ = scene.session.abandonConnection()
            try await eventually("connected again") { scene.session.connection.map { $0.generation > before } ?? false }
            #expect(try await scene.ttl() == #"{"ttl":30}"#)
        }
    }
}
