import Foundation

/// Starts a thread that is nobody's pool: what runs there is delayed by no task, no actor and no queue.
func startThread(named name: String, _ body: @escaping @Sendable () -> Void) {
    let thread = Thread(block: body)
    thread.name = name
    thread.stackSize = 512 * 1024
    thread.start()
}
