import HACore
import Testing

private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

/// design/lock.md 2.2 and 2.4.
@Suite("The anchored lease")
struct LeaseTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let timeout, tick, interval: Int64
        let left: Double
        var testDescription: String { "T \(timeout), tick \(tick), w \(interval)" }
    }

    @Test(
        "What is left at the worst moment of the steady state",
        arguments: [
            Row(timeout: 30000, tick: 2000, interval: 1000, left: 25.7),
            Row(timeout: 10000, tick: 2000, interval: 1000, left: 5.7),
            Row(timeout: 10000, tick: 2000, interval: 500, left: 7.2),
            Row(timeout: 4000, tick: 2000, interval: 500, left: 1.2),
            Row(timeout: 4000, tick: 2000, interval: 250, left: 1.9),
            Row(timeout: 2000, tick: 1000, interval: 250, left: 0.4),
            Row(timeout: 2000, tick: 1000, interval: 100, left: 0.9),
            Row(timeout: 2000, tick: 200, interval: 100, left: 1.3),
        ])
    func remainder(row: Row) {
        // Renewals each `w`, 10 ms for an answer, for a while; the worst moment is right before an acknowledgement.
        let terms = LeaseTerms(timeout: .milliseconds(row.timeout), tickTime: .milliseconds(row.tick))
        var lease = AnchoredLease(session: 1, terms: terms, generation: 1, handshake: at(0))
        var worst = Duration.seconds(1000)
        for step in 1...200 {
            let sent = at(Int64(step) * row.interval)
            if step > 100 { worst = min(worst, lease.provenUntil - (sent + .milliseconds(10))) }
            lease.acknowledged(sentAt: sent, acknowledgedAt: sent + .milliseconds(10), generation: 1)
        }
        let seconds = Double(worst.milliseconds) / 1000
        #expect(abs(seconds - row.left) < 0.06, "\(seconds)")
    }

    @Test("The formula for the remainder agrees with the table where w is T/16 or 1 s")
    func formula() {
        let long = LeaseTerms(timeout: .seconds(30), tickTime: .seconds(2))
        #expect(long.renewalInterval(loopWait: .seconds(10)) == .seconds(1))
        #expect(long.worstRemainder(loopWait: .seconds(10)).milliseconds == 25_660)
        let short = LeaseTerms(timeout: .seconds(4), tickTime: .seconds(2))
        #expect(short.renewalInterval(loopWait: .seconds(10)) == .milliseconds(250))
        #expect(short.worstRemainder(loopWait: .seconds(10)).milliseconds == 1936)
    }

    @Test("Early stop is an eighth of T, at least 600 ms; without a known tick the gap is T/4")
    func terms() {
        #expect(LeaseTerms(timeout: .seconds(30), tickTime: nil).earlyStop == .milliseconds(3750))
        #expect(LeaseTerms(timeout: .seconds(4), tickTime: nil).earlyStop == .milliseconds(600))
        #expect(LeaseTerms(timeout: .seconds(4), tickTime: nil).gap == .milliseconds(1050))
        #expect(LeaseTerms(timeout: .seconds(4), tickTime: .seconds(1)).gap == .milliseconds(550))
    }

    @Test("Terms that leave too little time at the worst moment, or have ticks too long, are refused with the numbers")
    func problems() throws {
        func terms(_ timeout: Int64, _ tick: Int64?) -> LeaseTerms {
            LeaseTerms(timeout: .milliseconds(timeout), tickTime: tick.map { .milliseconds($0) })
        }
        for (timeout, tick) in [(30_000, 2000), (4000, 2000), (6000, nil), (2000, 200), (3000, nil)]
            as [(Int64, Int64?)]
        {
            #expect(terms(timeout, tick).problem(loopWait: .seconds(10)) == nil, "\(timeout), tick \(tick ?? 0)")
        }
        // 2000 * 0.999 - 300 - 885 of age - 600 of early stop
        let tight = try #require(terms(2000, 1000).problem(loopWait: .seconds(10)))
        #expect(
            tight == .tooShort(terms(2000, 1000), interval: .milliseconds(125), left: .milliseconds(213)))
        for number in ["2000 ms", "125 ms", "550 ms", "213 ms", "500 ms"] { #expect("\(tight)".contains(number)) }
        #expect(terms(2000, nil).problem(loopWait: .seconds(10)) != nil, "the gap of an unknown tick")
        #expect(
            terms(10_000, 6000).problem(loopWait: .seconds(10))
                == .underTwoTicks(timeout: .seconds(10), tickTime: .seconds(6)))
    }

    private func lease() -> AnchoredLease {
        AnchoredLease(
            session: 1, terms: LeaseTerms(timeout: .seconds(10), tickTime: .seconds(2)), generation: 1, handshake: at(0)
        )
    }

    @Test("The handshake is the first anchor; the drift's share and the margin are taken off")
    func handshake() {
        #expect(lease().provenUntil == at(9690))
    }

    @Test("All three legs are needed: j, i after the gap, and k after i's acknowledgement")
    func threeLegs() {
        var lease = lease()
        let start = lease.provenUntil
        let j = lease.acknowledged(sentAt: at(1000), acknowledgedAt: at(1010), generation: 1)
        #expect(!j)
        let i = lease.acknowledged(sentAt: at(2060), acknowledgedAt: at(2070), generation: 1)
        #expect(!i)
        #expect(lease.provenUntil == start)
        let k = lease.acknowledged(sentAt: at(2070), acknowledgedAt: at(2080), generation: 1)
        #expect(k)
        #expect(lease.anchor == at(1000))
        #expect(lease.provenUntil == at(10690))
    }

    @Test("A gap that is one nanosecond short proves nothing")
    func shortGap() {
        var lease = lease()
        let almost = Instant(nanoseconds: 2_059_999_999)
        lease.acknowledged(sentAt: at(1000), acknowledgedAt: at(1010), generation: 1)
        lease.acknowledged(sentAt: almost, acknowledgedAt: at(2070), generation: 1)
        let moved = lease.acknowledged(sentAt: at(2080), acknowledgedAt: at(2090), generation: 1)
        #expect(!moved)
        #expect(lease.anchor == at(0))
    }

    @Test("A k that was sent before i's acknowledgement is no k")
    func pipelined() {
        var lease = lease()
        lease.acknowledged(sentAt: at(1000), acknowledgedAt: at(1010), generation: 1)
        lease.acknowledged(sentAt: at(2100), acknowledgedAt: at(2200), generation: 1)
        let moved = lease.acknowledged(sentAt: at(2150), acknowledgedAt: at(2250), generation: 1)
        #expect(!moved)
    }

    @Test("The anchor is never the newest write, and a freeze before it does not lengthen the lease")
    func frozen() {
        var lease = lease()
        for step in 1...5 {
            let sent = at(Int64(step) * 500)
            lease.acknowledged(sentAt: sent, acknowledgedAt: sent + .milliseconds(5), generation: 1)
        }
        let before = lease.provenUntil
        // Frozen for 6 s, then one write is acknowledged: its touch may be lost with the follower's link.
        lease.acknowledged(sentAt: at(8500), acknowledgedAt: at(8505), generation: 1)
        #expect(lease.provenUntil - before <= .milliseconds(1500))
        #expect(lease.anchor < at(2600))
    }

    @Test("A reconnect voids the chain, keeps what was proved, and is an anchor itself")
    func reconnect() {
        var lease = lease()
        lease.acknowledged(sentAt: at(1000), acknowledgedAt: at(1010), generation: 1)
        lease.acknowledged(sentAt: at(2060), acknowledgedAt: at(2070), generation: 1)
        lease.reconnected(generation: 2, terms: lease.terms, handshake: at(2060))
        #expect(lease.provenUntil == at(2060 + 9690))
        // i and k of the old connection are void; late answers of it as well.
        let stale = lease.acknowledged(sentAt: at(2100), acknowledgedAt: at(2110), generation: 1)
        let first = lease.acknowledged(sentAt: at(2200), acknowledgedAt: at(2210), generation: 2)
        let second = lease.acknowledged(sentAt: at(3300), acknowledgedAt: at(3310), generation: 2)
        #expect(!stale && !first && !second)
        let third = lease.acknowledged(sentAt: at(3310), acknowledgedAt: at(3320), generation: 2)
        #expect(third)
        #expect(lease.anchor == at(2200))
        // The event of a connection that is known already changes nothing.
        lease.reconnected(generation: 2, terms: lease.terms, handshake: at(9000))
        #expect(lease.anchor == at(2200))
    }

    @Test("A shorter timeout lowers the lease at once, a longer one never does")
    func otherTimeout() {
        var shorter = lease()
        shorter.reconnected(
            generation: 2, terms: LeaseTerms(timeout: .seconds(4), tickTime: .seconds(2)), handshake: at(100))
        #expect(shorter.provenUntil == at(100 + 3996 - 300))
        var longer = lease()
        longer.reconnected(
            generation: 2, terms: LeaseTerms(timeout: .seconds(20), tickTime: .seconds(2)), handshake: at(-20_000))
        #expect(longer.provenUntil == at(9690))
    }

    @Test("The chain stays short however long it is kept")
    func memory() {
        var lease = lease()
        for step in 1...100_000 {
            let sent = at(Int64(step) * 10)
            lease.acknowledged(sentAt: sent, acknowledgedAt: sent + .milliseconds(1), generation: 1)
        }
        #expect(at(1_000_000) - lease.anchor < .milliseconds(1100))
    }
}
