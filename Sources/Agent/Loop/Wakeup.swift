import CPlatform
import HACore
import NIOConcurrencyHelpers
import Waiting

extension Instant {
    /// Now, by the clock that every deadline of the agent uses.
    static var now: Instant { Instant(nanoseconds: matriarch_boottime_ns()) }
}

/// A one-slot "look again" flag with a timer: events only say that something happened, never what.
///
/// The first wake acts at once; ordinary ones that follow a look within 20 ms merge into one more (rulings, Tests).
final class Wakeup: Sendable {
    private struct State {
        var pending = false
        var urgent = false
        var waiter: (id: UInt64, continuation: CheckedContinuation<Void, Never>)?
        var nextID: UInt64 = 0
        /// The timer or the cancellation of this wait came before its waiter was in place.
        var ended: UInt64 = 0
        var signals: UInt64 = 0
        var lastLook = Instant(nanoseconds: 0)
    }

    private static let merging = Duration.milliseconds(20)
    private let state = NIOLockedValueBox(State())

    /// Asks for a look: at once when `urgent`, else merged with others that come close behind one another.
    func signal(urgent: Bool = false) {
        let resume: CheckedContinuation<Void, Never>? = state.withLockedValue { state in
            state.pending = true
            state.signals += 1
            state.urgent = state.urgent || urgent
            defer { state.waiter = nil }
            return state.waiter?.continuation
        }
        resume?.resume()
    }

    /// Waits for a signal, at most `pause`. Every exit clears the flag.
    func wait(atMost pause: Duration) async {
        let until = Instant.now + pause
        while true {
            let now = Instant.now
            let (left, seen): (Duration?, UInt64) = state.withLockedValue { state in
                if state.urgent || (state.pending && now - state.lastLook >= Self.merging) { return (nil, 0) }
                let due = state.pending ? min(until, state.lastLook + Self.merging) : until
                return (due > now ? due - now : nil, state.signals)
            }
            guard let left, !Task.isCancelled else { break }
            await sleep(left, unlessSignalledSince: seen)
        }
        state.withLockedValue { state in
            state.pending = false
            state.urgent = false
            state.lastLook = Instant.now
        }
    }

    private func sleep(_ duration: Duration, unlessSignalledSince seen: UInt64) async {
        let id = state.withLockedValue { state in
            state.nextID += 1
            return state.nextID
        }
        let timer = Deadlines.after(duration) { self.end(id) }
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let over: Bool = state.withLockedValue { state in
                    // What came between the check and here must not be slept through.
                    if state.signals != seen || state.ended >= id { return true }
                    state.waiter = (id, continuation)
                    return false
                }
                if over { continuation.resume() }
            }
        } onCancel: {
            self.end(id)
        }
        Deadlines.cancel(timer)
    }

    private func end(_ id: UInt64) {
        let resume: CheckedContinuation<Void, Never>? = state.withLockedValue { state in
            state.ended = max(state.ended, id)
            guard let waiter = state.waiter, waiter.id == id else { return nil }
            state.waiter = nil
            return waiter.continuation
        }
        resume?.resume()
    }
}
