import CPlatform
import Foundation

/// Starts a thread that is nobody's pool: what runs there is delayed by no task, no actor and no queue.
/// - Parameter name: at most 15 bytes, as `top -H` shows it.
public func startThread(named name: String, _ body: @escaping @Sendable () -> Void) {
    let thread = Thread {
        matriarch_name_thread(name)
        body()
    }
    thread.stackSize = 512 * 1024
    thread.start()
}
