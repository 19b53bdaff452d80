import Dispatch

/// A serial executor over a dispatch queue: an actor on it may call blocking C without starving the cooperative pool.
public final class QueueExecutor: SerialExecutor {
    let queue: DispatchQueue

    public init(label: String) { queue = DispatchQueue(label: label) }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    public func checkIsolated() { dispatchPrecondition(condition: .onQueue(queue)) }
}
