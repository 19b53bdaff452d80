import AdminModel
import HACore
import LocalConfiguration
import Support
import Testing
import ZooKeeper

@testable import Agent

/// One tree, a session that writes it as others do, and a reader with a session of its own.
private struct Tree {
    let layout: ZNodeLayout
    let writer: ZooKeeperSession
    let session: ZooKeeperSession
    let reader: ClusterReader
    let log: LogCollector

    func read() async throws -> TreeSnapshot { try await reader.read(session, deadline: patience) }
}

@Suite("Reading the tree", .serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct ClusterReaderTests {
    private func withTree(_ body: (Tree) async throws -> Void) async throws {
        let host = try await SharedZooKeeper.host()
        let layout = try SharedZooKeeper.layout()
        try await withSession(host) { writer in
            try await withSession(host) { session in
                let log = LogCollector()
                let reader = ClusterReader(layout: layout, logger: log.logger)
                try await body(Tree(layout: layout, writer: writer, session: session, reader: reader, log: log))
            }
        }
    }

    private static let node0 =
        #"{"conn_url":"postgres://127.0.0.1:25430/postgres","api_url":"http://127.0.0.1:28000/patroni","state":"running","role":"primary","version":"4.1.4","tags":{"custom":"x0"},"xlog_location":67406848,"timeline":1}"#
    private static let node1 =
        #"{"conn_url":"postgres://127.0.0.1:25431/postgres","api_url":"http://127.0.0.1:28001/patroni","state":"running","role":"replica","version":"4.1.4","tags":{"custom":"x1"},"xlog_location":67406848,"replay_lsn":67406848,"receive_lsn":67406848,"replication_state":"streaming","timeline":1}"#

    @Test("a cluster as Patroni leaves it")
    func golden() async throws {
        try await withTree { tree in
            let (layout, writer) = (tree.layout, tree.writer)
            let owner = try writer.id.rawValue
            try await writer.put(layout.member("node-0"), Self.node0, .ephemeral)
            try await writer.put(layout.member("node-1"), Self.node1, .ephemeral)
            let leader = try await writer.create(
                layout.leader, Array("node-0".utf8), mode: .ephemeral, deadline: patience)
            try await writer.put(layout.initialize, "7710451765082907510")
            try await writer.put(layout.config, #"{"ttl":20,"loop_wait":2}"#)
            try await writer.put(
                layout.status, #"{"optime":67109008,"slots":{"node_1":67109008},"retain_slots":["node_0","node_1"]}"#)
            try await writer.put(layout.sync, #"{"leader":"node-0","quorum":0,"sync_standby":"node-1"}"#)
            try await writer.put(layout.history, #"[[1,67407144,"no recovery target specified","t","node-0"]]"#)
            try await writer.put(layout.failover, #"{"leader":"node-0","member":"node-1"}"#)

            let before = Instant.now
            let snapshot = try await tree.read()
            let view = snapshot.view
            #expect(try view.session == tree.session.id.rawValue)
            #expect(view.readAt >= before && view.readAt <= Instant.now)
            #expect(
                view.leader
                    == StoreView.Leader(member: "node-0", term: Term(leader.czxid), session: owner, version: 0))
            #expect(view.epoch == nil)
            #expect(
                view.members == [
                    "node-0": MemberView(
                        session: owner, isPrimary: true, timeline: Timeline(1), position: LSN(67_406_848), kept: false),
                    "node-1": MemberView(
                        session: owner, timeline: Timeline(1), position: LSN(67_406_848), kept: false),
                ])
            #expect(view.livingSessions == [owner])
            #expect(view.initialize == .done(SystemIdentifier(rawValue: "7710451765082907510")))
            #expect(view.hasConfig && snapshot.config?.text(.compact) == #"{"ttl":20,"loop_wait":2}"#)
            #expect(view.optime == LSN(67_109_008) && snapshot.status?.retainSlots == ["node_0", "node_1"])
            #expect(view.historyTimeline == Timeline(2))
            #expect(snapshot.sync == SyncRecord(leader: "node-0", standbys: ["node-1"]))
            #expect(snapshot.view.sync.version == 0)
            #expect(snapshot.failover == FailoverRecord(leader: "node-0", candidate: "node-1"))
            #expect(snapshot.members.map(\.name) == ["node-0", "node-1"])
            #expect(snapshot.record(of: "node-1")?.json.text(.compact) == Self.node1)
            #expect(tree.log.lines.withLock { $0 }.isEmpty)
        }
    }

    @Test("nothing is there at all")
    func empty() async throws {
        try await withTree { tree in
            let snapshot = try await tree.read()
            #expect(snapshot.view == StoreView(session: try tree.session.id.rawValue, readAt: snapshot.view.readAt))
            #expect(snapshot.sync == .off && snapshot.failover.isEmpty && snapshot.config == nil)
        }
    }

    @Test("a lock of ours shows its mark, and epoch who holds it")
    func mark() async throws {
        try await withTree { tree in
            let (layout, writer) = (tree.layout, tree.writer)
            let transactions = LockTransactions(layout: layout, me: "node-0")
            let session = try writer.id
            try await writer.prepare(layout)
            #expect(try await tree.read().view.epoch?.holder == .nobody)

            let results = try await writer.multi(
                transactions.acquire(epoch: .initial, sync: nil, session: session, nonce: "abc"), deadline: patience)
            let view = try await tree.read().view
            #expect(view.leader?.version == 1)
            #expect(view.leader?.term == (results[2].stat?.czxid).map(Term.init(_:)))
            #expect(
                view.epoch
                    == StoreView.Epoch(
                        version: 1, zxid: try #require(results[0].stat).mzxid,
                        holder: .taken(by: "node-0", session: session.rawValue, nonce: "abc")))

            try await writer.multi(transactions.release(epoch: Version.initial.next), deadline: patience)
            let released = try await tree.read().view
            #expect(released.leader == nil)
            #expect(released.epoch?.holder == .released && released.epoch?.version == 2)
            try await writer.set(layout.epoch, Array("§".utf8), expecting: .any, deadline: patience)
            #expect(try await tree.read().view.epoch?.holder == .nobody)
        }
    }

    @Test("an empty leader znode is no leader")
    func emptyLeader() async throws {
        try await withTree { tree in
            try await tree.writer.put(tree.layout.leader, "", .ephemeral)
            #expect(try await tree.read().view.leader == nil)
        }
    }

    @Test("initialize through its life")
    func initialize() async throws {
        try await withTree { tree in
            let (layout, writer) = (tree.layout, tree.writer)
            func state() async throws -> StoreView.Initialize { try await tree.read().view.initialize }
            #expect(try await state() == .absent)
            // A Patroni at work: created, not set.
            try await writer.put(layout.initialize, "")
            #expect(try await state() == .inProgress)
            try await writer.remove(layout.initialize)
            // Ours: created and set once, with an ephemeral beside it.
            try await writer.multi(
                [
                    .create(layout.initialize, [], .persistent), .set(layout.initialize, [], .exactly(.initial)),
                    .create(layout.bootstrap, [], .ephemeral),
                ], deadline: patience)
            #expect(try await state() == .inProgress)
            try await writer.remove(layout.bootstrap)
            #expect(try await state() == .abandoned)
            try await writer.put(layout.initialize, "7710451765082907510")
            #expect(try await state() == .done(SystemIdentifier(rawValue: "7710451765082907510")))
            for text in ["771045176508290751x", "123", " 7710451765082907510", "{}"] {
                try await writer.put(layout.initialize, text)
                #expect(try await state() == .invalid(text))
            }
            try await writer.put(layout.initialize, [UInt8](repeating: 0xff, count: 900_000))
            guard case .invalid(let shown) = try await state() else { throw SupportError("not invalid") }
            #expect(shown.utf8.count < 500)
        }
    }

    @Test("sessions that live are those of members and of leases")
    func livingSessions() async throws {
        try await withTree { tree in
            let (layout, writer) = (tree.layout, tree.writer)
            try await writer.put(layout.lease("node-0.1"), "", .ephemeral)
            try await tree.session.put(layout.member("node-1"), Self.node1, .ephemeral)
            // Left by a person: no session stands behind it.
            try await writer.put(layout.member("node-2"), Self.node1)
            let snapshot = try await tree.read()
            #expect(snapshot.view.livingSessions == [try writer.id.rawValue, try tree.session.id.rawValue])
            #expect(snapshot.view.members.keys.sorted() == ["node-1"])
            #expect(snapshot.members.map(\.name) == ["node-1", "node-2"])
        }
    }

    @Test("the highest epoch that a record shows counts, unless no znode can have had it")
    func highestEpoch() async throws {
        try await withTree { tree in
            let (layout, writer) = (tree.layout, tree.writer)
            func record(_ epoch: String) -> String { #"{"state":"running","matriarch":{"epoch":\#(epoch)}}"# }
            try await writer.put(layout.member("node-0"), record("17"), .ephemeral)
            try await writer.put(layout.member("node-1"), record("4"), .ephemeral)
            for epoch in ["9223372036854775807", "-9223372036854775808", "2147483648", "1e9", "\"x\"", "null"] {
                try await writer.put(layout.member("node-2"), record(epoch), .ephemeral)
                #expect(try await tree.read().view.highestEpochVersion == 17)
            }
        }
    }

    @Test("a value that breaks leaves the last good one in force, and is named once for each of its versions")
    func lastGood() async throws {
        try await withTree { tree in
            let (layout, writer, log) = (tree.layout, tree.writer, tree.log)
            try await writer.put(layout.member("node-0"), Self.node0, .ephemeral)
            try await writer.put(layout.config, #"{"ttl":25}"#)
            try await writer.put(layout.status, #"{"optime":5}"#)
            try await writer.put(layout.history, #"[[1,5,"x","t","a"]]"#)
            try await writer.put(layout.sync, #"{"leader":"node-0","sync_standby":"node-1"}"#)
            try await writer.put(layout.failover, #"{"member":"node-1"}"#)
            let good = try await tree.read()
            #expect(good.config?["ttl"]?.asInt == 25 && good.view.optime == LSN(5))
            #expect(good.configVersion == .initial)

            let paths = [layout.config, layout.status, layout.history, layout.sync, layout.failover]
            let nested = [UInt8](repeating: UInt8(ascii: "["), count: 900_000)
            let blob = [UInt8](repeating: 0x5b, count: 450_000) + [UInt8](repeating: 0xfe, count: 450_000)
            for (round, bytes) in [Array("{\"ttl\":".utf8), [0x7b, 0, 1, 2], nested, blob].enumerated() {
                for path in paths + [try layout.member("node-0")] { try await writer.put(path, bytes) }
                for _ in 0..<3 {
                    let now = try await tree.read()
                    #expect(now.configVersion == nil, "nobody may write over it what was there before")
                    #expect(now.config == good.config && now.status == good.status && now.history == good.history)
                    #expect(now.sync == good.sync && now.failover == good.failover)
                    #expect(now.record(of: "node-0") == good.record(of: "node-0"))
                    #expect(now.view.members == good.view.members && now.view.hasConfig)
                }
                #expect(log.count("the last good value stays in force") == (round + 1) * 6)
            }
            try await writer.put(layout.config, #"{"ttl":26}"#)
            let repaired = try await tree.read()
            #expect(repaired.config?["ttl"]?.asInt == 26 && repaired.configVersion == Version(rawValue: 5))
        }
    }

    @Test("a value that never was good counts as absent")
    func neverGood() async throws {
        try await withTree { tree in
            let (layout, writer) = (tree.layout, tree.writer)
            try await writer.put(layout.config, "[1]")
            try await writer.put(layout.status, "")
            try await writer.put(layout.sync, "}")
            try await writer.put(layout.member("node-0"), "{", .ephemeral)
            let snapshot = try await tree.read()
            #expect(!snapshot.view.hasConfig && snapshot.view.optime == nil && snapshot.sync == .off)
            #expect(snapshot.view.sync.version == 0, "it exists: acquiring checks its version")
            #expect(snapshot.view.members["node-0"]?.isRunning == false)
            #expect(tree.log.count("it counts as absent") == 4)
        }
    }

    @Test("a read that cannot be finished gives nothing")
    func interrupted() async throws {
        try await withTree { tree in
            try await tree.writer.prepare(tree.layout)
            let session = try await ZooKeeperSession.open(
                try configuration(try await SharedZooKeeper.host()), logger: silent)
            try await session.connected(deadline: patience)
            await session.close()
            await #expect(throws: ZooKeeperError.self) { try await tree.reader.read(session, deadline: patience) }
            let reading = Task {
                while !Task.isCancelled { await Task.yield() }
                return try await tree.read()
            }
            reading.cancel()
            await #expect(throws: ZooKeeperError.self) { try await reading.value }
        }
    }

    @Test(
        "each change that matters wakes the reader",
        arguments: ["leader", "config", "initialize", "failover", "bootstrap"])
    func watches(name: String) async throws {
        try await withTree { tree in
            let path = try tree.layout.base.child(name)
            let seen = Locked<[SessionEvent]>([])
            let session = tree.session
            let listener = Task { for await event in session.events { seen.withLock { $0.append(event) } } }
            defer { listener.cancel() }
            func event(_ change: SessionEvent.NodeChange) async throws {
                try await eventually("\(name) is \(change)") { seen.withLock { $0.contains(.node(change, path)) } }
            }
            _ = try await tree.read()
            try await tree.writer.put(path, "1", .ephemeral)
            try await event(.created)
            _ = try await tree.read()
            if name != "bootstrap" {
                try await tree.writer.put(path, "2", .ephemeral)
                try await event(.changed)
                _ = try await tree.read()
            }
            try await tree.writer.remove(path)
            try await event(.deleted)
        }
    }

    @Test("members that come and go wake the reader, and of their values only the leader's")
    func memberWatches() async throws {
        try await withTree { tree in
            let (layout, writer) = (tree.layout, tree.writer)
            let seen = Locked<[SessionEvent]>([])
            let session = tree.session
            let listener = Task { for await event in session.events { seen.withLock { $0.append(event) } } }
            defer { listener.cancel() }
            try await writer.prepare(layout)
            try await writer.put(layout.leader, "node-0", .ephemeral)
            _ = try await tree.read()
            try await writer.put(layout.member("node-0"), Self.node0, .ephemeral)
            try await writer.put(layout.member("node-1"), Self.node1, .ephemeral)
            let members = SessionEvent.node(.children, layout.members)
            try await eventually("members have changed") { seen.withLock { $0.contains(members) } }
            _ = try await tree.read()
            try await writer.put(layout.member("node-1"), "{}")
            try await writer.put(layout.member("node-0"), "{}")
            let leader = SessionEvent.node(.changed, try layout.member("node-0"))
            try await eventually("the leader's record has changed") { seen.withLock { $0.contains(leader) } }
            let other = SessionEvent.node(.changed, try layout.member("node-1"))
            #expect(!seen.withLock { $0.contains(other) }, "it was changed before the leader's")
        }
    }
}
