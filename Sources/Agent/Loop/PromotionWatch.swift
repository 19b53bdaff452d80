import HACore

/// How long this member's last promotion took, each from the look on that found the lock free.
public struct PromotionTimes: Hashable, Sendable {
    /// Until the lock was proved this member's.
    public var locked: Duration
    /// Until PostgreSQL was told.
    public var ordered: Duration
    /// Until it was seen to take writes.
    public var writable: Duration

    public init(locked: Duration, ordered: Duration, writable: Duration) {
        self.locked = locked
        self.ordered = ordered
        self.writable = writable
    }
}

/// Times the steps of a promotion by the looks that saw them.
struct PromotionWatch {
    private var freeSince: Instant?
    private var ordered: (term: Term, at: Instant)?
    /// When the last promotion was seen to have ended.
    private(set) var writableAt: Instant?

    /// - Returns: the times, once for each promotion that began with a free lock and was ordered by this process.
    mutating func note(_ view: ClusterView, _ effects: [Effect]) -> PromotionTimes? {
        guard let leadership = view.leadership else {
            // A tree that cannot be read says nothing of the lock.
            if let store = view.store { freeSince = store.leader == nil ? freeSince ?? view.now : nil }
            ordered = nil
            return nil
        }
        if effects.contains(where: \.isPromotion) { ordered = (leadership.term, view.now) }
        guard let freeSince, let ordered, ordered.term == leadership.term, view.local.isRunning,
            view.local.sql?.inRecovery == false
        else { return nil }
        self.freeSince = nil
        writableAt = view.now
        return PromotionTimes(
            locked: leadership.provedAt - freeSince, ordered: ordered.at - freeSince, writable: view.now - freeSince)
    }
}

extension Effect {
    var isPromotion: Bool { if case .promote = self { true } else { false } }
}
