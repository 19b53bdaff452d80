import Foundation
import NIOConcurrencyHelpers

/// Calls what is due, on one thread for all. Most deadlines are for what takes a millisecond: one that was cancelled
/// costs no wake-up of its own, as a timer of Dispatch or a sleeping task would.
///
/// It stands still while the machine is suspended.
public final class Deadlines: Sendable {
    /// A deadline that was set and may be cancelled.
    public struct Ticket: Sendable {
        fileprivate let number: UInt64
    }

    private struct Entry {
        let due: UInt64
        let body: @Sendable () -> Void
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        var last: UInt64 = 0
        /// When the thread looks next by itself; `max`: when it is told to.
        var looksAt = UInt64.max
    }

    private static let shared = Deadlines()
    private let state = NIOLockedValueBox(State())
    private let bell = Doorbell()

    private init() {
        let thread = Thread { [self] in run() }
        thread.name = "deadlines"
        thread.stackSize = 256 * 1024
        thread.start()
    }

    /// - Parameter body: called on the common thread; must not wait for anything.
    public static func after(_ wait: Duration, _ body: @escaping @Sendable () -> Void) -> Ticket {
        shared.add(wait, body)
    }

    /// What was called already, or is being called, goes on.
    public static func cancel(_ ticket: Ticket) {
        // Freed outside the lock: what it holds may set a deadline of its own when it goes.
        _ = shared.state.withLockedValue { $0.entries.removeValue(forKey: ticket.number) }
    }

    private func add(_ wait: Duration, _ body: @escaping @Sendable () -> Void) -> Ticket {
        let due = Self.now &+ UInt64(wait.timerNanoseconds)
        let (ticket, isFirst) = state.withLockedValue { state in
            state.last += 1
            state.entries[state.last] = Entry(due: due, body: body)
            defer { state.looksAt = min(state.looksAt, due) }
            return (Ticket(number: state.last), due < state.looksAt)
        }
        if isFirst { bell.ring() }
        return ticket
    }

    private func run() {
        while true {
            let now = Self.now
            let (due, wait) = state.withLockedValue { state -> ([Entry], Int64?) in
                let due = state.entries.filter { $0.value.due <= now }
                for number in due.keys { state.entries[number] = nil }
                state.looksAt = state.entries.values.map(\.due).min() ?? .max
                let wait = state.looksAt == .max ? nil : Int64(state.looksAt - now)
                return (due.values.sorted { $0.due < $1.due }, wait)
            }
            for entry in due { entry.body() }
            if due.isEmpty { bell.wait(nanoseconds: wait) }
        }
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension Duration {
    /// Not negative, and at most a century, which no addition overflows.
    fileprivate var timerNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return max(0, min(seconds, 3_155_760_000) * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
