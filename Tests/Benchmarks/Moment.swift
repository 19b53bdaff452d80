import Foundation

/// One moment by both clocks: the client's rows have monotonic times, the agents' log lines those of the wall clock.
struct Moment: Sendable {
    let instant: ContinuousClock.Instant
    /// Milliseconds of the local day, as a log line shows them.
    let timeOfDay: Int

    static var now: Moment {
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        var local = tm()
        localtime_r(&clock.tv_sec, &local)
        let seconds = (Int(local.tm_hour) * 60 + Int(local.tm_min)) * 60 + Int(local.tm_sec)
        return Moment(instant: .now, timeOfDay: seconds * 1000 + clock.tv_nsec / 1_000_000)
    }

    /// How long after this moment a log line has this time.
    func until(timeOfDay other: Int) -> Duration {
        // The nearer of both ways around the clock: midnight may lie between.
        let day = 86_400_000
        let passed = ((other - timeOfDay) % day + day + day / 2) % day - day / 2
        return .milliseconds(passed)
    }
}
