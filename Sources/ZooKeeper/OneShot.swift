import NIOConcurrencyHelpers
import Waiting

/// A result that several may try to give and one waits for: the reply, the deadline, the cancellation, the close.
/// The first wins; the others learn that they lost.
final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Value, Never>)
        case settled(Value)
        case done
    }

    private let state = NIOLockedValueBox<State>(.idle)

    /// Returns false when the result was given before.
    @discardableResult
    func settle(_ value: Value) -> Bool {
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

    /// Waits for the result; once only. At the deadline, or when the task is cancelled, the result is `late` of it.
    ///
    /// The timer stands still while the machine is suspended: nothing but progress depends on it.
    func value(within deadline: Duration, else late: @escaping @Sendable (ZooKeeperError.Code) -> Value) async -> Value
    {
        let timer = Deadlines.after(deadline) { [weak self] in self?.settle(late(.deadline)) }
        defer { Deadlines.cancel(timer) }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
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
        } onCancel: {
            settle(late(.cancelled))
        }
    }
}

extension Duration {
    /// Nanoseconds; the most an Int64 holds when there are more.
    var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : product.addingReportingOverflow(attoseconds / 1_000_000_000).0
    }
}
