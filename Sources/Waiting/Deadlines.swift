/// Calls what is due: on the ``TaskThread`` that set it, else on one thread for all. Most deadlines are for what takes a
/// millisecond: one that was cancelled costs no wake-up of its own, as a timer of Dispatch or a sleeping task would.
///
/// Time stands still while the machine is suspended.
public enum Deadlines {
    /// A deadline that was set and may be cancelled.
    public struct Ticket: Sendable {
        fileprivate let thread: TaskThread
        fileprivate let number: UInt64
    }

    private static let shared = TaskThread(name: "deadlines")

    /// - Parameter body: must not wait for anything.
    public static func after(_ wait: Duration, _ body: @escaping @Sendable () -> Void) -> Ticket {
        let thread = TaskThread.current ?? shared
        return Ticket(thread: thread, number: thread.after(wait, body))
    }

    /// What was called already, or is being called, goes on.
    public static func cancel(_ ticket: Ticket) { ticket.thread.cancel(ticket.number) }
}
