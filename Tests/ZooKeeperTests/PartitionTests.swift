import Support
import Testing
import ZooKeeper

/// Why a lease counts from what provably reached the ZooKeeper leader, and from nothing else.
@Suite(.serialized, .timeLimit(.minutes(4)), .enabled(if: ZooKeeperServer.isInstalled, "Debian's ZooKeeper jars"))
struct PartitionTests {
    /// A follower that has lost the leader goes on answering reads and pings: its client sees nothing while its
    /// session, and with it its lock, ends at the leader.
    @Test func aFollowerCutFromTheLeaderKeepsItsClientInTheDark() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(syncLimit: 40, wired: true)
        let leader = try await ensemble.leader()
        let follower = try await ensemble.followers()[0]
        try await withSession(leader.host) { outside in
            try await withSession(follower.host, timeout: .milliseconds(1_500)) { inside in
                let stat = try await inside.session.create("/held", mode: .ephemeral, deadline: patience)
                #expect(try await outside.session.exists("/held", watch: true, deadline: patience)?.czxid == stat.czxid)
                ensemble.cut(follower, leader)
                try await outside.saw(.node(.deleted, "/held"))
                // Gone for everybody else, and still there for its owner.
                #expect(try await inside.session.exists("/held", deadline: patience) == stat)
                #expect(inside.session.connection?.generation == 1)
                #expect(inside.events.count == 1)
                ensemble.mend(follower, leader)
                try await inside.saw(.expired, within: .seconds(20))
            }
        }
        try await ensemble.stop()
    }

    /// An acknowledged write proves that the session was alive, not that its timer was restarted: the touch travels
    /// with the follower's next answer to the leader's ping, and a cut before that loses it.
    @Test func anAcknowledgedWriteDoesNotRestartTheTimer() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(syncLimit: 40, wired: true)
        let leader = try await ensemble.leader()
        let follower = try await ensemble.followers()[0]
        let timeout = Duration.seconds(3)
        try await withSession(leader.host) { outside in
            // The cut may come just after a ping, or the pause last too long on a busy machine: then once more.
            for round in 0..<15 {
                let survived = try await survival(round, timeout, follower, outside) { ensemble.cut(follower, leader) }
                ensemble.mend(follower, leader)
                // tick/2 + a round trip less than the timeout is what the naive reckoning would promise.
                if let survived, survived < timeout - .milliseconds(800) { return }
                try await follower.ready()
            }
            Issue.record("no write was acknowledged without restarting the timer")
        }
        try await ensemble.stop()
    }

    /// How long a session lives after its write was sent, when the cut comes right after the acknowledgement and the
    /// owner had been silent before; nil when it did not live to write.
    private func survival(
        _ round: Int, _ timeout: Duration, _ follower: ZooKeeperServer, _ outside: Witness, cut: () -> Void
    ) async throws -> Duration? {
        let clock = ContinuousClock()
        let path = try ZNodePath("/touch-\(round)")
        do {
            let session = try RawSession(port: follower.port, timeout: timeout)
            guard try session.createEphemeral(path) == 0 else { return nil }
            #expect(try await outside.session.exists(path, watch: true, deadline: patience) != nil)
            let idle = clock.now + .milliseconds(1_800)  // like a paused agent: no pings
            try await eventually("the owner was silent") { clock.now >= idle }
            let sent = clock.now
            guard try session.createEphemeral(ZNodePath("/write-\(round)")) == 0 else { return nil }
            cut()
            try await outside.saw(.node(.deleted, path))
            return clock.now - sent
        } catch is SupportError {
            return nil
        }
    }
}
