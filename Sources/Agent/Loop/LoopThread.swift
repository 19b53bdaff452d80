import Waiting

/// Where the loop looks and decides.
enum LoopThread {
    static let shared = TaskThread(name: "loop")
}
