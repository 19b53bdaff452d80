/// One question to all other members at once, and what came back within its deadline.
public struct PeerRound: Hashable, Sendable {
    /// A member that did not answer is absent from `answers`.
    public struct Answer: Hashable, Sendable {
        public var inRecovery: Bool
        /// Primary: written; standby: the greater of received and replayed. What counts in a race.
        public var position: LSN
        public var timeline: Timeline?
        public var nofailover: Bool
        public var failoverPriority: Int
        /// `watchdog_failed`: cannot promote.
        public var disabled: Bool
        /// Slots of a mesh with which peers could go on after its promotion.
        public var provedSlots: Int

        public init(
            inRecovery: Bool, position: LSN, timeline: Timeline? = nil, nofailover: Bool = false,
            failoverPriority: Int = 1, disabled: Bool = false, provedSlots: Int = 0
        ) {
            self.inRecovery = inRecovery
            self.position = position
            self.timeline = timeline
            self.nofailover = nofailover
            self.failoverPriority = failoverPriority
            self.disabled = disabled
            self.provedSlots = provedSlots
        }
    }

    public var askedAt: Instant
    public var asked: Set<MemberID>
    public var answers: [MemberID: Answer]
    /// Those that said that no PostgreSQL runs there: without a position, and not silent.
    public var stopped: Set<MemberID>

    public init(
        askedAt: Instant, asked: Set<MemberID>, answers: [MemberID: Answer], stopped: Set<MemberID> = []
    ) {
        self.askedAt = askedAt
        self.asked = asked
        self.answers = answers
        self.stopped = stopped
    }
}
