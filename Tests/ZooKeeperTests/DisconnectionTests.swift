import Support
import Testing
import ZooKeeper

/// What a session learns, and does not learn, when its server falls silent.
@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: ZooKeeperServer.isInstalled, "Debian's ZooKeeper jars"))
struct DisconnectionTests {
    @Test func aRequestWithoutAServerFailsWithTheNextAttempt() async throws {
        let server = try await ZooKeeperServer.standalone()
        try await withSession(server.host) { witness in
            try await server.stop()
            try await witness.saw(.disconnected)
            #expect(witness.session.connection == nil)
            let write = await failure { try await witness.session.create("/x", deadline: patience) }
            #expect(write?.code == .connectionLoss && write?.outcome == .unknown)
            let read = await failure { _ = try await witness.session.get("/x", deadline: patience) }
            #expect(read?.code == .connectionLoss && read?.outcome == .didNotHappen)
        }
    }

    @Test func aRequestToASilentServerEndsAtItsDeadlineAndMayStillHappen() async throws {
        let server = try await ZooKeeperServer.standalone(tick: .milliseconds(300))
        try await withSession(server.host, timeout: .seconds(6)) { witness in
            try await witness.session.sync("/", deadline: patience)
            server.freeze()
            // The library now waits for an answer to its next handshake, for 4 s, and then drops what it has.
            try await witness.saw(.disconnected)
            let clock = ContinuousClock()
            let start = clock.now
            let short = Duration.milliseconds(200)
            async let write = failure { try await witness.session.create("/x", deadline: short) }
            async let several = failure {
                try await witness.session.multi([.create("/y", [], .persistent)], deadline: short)
            }
            async let read = failure { _ = try await witness.session.get("/x", deadline: short) }
            let (writeError, multiError, readError) = await (write, several, read)
            #expect(clock.now - start >= short && clock.now - start < .seconds(2))
            #expect(writeError?.code == .deadline && writeError?.outcome == .unknown)
            #expect(multiError?.code == .deadline && multiError?.outcome == .unknown)
            #expect(readError?.code == .deadline && readError?.outcome == .didNotHappen)
            #expect(witness.session.pendingRequests == 3)  // the library still has them
            server.thaw()
            try await eventually("nothing is left in flight") { witness.session.pendingRequests == 0 }
        }
        try await server.stop()
    }

    /// Whoever waits to be told of the expiry waits too long: it is learnt from a server, after the fact.
    @Test func aFrozenServerIsNoticedAtTwoThirdsAndExpiryOnlyAfterwards() async throws {
        let server = try await ZooKeeperServer.standalone()
        try await withSession(server.host, timeout: .milliseconds(1_200)) { witness in
            let clock = ContinuousClock()
            try await witness.session.sync("/", deadline: patience)
            server.freeze()
            let start = clock.now
            let pending = Task { await failure { try await witness.session.create("/frozen", deadline: patience) } }
            try await witness.saw(.disconnected)
            let noticed = clock.now - start
            #expect(noticed > .milliseconds(400) && noticed < .seconds(3))
            let error = await pending.value
            #expect(error?.code == .operationTimeout && error?.outcome == .unknown)
            // A thawed server may serve a session again before it notices that its time is over: then once more.
            try await eventually("the session expires", within: .seconds(30)) {
                try await pause(.milliseconds(1_800))
                #expect(!witness.events.contains(.expired))
                let connects = witness.connects
                server.thaw()
                try await eventually("the server answers") {
                    witness.events.contains(.expired) || witness.connects > connects
                }
                if !witness.events.contains(.expired) { server.freeze() }
                return witness.events.contains(.expired)
            }
            let after = [
                await failure { try await witness.session.create("/x", deadline: patience) },
                await failure { _ = try await witness.session.get("/x", deadline: patience) },
                await failure { try await witness.session.multi([.check("/", .initial)], deadline: patience) },
            ]
            #expect(after.allSatisfy { $0?.code == .invalidState && $0?.outcome == .didNotHappen })
            let waiting = await failure { try await witness.session.connected(deadline: patience) }
            #expect(waiting?.code == .sessionExpired)
            #expect(!witness.session.renewals.submit([.check("/", .initial)]) { _ in })
        }
        try await server.stop()
    }

    /// Time that must pass for a server's clock; nothing is concluded from it by itself.
    private func pause(_ duration: Duration) async throws {
        let end = ContinuousClock.now + duration
        try await eventually("time passes", within: duration + .seconds(5)) { ContinuousClock.now >= end }
    }

    @Test func closingWithAFrozenServerIsBounded() async throws {
        let server = try await ZooKeeperServer.standalone()
        let clock = ContinuousClock()
        let start = try await withSession(server.host) { witness in
            server.freeze()
            _ = Task { await failure { try await witness.session.create("/x", deadline: patience) } }
            try await eventually("a request is in flight") { witness.session.pendingRequests > 0 }
            return clock.now
        }
        #expect(clock.now - start < .seconds(5))
        try await server.stop()
    }

    @Test func abandoningAConnectionReconnectsAtOnceAndMovesGenerationAndAnchor() async throws {
        let server = try await ZooKeeperServer.standalone()  // all of this process's sockets to it are shut down
        try await withSession(server.host) { witness in
            let session = witness.session
            let first = try #require(session.connection)
            #expect(first.generation == 1)
            let sent = BootClock.now
            try await session.create("/anchor", deadline: patience)
            let acknowledged = BootClock.now
            #expect(first.anchor < sent)
            #expect(session.abandonConnection())
            try await eventually("it is back") { session.connection?.generation == 2 }
            let second = try #require(session.connection)
            #expect(second.session == first.session && second.negotiatedTimeout == first.negotiatedTimeout)
            #expect(second.anchor >= sent && second.anchor <= acknowledged)
            #expect(session.abandonConnection())
            try await eventually("it is back again") { session.connection?.generation == 3 }
            #expect(session.connection?.anchor == second.anchor)  // nothing was acknowledged in between
            try await session.delete("/anchor", expecting: .any, deadline: patience)
            let kinds = witness.events.map { if case .connected = $0 { "connected" } else { "\($0)" } }
            #expect(kinds == ["connected", "disconnected", "connected", "disconnected", "connected"])
        }
        try await server.stop()
    }

    /// As a server does that has just been started: the library would wait for two thirds of the timeout.
    @Test func aHandshakeWithoutAnAnswerIsAbandoned() async throws {
        let server = try await Shared.standalone()
        let wire = try Wire(to: server.port)
        try await withSession("127.0.0.1:\(wire.port)") { witness in
            let session = witness.session
            let first = try #require(session.connection)
            wire.cut()
            #expect(session.abandonConnection())
            try await eventually("the connection is gone") { session.connection == nil }
            try await eventually("the next attempt is given up") { session.abandonConnection() }
            #expect(session.connection == nil)
            wire.mend()
            try await eventually("it is back") { session.connection?.session == first.session }
        }
    }

    @Test func withoutAConnectionThereIsNothingToAbandon() async throws {
        let port = try FreePort.next()
        try await withSession("127.0.0.1:\(port)", waits: false) { witness in
            #expect(!witness.session.abandonConnection())
            #expect(!witness.session.renewals.submit([.check("/", .initial)]) { _ in })
        }
    }
}
