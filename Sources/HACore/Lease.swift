/// The constants of the lease (design/lock.md 2.2).
public struct LeaseTerms: Hashable, Sendable {
    /// Bound on the rate error of the agent's and the server's clock together.
    public static let driftPerMille: Int64 = 1
    /// Keeper's wake-up and the time until PostgreSQL cannot write.
    public static let margin: Duration = .milliseconds(300)
    /// Added to half a tick, for the jitter of the ZooKeeper leader's pings.
    public static let jitter: Duration = .milliseconds(50)

    /// The session timeout T of the present connection.
    public var timeout: Duration
    /// ZooKeeper's tickTime; nil when it could not be found out.
    public var tickTime: Duration?
    /// `g`: within it the ZooKeeper leader is sure to have pinged its followers.
    public var gap: Duration

    public init(timeout: Duration, tickTime: Duration?) {
        self.timeout = timeout
        self.tickTime = tickTime
        // Without a known tickTime: a session is at least two ticks by default (lock.md 2.3).
        self.gap = (tickTime.map { $0 / 2 } ?? timeout / 4) + Self.jitter
    }

    /// What a touch that reached the ZooKeeper leader at or after `anchor` proves.
    public func end(from anchor: Instant) -> Instant {
        anchor + .nanoseconds(timeout.nanoseconds / 1000 * (1000 - Self.driftPerMille)) - Self.margin
    }

    /// How long before the keeper's deadline the agent answers 503 and stops PostgreSQL by itself (rulings, Lock 5).
    public var earlyStop: Duration { max(.milliseconds(600), timeout / 8) }

    /// The pause between renewals, `w` (lock.md 2.2).
    public func renewalInterval(loopWait: Duration) -> Duration { min(loopWait, .seconds(1), timeout / 16) }

    /// What is left of a lease at the worst moment of the steady state, with round trips of `roundTrip`.
    public func worstRemainder(loopWait: Duration, roundTrip: Duration = .milliseconds(10)) -> Duration {
        let interval = renewalInterval(loopWait: loopWait)
        let gaps = ((gap + roundTrip).nanoseconds + interval.nanoseconds - 1) / interval.nanoseconds
        let age = interval * Int(gaps + 2) + roundTrip
        return end(from: Instant(nanoseconds: 0)) - Instant(nanoseconds: 0) - age
    }
}

/// The anchored lease of one ZooKeeper session: which acknowledged writes prove that its timer was restarted.
///
/// A write j counts once a later write i was sent at least `gap` after j's acknowledgement, and a third, k, was issued
/// after i's acknowledgement and acknowledged itself, all on one connection, one in flight at a time (lock.md 2.2).
public struct AnchoredLease: Hashable, Sendable {
    private struct Renewal: Hashable, Sendable {
        let sentAt: Instant
        let acknowledgedAt: Instant
    }

    public let session: Int64
    public private(set) var terms: LeaseTerms
    /// Connection generation the renewals below belong to.
    public private(set) var generation: UInt64
    /// When the latest proved touch was sent.
    public private(set) var anchor: Instant
    /// Leadership and everything that needs it ends here at the latest.
    public private(set) var provenUntil: Instant
    private var renewals: [Renewal] = []

    /// A session just opened or taken up: its accepted handshake is the first anchor.
    /// - Parameter handshake: a moment known to be before the handshake was sent.
    public init(session: Int64, terms: LeaseTerms, generation: UInt64, handshake: Instant) {
        self.session = session
        self.terms = terms
        self.generation = generation
        self.anchor = handshake
        self.provenUntil = terms.end(from: handshake)
    }

    /// The library reconnected within the session. Voids the chain, keeps what was proved; a smaller timeout lowers it.
    public mutating func reconnected(generation: UInt64, terms new: LeaseTerms, handshake: Instant) {
        guard generation != self.generation else { return }
        let proved = new.end(from: handshake)
        provenUntil = new.timeout < terms.timeout ? min(provenUntil, proved) : max(provenUntil, proved)
        anchor = max(anchor, handshake)
        terms = new
        self.generation = generation
        renewals = []
    }

    /// A renewal was acknowledged. Returns true when it moved `provenUntil`.
    @discardableResult
    public mutating func acknowledged(sentAt: Instant, acknowledgedAt: Instant, generation: UInt64) -> Bool {
        guard generation == self.generation else { return false }
        defer { remember(Renewal(sentAt: sentAt, acknowledgedAt: acknowledgedAt)) }
        // This write is k; the latest i is the one before it, which gives the latest j.
        guard let i = renewals.last, i.acknowledgedAt <= sentAt,
            let j = renewals.last(where: { $0.acknowledgedAt + terms.gap <= i.sentAt }), j.sentAt > anchor
        else { return false }
        anchor = j.sentAt
        let proved = terms.end(from: j.sentAt)
        guard proved > provenUntil else { return false }
        provenUntil = proved
        return true
    }

    private mutating func remember(_ renewal: Renewal) {
        renewals.append(renewal)
        // Only writes younger than the gap, and the newest older one, can still become j.
        while renewals.count > 2, renewals[1].acknowledgedAt + terms.gap <= renewal.sentAt { renewals.removeFirst() }
    }
}
