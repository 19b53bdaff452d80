import Glibc

/// A value under a pthread mutex, which the thread sanitizer understands; a class, since the mutex may not move.
// @unchecked: `value` is only touched with the mutex held.
final class Guarded<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    init(_ value: Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func withValue<Result>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}

/// Resumes a continuation with whatever comes first; what comes later is dropped.
final class OneShot<Value: Sendable>: Sendable {
    private let waiting: Guarded<CheckedContinuation<Value, Never>?>

    init(_ continuation: CheckedContinuation<Value, Never>) { waiting = Guarded(continuation) }

    func settle(_ value: Value) {
        let continuation = waiting.withValue { waiting in
            defer { waiting = nil }
            return waiting
        }
        continuation?.resume(returning: value)
    }
}
