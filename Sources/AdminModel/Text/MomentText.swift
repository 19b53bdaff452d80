import Glibc

/// A time that a person or a tool wrote: ISO 8601 with an offset (contract/patroni.md 1.7, 2.7).
public enum MomentText {
    public enum Failure: Error, Hashable, Sendable {
        case unreadable
        /// Without one nobody knows which hour is meant.
        case noOffset
    }

    /// `2026-11-21T03:00:00+01:00`, also with a space for the `T`, without seconds, with a fraction, and with `Z` or
    /// `UTC` for the offset.
    /// - Returns: the time since 1970-01-01 00:00 UTC.
    public static func parse(_ text: String) throws(Failure) -> Duration {
        var rest = text.trimmingSpaces[...]
        let year = try digits(&rest, 4)
        try skip(&rest, "-")
        let month = try digits(&rest, 2)
        try skip(&rest, "-")
        let day = try digits(&rest, 2)
        try skip(&rest, "Tt ")
        let hour = try digits(&rest, 2)
        try skip(&rest, ":")
        let minute = try digits(&rest, 2)
        var seconds = Duration.zero
        if rest.first == ":" {
            rest.removeFirst()
            seconds = .seconds(try digits(&rest, 2))
            if rest.first == "." {
                rest.removeFirst()
                let fraction = rest.prefix { $0.isASCII && $0.isNumber }
                guard let number = Double("0." + fraction) else { throw .unreadable }
                seconds += .milliseconds(Int(number * 1000))
                rest = rest.dropFirst(fraction.count)
            }
        }
        guard (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, seconds < .seconds(61) else {
            throw .unreadable
        }
        let offset = try offset(String(rest).trimmingSpaces)
        return .seconds(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 - offset) + seconds
    }

    /// Time since 1970-01-01 00:00 UTC by the wall clock, which may jump: for what people schedule, for nothing else.
    public static var now: Duration {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
    }

    /// Seconds east of Greenwich.
    private static func offset(_ text: String) throws(Failure) -> Int {
        guard !text.isEmpty else { throw .noOffset }
        if ["Z", "UTC", "GMT"].contains(text.uppercased()) { return 0 }
        var rest = text[...]
        guard let sign = rest.popFirst(), sign == "+" || sign == "-" else { throw .unreadable }
        let hours = try digits(&rest, 2)
        if rest.first == ":" { rest.removeFirst() }
        let minutes = rest.isEmpty ? 0 : try digits(&rest, 2)
        guard rest.isEmpty, hours < 24, minutes < 60 else { throw .unreadable }
        return (sign == "-" ? -1 : 1) * (hours * 3600 + minutes * 60)
    }

    private static func digits(_ rest: inout Substring, _ count: Int) throws(Failure) -> Int {
        let text = rest.prefix(count)
        guard text.count == count, text.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(text) else {
            throw .unreadable
        }
        rest = rest.dropFirst(count)
        return number
    }

    private static func skip(_ rest: inout Substring, _ any: String) throws(Failure) {
        guard let first = rest.first else { throw .unreadable }
        guard any.contains(first) else { throw .unreadable }
        rest.removeFirst()
    }

    /// Days since 1970-01-01 in the Gregorian calendar.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        // Years begin in March, so that a leap day is the last of its year.
        let y = month <= 2 ? year - 1 : year
        let era = y / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
