import Support
import Testing
import ZooKeeper

@Suite(.serialized, .timeLimit(.minutes(3)), .enabled(if: ZooKeeperServer.isInstalled, "Debian's ZooKeeper jars"))
struct CloseTests {
    /// The library drops callbacks at close: each caller must get an end nevertheless.
    @Test func everyRequestEndsWhenTheSessionCloses() async throws {
        let host = try await Shared.standalone().host
        var cutShort = 0
        // In some rounds all are answered before the close takes hold: those show nothing.
        for _ in 0..<100 where cutShort < 10 {
            let closed = Locked(0)
            try await withSession(host) { witness in
                let session = witness.session
                try await withThrowingTaskGroup(of: Void.self) { group in
                    let begun = Locked(0)
                    for _ in 0..<200 {
                        group.addTask {
                            begun.withLock { $0 += 1 }
                            let error = await failure { _ = try await session.get("/", deadline: .seconds(30)) }
                            #expect(error == nil || error?.code == .closing)
                            #expect(error?.outcome != .unknown)
                            if error != nil { closed.withLock { $0 += 1 } }
                        }
                    }
                    try await eventually("some have begun", pace: .microseconds(50)) { begun.withLock { $0 } > 0 }
                    let clock = ContinuousClock()
                    let start = clock.now
                    await session.close()
                    #expect(clock.now - start < .seconds(30))
                    try await group.waitForAll()
                }
                #expect(session.pendingRequests == 0)
            }
            if closed.withLock({ $0 }) > 0 { cutShort += 1 }
        }
        #expect(cutShort == 10)
    }

    @Test func aWriteInFlightAtTheCloseIsUnknown() async throws {
        let server = try await ZooKeeperServer.standalone()
        try await withSession(server.host) { witness in
            server.freeze()
            let write = Task { await failure { try await witness.session.create("/w", deadline: patience) } }
            try await eventually("it is in flight") { witness.session.pendingRequests == 1 }
            await witness.session.close()
            let error = await write.value
            #expect(error?.code == .closing && error?.outcome == .unknown)
        }
        try await server.stop()
    }

    @Test func afterTheCloseNothingIsAccepted() async throws {
        try await withSession(Shared.standalone().host) { witness in
            let session = witness.session
            async let first: Void = session.close()
            async let second: Void = session.close()
            _ = await (first, second)
            let error = await failure { try await session.create("/after", deadline: patience) }
            #expect(error?.code == .closing && error?.outcome == .didNotHappen)
            let waiting = await failure { try await session.connected(deadline: patience) }
            #expect(waiting?.code == .closing)
            #expect(!session.renewals.submit([.check("/", .initial)]) { _ in })
            #expect(!session.abandonConnection())
            #expect(session.connection == nil)
            try await eventually("the events end with .closed") { witness.events.last == .closed }
        }
    }

    @Test func manySessionsComeAndGo() async throws {
        let host = try await Shared.standalone().host
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask {
                    try await withSession(host) { witness in
                        let path = try ZNodePath("/many-\(number)")
                        try await witness.session.create(path, mode: .ephemeral, deadline: patience)
                    }
                }
            }
            try await group.waitForAll()
        }
        try await withSession(host) { witness in
            let left = try #require(try await witness.session.children("/", deadline: patience))
            #expect(!left.contains { $0.hasPrefix("many-") })
        }
    }
}
