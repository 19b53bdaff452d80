import NIOConcurrencyHelpers

/// A serial executor on a thread of its own: an actor on it may call blocking C without starving the cooperative pool.
/// The thread ends with the executor and what was handed to it.
public final class ThreadExecutor: SerialExecutor {
    /// What the thread holds: not the executor, which would never go then.
    private final class Work: Sendable {
        private struct State {
            var jobs: [@Sendable () -> Void] = []
            var isOver = false
        }

        private let state = NIOLockedValueBox(State())
        private let bell = Doorbell()

        func add(_ job: @escaping @Sendable () -> Void) {
            state.withLockedValue { $0.jobs.append(job) }
            bell.ring()
        }

        func end() {
            state.withLockedValue { $0.isOver = true }
            bell.ring()
        }

        func run() {
            while true {
                let (jobs, isOver) = state.withLockedValue { state in
                    defer { state.jobs = [] }
                    return (state.jobs, state.isOver)
                }
                for job in jobs { job() }
                if jobs.isEmpty {
                    if isOver { return }
                    bell.wait(nanoseconds: nil)
                }
            }
        }
    }

    private let work = Work()

    public init(name: String) { startThread(named: name) { [work] in work.run() } }

    deinit { work.end() }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        run { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    /// Runs something that is nobody's task, in its turn.
    public func run(_ body: @escaping @Sendable () -> Void) { work.add(body) }
}
