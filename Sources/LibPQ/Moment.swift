import Glibc

/// A point of CLOCK_BOOTTIME by which something must be over.
struct Moment: Sendable {
    let nanoseconds: Int64

    static var now: Moment {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    static func after(_ wait: Duration) -> Moment {
        let (seconds, attoseconds) = wait.components
        let (sum, overflow) = now.nanoseconds.addingReportingOverflow(
            (seconds > 3_000_000_000 ? 3_000_000_000 : seconds) * 1_000_000_000 + attoseconds / 1_000_000_000)
        return Moment(nanoseconds: overflow ? .max : sum)
    }

    /// Zero when the moment has passed.
    var nanosecondsLeft: Int64 { max(0, nanoseconds - Moment.now.nanoseconds) }
    var hasPassed: Bool { nanosecondsLeft == 0 }
}

/// What a socket is waited for.
enum Direction {
    case readable, writable, either

    fileprivate var events: Int32 {
        switch self {
        case .readable: POLLIN
        case .writable: POLLOUT
        case .either: POLLIN | POLLOUT
        }
    }
}

/// Waits for a descriptor; false when the deadline passed first.
func waitUntil(_ direction: Direction, _ descriptor: Int32, by deadline: Moment) -> Bool {
    while true {
        let left = deadline.nanosecondsLeft
        var entry = pollfd(fd: descriptor, events: Int16(direction.events), revents: 0)
        // Rounded up, so that a wait of less than a millisecond does not spin; at most a second at a time, because
        // poll(2) does not count the time a machine is suspended and the deadline does.
        let ready = poll(&entry, 1, Int32(min(1000, (left + 999_999) / 1_000_000)))
        if ready > 0 { return true }
        if left == 0 { return false }
        if ready < 0 && errno != EINTR { return true }  // the caller's next libpq call names the error
    }
}
