internal import AdminModel
internal import Glibc

/// When a switchover or restart shall happen, as a person says it.
package struct ScheduledTime: Hashable, Sendable {
    /// ISO 8601 with offset: `2026-11-21T21:30:00+01:00`.
    package let iso: String

    /// As questions show it, with a blank for the `T`.
    package var words: String { iso.replacing("T", with: " ") }

    /// Nil for `now`, for empty text and for none.
    ///
    /// Reads ISO 8601, with a blank for the `T`, without seconds, without the time, and a time alone, which is today's.
    /// What has no offset is meant here.
    package init?(_ text: String?) throws(ControlError) {
        guard let text, !text.isEmpty, text != "now" else { return nil }
        guard let iso = Self.read(text.trimmed) else {
            throw ControlError(
                "Unable to parse scheduled timestamp (\(text)). It should be in an unambiguous format (e.g. ISO 8601)")
        }
        self.iso = iso
    }

    /// An hour from now, as an example in a question.
    package static var example: String {
        var (moment, local) = (time(nil) + 3600, tm())
        localtime_r(&moment, &local)
        return text(local, "%Y-%m-%dT%H:%M")
    }

    private static func read(_ text: String) -> String? {
        let pattern =
            /((?<date>[0-9]{4}-[0-9]{2}-[0-9]{2})([Tt ]+|$))?((?<hour>[0-9]{1,2}):(?<minute>[0-9]{2})(:(?<second>[0-9]{2})(?<fraction>[.,][0-9]{1,6})?)?)?\s*(?<offset>[Zz]|UTC|GMT|[+-][0-9]{1,2}(:?[0-9]{2})?)?/
        guard let match = text.wholeMatch(of: pattern), match.date != nil || match.hour != nil else { return nil }
        var (now, today) = (time(nil), tm())
        localtime_r(&now, &today)
        let date = match.date.map(String.init) ?? Self.text(today, "%Y-%m-%d")
        let numbers = [match.hour, match.minute, match.second].map { $0.flatMap { $0 }.flatMap { Int32($0) } ?? 0 }
        let fraction = match.fraction.flatMap { $0 }.map {
            "." + $0.dropFirst() + String(repeating: "0", count: 7 - $0.count)
        }
        let clock = numbers.map { ($0 < 10 ? "0" : "") + String($0) }.joined(separator: ":")
        let offset = match.offset.flatMap { $0 }.map(Self.offset) ?? localOffset(date, numbers)
        let iso = "\(date)T\(clock)\(fraction ?? "")\(offset)"
        // The one reader of such times decides what is none, such as an hour 25 or a 30th of February.
        guard let moment = try? MomentText.parse(iso), isDay(date, moment, offset) else { return nil }
        return iso
    }

    /// `+01:00`, from any of its spellings.
    private static func offset(_ text: Substring) -> String {
        guard let sign = text.first, sign == "+" || sign == "-" else { return "+00:00" }
        let digits = text.dropFirst().filter { $0 != ":" }
        let padded = digits.count < 3 ? String(repeating: "0", count: 2 - digits.count) + digits + "00" : "0" + digits
        let four = padded.suffix(4)
        return "\(sign)\(four.prefix(2)):\(four.suffix(2))"
    }

    /// What the clocks here are from UTC at that time.
    private static func localOffset(_ date: String, _ clock: [Int32]) -> String {
        let parts = date.split(separator: "-").compactMap { Int32($0) }
        guard parts.count == 3, clock.count == 3 else { return "+00:00" }
        var local = tm()
        (local.tm_year, local.tm_mon, local.tm_mday) = (parts[0] - 1900, parts[1] - 1, parts[2])
        (local.tm_hour, local.tm_min, local.tm_sec) = (clock[0], clock[1], clock[2])
        local.tm_isdst = -1
        mktime(&local)
        let minutes = abs(local.tm_gmtoff) / 60
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        return (local.tm_gmtoff < 0 ? "-" : "+") + two(minutes / 60) + ":" + two(minutes % 60)
    }

    /// Whether the calendar has this date: a time past the end of a month would be one of the next.
    private static func isDay(_ date: String, _ moment: Duration, _ offset: String) -> Bool {
        guard let east = try? MomentText.parse("1970-01-01T00:00\(offset)") else { return false }
        var (seconds, utc) = (time_t((moment - east).components.seconds), tm())
        gmtime_r(&seconds, &utc)
        return text(utc, "%Y-%m-%d") == date
    }

    private static func text(_ moment: tm, _ format: String) -> String { moment.text(format) }
}

extension tm {
    func text(_ format: String) -> String {
        var moment = self
        return String(unsafeUninitializedCapacity: 64) { buffer in
            buffer.withMemoryRebound(to: CChar.self) { strftime($0.baseAddress, $0.count, format, &moment) }
        }
    }
}

/// The clock on the wall, for lines that people read.
package enum WallClock {
    /// `2026-11-21 02:52:32`, with the digits of the fraction that are asked for.
    package static func text(fraction: Int = 0) -> String {
        var (now, local) = (timespec(), tm())
        clock_gettime(CLOCK_REALTIME, &now)
        localtime_r(&now.tv_sec, &local)
        let digits = String(1_000_000_000 + now.tv_nsec).dropFirst().prefix(fraction)
        return local.text("%Y-%m-%d %H:%M:%S") + (fraction > 0 ? "." + digits : "")
    }
}
