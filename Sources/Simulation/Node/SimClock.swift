import HACore

/// A node's CLOCK_BOOTTIME: another origin and, within the bound of the lease, another rate than the reference.
struct SimClock {
    let origin: Int64
    /// Parts per million by which it runs fast.
    let drift: Int64

    func local(_ time: Nanoseconds) -> Instant {
        Instant(nanoseconds: origin + time + time / 1_000_000 * drift)
    }

    func reference(of instant: Instant) -> Nanoseconds {
        let elapsed = instant.rawValue - origin
        return elapsed - elapsed / (1_000_000 + drift) * drift + 1
    }
}
