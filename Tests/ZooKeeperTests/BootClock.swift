import Glibc

/// CLOCK_BOOTTIME in ns, as the sessions give it.
enum BootClock {
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
