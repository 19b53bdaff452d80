import Support
import Testing
import ZooKeeper

/// What the lock's protocol assumes of real servers and what only an ensemble shows.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled, "Debian's ZooKeeper jars"))
struct EnsembleTests {
    @Test func aReconnectWithAShorterTimeoutMovesTheExpiryForward() async throws {
        let server = try await Shared.standalone()
        let long = try RawSession(port: server.port, timeout: .seconds(4))
        #expect(long.timeout == .seconds(4))
        #expect(try long.createEphemeral("/shortened") == 0)
        let control = try RawSession(port: server.port, timeout: .seconds(4))
        #expect(try control.createEphemeral("/unchanged") == 0)
        try await withSession(server.host) { witness in
            for path: ZNodePath in ["/shortened", "/unchanged"] {
                #expect(try await witness.session.exists(path, watch: true, deadline: patience) != nil)
            }
            long.leave()
            control.leave()
            let clock = ContinuousClock()
            let start = clock.now
            let short = try RawSession(port: server.port, timeout: .milliseconds(400), resuming: long)
            #expect(short.session == long.session && short.timeout == .milliseconds(400))
            short.leave()
            try await witness.saw(.node(.deleted, "/shortened"))
            #expect(clock.now - start < .seconds(3))
            #expect(try await witness.session.exists("/unchanged", deadline: patience) != nil)
        }
    }

    @Test func aCloseFromTheOldConnectionEndsASessionThatHasMoved() async throws {
        let ensemble = try await Shared.ensemble()
        let followers = try await ensemble.followers()
        let leader = try await ensemble.leader()
        try await withSession(ensemble.hosts) { witness in
            let moves = [(followers[0], followers[1]), (followers[0], leader), (leader, followers[0])]
            for (number, (from, to)) in moves.enumerated() {
                let path = try ZNodePath("/moved-\(number)")
                let old = try RawSession(port: from.port, timeout: .seconds(4))
                #expect(try old.createEphemeral(path) == 0)
                try await witness.session.sync("/", deadline: patience)
                #expect(try await witness.session.exists(path, watch: true, deadline: patience) != nil)
                let new = try RawSession(port: to.port, timeout: .seconds(4), resuming: old)
                #expect(new.session == old.session)
                let clock = ContinuousClock()
                let start = clock.now
                #expect(try old.closeSession() == 0)
                try await witness.saw(.node(.deleted, path))
                #expect(clock.now - start < .seconds(3))
                new.leave()
            }
        }
    }

    /// The server does not tell the code for "moved": it tears the connection down. The write did not happen, but the
    /// client cannot know, and its library takes the session back.
    @Test func aWriteFromTheOldConnectionLosesItAndTheSessionIsTakenBack() async throws {
        let ensemble = try await Shared.ensemble()
        let followers = try await ensemble.followers()
        try await withSession(ensemble.hosts) { reader in
            try await withSession(followers[0].host) { old in
                let credentials = try #require(old.session.credentials)
                try await withSession(followers[1].host, resuming: credentials) { new in
                    let writes: [[Operation]] = [
                        [.create("/moved-write", [], .persistent)],
                        [.check("/", .initial), .create("/moved-write", [], .persistent)],
                    ]
                    for (number, operations) in writes.enumerated() {
                        let witness = number == 0 ? old : new  // each takes it from the other
                        let error = await failure { try await witness.session.multi(operations, deadline: patience) }
                        #expect(error?.code == .connectionLoss && error?.outcome == .unknown)
                        try await eventually("the session is taken back") { witness.connects == 2 }
                    }
                    try await reader.session.sync("/", deadline: patience)
                    #expect(try await reader.session.exists("/moved-write", deadline: patience) == nil)
                }
            }
        }
    }

    @Test func abandoningAFrozenServerFindsAnotherAtOnce() async throws {
        let ensemble = try await ZooKeeperEnsemble.start()
        let frozen = try await ensemble.followers()[0]
        try await withSession(ensemble.hosts) { witness in
            try await witness.session.create("/quick", deadline: patience)
            try await eventually("a follower serves us") {
                if server(of: witness, in: ensemble) === frozen { return true }
                _ = witness.session.abandonConnection()
                try await witness.session.connected(deadline: patience)
                return false
            }
            let clock = ContinuousClock()
            let before = try #require(witness.session.connection)
            frozen.freeze()
            let start = clock.now
            #expect(witness.session.abandonConnection())
            try await eventually("another server serves us") {
                (witness.session.connection?.generation ?? 0) > before.generation
            }
            try await witness.session.set("/quick", [1], expecting: .any, deadline: patience)
            #expect(clock.now - start < .seconds(2))  // on its own the library would need 2.7 s
            #expect(witness.session.connection?.session == before.session)
            frozen.thaw()
        }
        try await ensemble.stop()
    }

    /// The server that serves a session, by its own list of connections.
    private func server(of witness: Witness, in ensemble: ZooKeeperEnsemble) -> ZooKeeperServer? {
        guard let session = witness.session.connection?.session else { return nil }
        return ensemble.servers.first { $0.command("cons")?.contains("sid=\(session),") == true }
    }
}
