import Glibc
import NIOConcurrencyHelpers

/// One thread that runs tasks, one after the other, and calls what is due: a task that prefers it changes threads only to
/// wait for another one, and a deadline that it sets wakes nobody.
///
/// What runs here must not block: all else here, and its deadlines, would wait. Time stands still while the machine is
/// suspended.
public final class TaskThread: TaskExecutor {
    private struct Entry {
        let due: UInt64
        let body: @Sendable () -> Void
    }

    private struct State {
        var jobs: [UnownedJob] = []
        var entries: [UInt64: Entry] = [:]
        var last: UInt64 = 0
        /// When the thread looks next by itself; `max`: when it is told to.
        var looksAt = UInt64.max
    }

    /// What the thread does next.
    private struct Turn {
        var jobs: [UnownedJob]
        var due: [Entry]
        /// Nanoseconds until something is due; nil: nothing is.
        var wait: Int64?
    }

    private let state = NIOLockedValueBox(State())
    private let bell = Doorbell()

    /// Starts the thread; it never ends.
    public init(name: String) {
        startThread(named: name) { [self] in
            pthread_setspecific(Self.key, Unmanaged.passUnretained(self).toOpaque())
            run()
        }
    }

    /// The one that this code runs on.
    static var current: TaskThread? {
        pthread_getspecific(key).map { Unmanaged<TaskThread>.fromOpaque($0).takeUnretainedValue() }
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLockedValue { $0.jobs.append(job) }
        ring()
    }

    func after(_ wait: Duration, _ body: @escaping @Sendable () -> Void) -> UInt64 {
        let due = Self.now &+ UInt64(wait.timerNanoseconds)
        let (number, isFirst) = state.withLockedValue { state in
            state.last += 1
            state.entries[state.last] = Entry(due: due, body: body)
            defer { state.looksAt = min(state.looksAt, due) }
            return (state.last, due < state.looksAt)
        }
        if isFirst { ring() }
        return number
    }

    func cancel(_ number: UInt64) {
        // Freed outside the lock: what it holds may set a deadline of its own when it goes.
        _ = state.withLockedValue { $0.entries.removeValue(forKey: number) }
    }

    /// The thread itself looks before it sleeps.
    private func ring() {
        if Self.current !== self { bell.ring() }
    }

    private func run() {
        while true {
            let turn = next()
            for job in turn.jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
            for entry in turn.due { entry.body() }
            if turn.jobs.isEmpty, turn.due.isEmpty { bell.wait(nanoseconds: turn.wait) }
        }
    }

    private func next() -> Turn {
        let now = Self.now
        return state.withLockedValue { state in
            defer { state.jobs = [] }
            let due = state.entries.filter { $0.value.due <= now }
            for number in due.keys { state.entries[number] = nil }
            state.looksAt = state.entries.values.map(\.due).min() ?? .max
            return Turn(
                jobs: state.jobs, due: due.values.sorted { $0.due < $1.due },
                wait: state.looksAt == .max ? nil : Int64(state.looksAt - now))
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
