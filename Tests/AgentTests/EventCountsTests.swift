import HACore
import Support
import Testing

@testable import Agent
@testable import PostgresControl

@Suite struct EventCountsTests {
    /// The keeper goes on to say that it fenced, however often it is asked.
    @Test func eachPostgreSQLIsFencedOnce() throws {
        let counts = EventCounts()
        for (startedAt, fenced) in [(5, false), (5, true), (5, true), (6, true), (7, false), (8, true), (8, true)] {
            let fields = "keeper=1|mode=normal|empty=0|armed=0|started-at=\(startedAt)|fenced=\(fenced ? 1 : 0)"
            counts.note(try #require(KeeperStatus(fields: fields.split(separator: "|"))))
        }
        #expect(counts.counts == Counts(fences: 3))
    }

    @Test func whatThisAgentWantedIsAPromotion() {
        let counts = EventCounts()
        for event in [KeeperEvent.promoted, .promoteFailed("fenced"), .fenced(lateBy: .zero, why: .deadline)] {
            counts.note(event)
        }
        #expect(counts.counts == Counts(promotions: 1))
    }

    @Test func decisionsAreCountedByTheirRule() {
        let counts = EventCounts()
        let now = Instant(nanoseconds: 1_000_000_000_000)
        var local = LocalPostgres(directory: .empty, process: .running(as: .primary))
        local.armedUntil = now + .milliseconds(100)
        let view = ClusterView(now: now, me: "node-0", policy: ClusterPolicy(), local: local)
        let first = decide(view, DecisionMemory())
        #expect(first.rule == "step-down.lease-ends")
        counts.note(first)
        let second = decide(view, first.memory)
        counts.note(second)
        counts.note(second)
        #expect(counts.counts.decisions == ["step-down.lease-ends": 1, second.rule: 2])
        #expect(counts.counts.stepDowns == 1)
    }

    @Test(.timeLimit(.minutes(1))) func aKeeperAnswersUntilItIsGone() async throws {
        let host = try await KeeperHost.start()
        let link = try KeeperHost.link(host, Wakeup())
        #expect(!link.answers)
        try await host.attached(link) { _ in
            #expect(link.answers)
            // With its program: no other is started in its place.
            host.end()
            try await eventually("it is missed") { !link.answers }
        }
    }
}
