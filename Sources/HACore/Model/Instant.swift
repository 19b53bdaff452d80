/// A moment of CLOCK_BOOTTIME in nanoseconds: monotonic, counts suspended time, supplied by the caller.
public struct Instant: RawRepresentable, Hashable, Sendable, Comparable {
    public let rawValue: Int64

    public init(rawValue: Int64) { self.rawValue = rawValue }
    public init(nanoseconds: Int64) { self.rawValue = nanoseconds }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public static func + (left: Self, right: Duration) -> Self { Instant(rawValue: left.rawValue + right.nanoseconds) }
    public static func - (left: Self, right: Duration) -> Self { Instant(rawValue: left.rawValue - right.nanoseconds) }
    public static func - (left: Self, right: Self) -> Duration { .nanoseconds(left.rawValue - right.rawValue) }
}

extension Duration {
    /// The whole nanoseconds of this duration (a lease is counted in them); about 292 years fit.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    /// The whole milliseconds of this duration, rounded towards zero.
    public var milliseconds: Int64 { nanoseconds / 1_000_000 }
}
