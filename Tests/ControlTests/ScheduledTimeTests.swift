import Glibc
import Testing

@testable import Control

@Suite("When something shall happen")
struct ScheduledTimeTests {
    @Test(
        "ISO 8601 in its spellings",
        arguments: [
            ("2099-01-01T12:00:00+01:00", "2099-01-01T12:00:00+01:00"),
            ("2099-01-01 12:00+0130", "2099-01-01T12:00:00+01:30"), ("2099-01-01T12:00-3", "2099-01-01T12:00:00-03:00"),
            ("2099-01-01T12:00:00.5Z", "2099-01-01T12:00:00.500000+00:00"),
            ("2099-01-01 9:30 UTC", "2099-01-01T09:30:00+00:00"), ("2099-01-01T00:30+05", "2099-01-01T00:30:00+05:00"),
            ("2096-02-29T12:00Z", "2096-02-29T12:00:00+00:00"),
        ])
    func offsets(text: String, iso: String) throws {
        #expect(try ScheduledTime(text)?.iso == iso)
    }

    @Test func withoutAnOffsetItIsMeantHere() throws {
        setenv("TZ", "XYZ-02:30", 1)
        tzset()
        defer {
            unsetenv("TZ")
            tzset()
        }
        #expect(try ScheduledTime("2099-01-01T12:00")?.iso == "2099-01-01T12:00:00+02:30")
        #expect(try ScheduledTime("2099-01-01")?.iso == "2099-01-01T00:00:00+02:30")
        #expect(try ScheduledTime("21:30")?.iso.hasSuffix("T21:30:00+02:30") == true)
    }

    @Test func nowIsNoTime() throws {
        #expect(try ScheduledTime(nil) == nil && ScheduledTime("") == nil && ScheduledTime("now") == nil)
    }

    @Test(arguments: ["tomorrow", "2099-02-30T12:00Z", "2099-13-01T12:00Z", "25:00", "2099-01-01T12:61Z", "12", "-3"])
    func whatCannotBeRead(text: String) {
        #expect(
            throws: ControlError(
                "Unable to parse scheduled timestamp (\(text)). It should be in an unambiguous format (e.g. ISO 8601)")
        ) { try ScheduledTime(text) }
    }
}
