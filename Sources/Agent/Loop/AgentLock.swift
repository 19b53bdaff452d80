import Glibc
import HACore
import PostgresControl
import SystemPackage

/// `agent.lock` in the runtime folder, held for life: who has it knows that no other agent of this data directory
/// lives (design/rulings, Lock 7). A predecessor that a keeper knows is killed by it at the attach.
struct AgentLock {
    private let descriptor: CInt

    /// Takes the lock; the kernel gives it back at the end of the process, whatever that end is.
    /// - Throws: when another agent still holds it after `patience`.
    init(_ runtime: RuntimeFolder, patience: Duration) async throws {
        let path = runtime.agentLock.string
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StartRefused("cannot open \(path): \(String(cString: strerror(errno)))") }
        let until = Instant.now + patience
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard Instant.now < until else {
                throw StartRefused("another agent of this data directory lives: it holds \(path)")
            }
            try await Task.sleep(for: .milliseconds(20), clock: .continuous)
        }
    }
}
