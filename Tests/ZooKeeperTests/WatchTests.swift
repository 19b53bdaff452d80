import Support
import Testing
import ZooKeeper

@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: ZooKeeperServer.isInstalled, "Debian's ZooKeeper jars"))
struct WatchTests {
    @Test func aPathIsReportedOnceHoweverOftenItIsWatched() async throws {
        let host = try await Shared.standalone().host
        try await withSession(host) { writer in
            try await withSession(host) { witness in
                for _ in 0..<5 {
                    #expect(try await witness.session.exists("/watched", watch: true, deadline: patience) == nil)
                }
                try await writer.session.create("/watched", deadline: patience)
                try await witness.saw(.node(.created, "/watched"))
                for _ in 0..<5 { _ = try await witness.session.get("/watched", watch: true, deadline: patience) }
                try await writer.session.set("/watched", [1], expecting: .any, deadline: patience)
                try await witness.saw(.node(.changed, "/watched"))
                try await writer.session.set("/watched", [2], expecting: .any, deadline: patience)  // nobody watches
                _ = try await witness.session.get("/watched", watch: true, deadline: patience)
                _ = try await witness.session.children("/watched", watch: true, deadline: patience)
                try await writer.session.create("/watched/child", deadline: patience)
                try await witness.saw(.node(.children, "/watched"))
                try await writer.session.delete("/watched/child", expecting: .any, deadline: patience)
                try await writer.session.delete("/watched", expecting: .any, deadline: patience)
                try await witness.saw(.node(.deleted, "/watched"))
                // A later event of the same session: whatever the server still had to say has arrived before it.
                _ = try await witness.session.exists("/last", watch: true, deadline: patience)
                try await writer.session.create("/last", deadline: patience)
                try await witness.saw(.node(.created, "/last"))
                let kinds: [SessionEvent] = [
                    .node(.created, "/watched"), .node(.changed, "/watched"), .node(.children, "/watched"),
                    .node(.deleted, "/watched"), .node(.created, "/last"),
                ]
                #expect(witness.nodeEvents == kinds)
            }
        }
    }

    @Test("A quiet watch is no event, and is told of before the answer to what is asked after the change")
    func quiet() async throws {
        let host = try await Shared.standalone().host
        try await withSession(host) { writer in
            try await withSession(host) { witness in
                try await writer.session.create("/quiet", deadline: patience)
                let paths: [ZNodePath] = ["/quiet", "/quiet/none"]
                _ = try await witness.session.read(
                    [.get(paths[0], watch: .quiet), .exists(paths[1], watch: .quiet)], deadline: patience)
                #expect(witness.session.takeTold().isEmpty)
                for round in 0..<20 {
                    try await writer.session.set("/quiet", [UInt8(round)], expecting: .any, deadline: patience)
                    // Through the same server: what is asked now is asked after the change.
                    _ = try await witness.session.get("/", deadline: patience)
                    #expect(witness.session.takeTold() == [paths[0]])
                    _ = try await witness.session.read([.get(paths[0], watch: .quiet)], deadline: patience)
                }
                try await writer.session.create(paths[1], deadline: patience)
                _ = try await witness.session.get("/", deadline: patience)
                #expect(witness.session.takeTold() == [paths[1]])
                #expect(witness.nodeEvents.isEmpty)
            }
        }
    }

    @Test func watchesSurviveAReconnect() async throws {
        let server = try await ZooKeeperServer.standalone()
        try await withSession(server.host) { writer in
            try await withSession(server.host) { witness in
                try await writer.session.create("/kept", deadline: patience)
                _ = try await witness.session.get("/kept", watch: true, deadline: patience)
                _ = try await witness.session.exists("/coming", watch: true, deadline: patience)
                try await server.stop()
                try await witness.saw(.disconnected)
                try await server.start()
                try await eventually("both are back") { witness.connects == 2 && writer.connects == 2 }
                try await writer.session.set("/kept", [1], expecting: .any, deadline: patience)
                try await witness.saw(.node(.changed, "/kept"))
                try await writer.session.create("/coming", deadline: patience)
                try await witness.saw(.node(.created, "/coming"))
                #expect(witness.nodeEvents.count == 2)
            }
        }
        try await server.stop()
    }
}
