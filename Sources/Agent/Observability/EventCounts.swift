public import HACore
import NIOConcurrencyHelpers
import PostgresControl

/// Counts what happens, for `/metrics`, from the start of this process on.
final class EventCounts: Sendable {
    private struct State {
        var counts = Counts()
        /// When the PostgreSQL that was fenced last had begun.
        var fenced: Instant?
    }

    private let state = NIOLockedValueBox(State())

    var counts: Counts { state.withLockedValue { $0.counts } }

    func note(_ decision: Decision) {
        state.withLockedValue { state in
            state.counts.decisions[decision.rule, default: 0] += 1
            if decision.effects.contains(.stepDown) { state.counts.stepDowns += 1 }
        }
    }

    /// The keeper says so until the next start, which no decision begins without having asked it.
    func note(_ status: KeeperStatus) {
        guard status.fenced else { return }
        state.withLockedValue { state in
            if state.fenced != status.startedAt { state.counts.fences += 1 }
            state.fenced = status.startedAt
        }
    }

    func note(_ times: PromotionTimes) { state.withLockedValue { $0.counts.lastPromotion = times } }

    func note(_ event: KeeperEvent) {
        if event == .promoted { state.withLockedValue { $0.counts.promotions += 1 } }
    }
}

/// How often what happened since the agent's process began.
public struct Counts: Hashable, Sendable {
    /// One for each look, by the rule that decided.
    public var decisions: [RuleID: Int] = [:]
    /// The keeper stopped a PostgreSQL at once: its deadline had come, or it was told to.
    public var fences = 0
    /// The agent stopped PostgreSQL before its lease ended unproved.
    public var stepDowns = 0
    /// A standby became primary because this agent wanted it.
    public var promotions = 0
    /// Nil before the first.
    public var lastPromotion: PromotionTimes?
}

/// What changes between two looks: `/metrics` reads it at its own moment.
public struct Vitals: Sendable {
    /// Until when acknowledged writes prove the present session; nil without one.
    public var provenUntil: Instant?
    /// A keeper is attached and answered the last ping.
    public var keeperAnswers = false
    public var counts = Counts()
    public var renewalDelays = RenewalDelays()
}
