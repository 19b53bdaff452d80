import Glibc

/// What one thread sleeps on and others ring. By the monotonic clock: a semaphore's wait ends by the wall clock, and one
/// that is set back an hour would hold its thread up for an hour.
// @unchecked: `rung` is only touched with the mutex held.
public final class Doorbell: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var rung = false

    public init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Ends the wait that is under way, or the next one.
    public func ring() {
        pthread_mutex_lock(mutex)
        rung = true
        pthread_mutex_unlock(mutex)
        // Unlocked: whoever wakes would have to wait once more.
        pthread_cond_signal(condition)
    }

    /// Sleeps until it rings.
    /// - Parameter nanoseconds: the longest that it sleeps; nil: for ever.
    public func wait(nanoseconds: Int64?) {
        pthread_mutex_lock(mutex)
        defer {
            rung = false
            pthread_mutex_unlock(mutex)
        }
        guard let nanoseconds else {
            while !rung { pthread_cond_wait(condition, mutex) }
            return
        }
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        let total = Int64(end.tv_nsec) + nanoseconds % 1_000_000_000
        end.tv_sec += Int(nanoseconds / 1_000_000_000 + total / 1_000_000_000)
        end.tv_nsec = Int(total % 1_000_000_000)
        while !rung, pthread_cond_timedwait(condition, mutex, &end) == 0 {}
    }
}
