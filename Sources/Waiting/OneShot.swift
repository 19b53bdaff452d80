import NIOConcurrencyHelpers

/// A result that several may try to give and one waits for: the reply, the deadline, the cancellation, the close.
/// The first wins; the others learn that they lost.
public final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Value, Never>)
        case settled(Value)
        case done
    }

    private let state = NIOLockedValueBox<State>(.idle)

    public init() {}

    /// Returns false when the result was given before.
    @discardableResult
    public func settle(_ value: Value) -> Bool {
        let (won, waiter) = state.withLockedValue { state -> (Bool, CheckedContinuation<Value, Never>?) in
            switch state {
            case .idle:
                state = .settled(value)
                return (true, nil)
            case .waiting(let continuation):
                state = .done
                return (true, continuation)
            case .settled, .done:
                return (false, nil)
            }
        }
        waiter?.resume(returning: value)
        return won
    }

    /// Waits for the result; once only. At the deadline it is `late`; the end of its task does not end it.
    ///
    /// The timer stands still while the machine is suspended: nothing but progress depends on it.
    public func value(within deadline: Duration, late: @escaping @Sendable () -> Value) async -> Value {
        let timer = Deadlines.after(deadline) { [weak self] in self?.settle(late()) }
        defer { Deadlines.cancel(timer) }
        return await withCheckedContinuation { continuation in
            let early = state.withLockedValue { state -> Value? in
                if case .settled(let value) = state {
                    state = .done
                    return value
                }
                state = .waiting(continuation)
                return nil
            }
            if let early { continuation.resume(returning: early) }
        }
    }
}
