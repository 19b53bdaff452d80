public import AdminModel
public import HACore
import NIOConcurrencyHelpers

/// What operators want of this member's PostgreSQL: one order that is carried out, and one restart that is planned. Both
/// live and die with this process (contract/patroni.md 2.7).
public final class OrderBook: Sendable {
    /// A restart that was planned, with what has to hold when its time has come.
    public struct ScheduledRestart: Hashable, Sendable {
        /// The request as it is shown to others.
        public var record: JSONObject
        public var dueAt: Instant
        public var conditions: RestartConditions
        public var timeout: Duration?
        /// Of the postmaster that is to be restarted; another one is not.
        public var postmasterStartTime: String?

        public init(
            record: JSONObject, dueAt: Instant, conditions: RestartConditions, timeout: Duration?,
            postmasterStartTime: String?
        ) {
            self.record = record
            self.dueAt = dueAt
            self.conditions = conditions
            self.timeout = timeout
            self.postmasterStartTime = postmasterStartTime
        }
    }

    /// What stands in the way of an order, such as `restart`.
    public struct Busy: Error, Hashable, Sendable {
        public let action: String
    }

    private struct State {
        var placed = 0
        var current: MemberOrder?
        var report: AsyncStream<MemberOrder.Outcome>.Continuation?
        var scheduled: ScheduledRestart?
    }

    private let state = NIOLockedValueBox(State())
    private let wake: @Sendable () -> Void

    /// - Parameter wake: makes the loop look at what has changed.
    public init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    /// What is carried out.
    public var current: MemberOrder? { state.withLockedValue { $0.current } }
    public var scheduled: ScheduledRestart? { state.withLockedValue { $0.scheduled } }

    /// - Parameter replacing: takes the place of an order that stands.
    /// - Returns: its outcome, once; nothing when another order takes its place.
    /// - Throws: `Busy` when one is carried out already.
    @discardableResult
    public func place(
        _ kind: MemberOrder.Kind, replacing: Bool = false
    ) throws(Busy) -> AsyncStream<MemberOrder.Outcome> {
        let (outcome, report) = AsyncStream.makeStream(of: MemberOrder.Outcome.self)
        let busy: Busy? = state.withLockedValue { state in
            if let current = state.current, !replacing { return Busy(action: current.kind.name) }
            state.report?.finish()
            state.placed += 1
            state.current = MemberOrder(id: state.placed, kind: kind, since: Instant.now)
            state.report = report
            return nil
        }
        if let busy { throw busy }
        wake()
        return outcome
    }

    func finish(_ id: Int, _ outcome: MemberOrder.Outcome) {
        state.withLockedValue { state in
            guard state.current?.id == id else { return }
            state.report?.yield(outcome)
            state.report?.finish()
            state.report = nil
            state.current = nil
        }
    }

    /// - Returns: false when one is planned already.
    public func schedule(_ restart: ScheduledRestart) -> Bool {
        defer { wake() }
        return state.withLockedValue { state in
            guard state.scheduled == nil else { return false }
            state.scheduled = restart
            return true
        }
    }

    /// - Returns: what was planned.
    @discardableResult
    public func unschedule() -> ScheduledRestart? {
        defer { wake() }
        return state.withLockedValue { state in
            defer { state.scheduled = nil }
            return state.scheduled
        }
    }
}
