import AdminModel
import Foundation
import HACore
import Support
import SystemPackage
import Testing

@testable import Agent

@Suite("The history of timelines")
struct HistoryPublisherTests {
    /// 2026-11-21T02:52:31.796887Z.
    private static let changed = timespec(tv_sec: 1_795_229_551, tv_nsec: 796_887_000)
    private static let one = "1\t0/4048D28\tno recovery target specified\n"
    private static let two = one + "\n2\t0/5000000\tno recovery target specified\n"

    /// The time of `changed` where the tests run.
    private static var timestamp: String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        let date = Date(timeIntervalSince1970: TimeInterval(changed.tv_sec))
        format.dateFormat = "yyyy-MM-dd'T'HH:mm:ss"
        let local = format.string(from: date)
        format.dateFormat = "xxx"
        return local + ".796887" + format.string(from: date)
    }

    private func update(
        _ stored: String?, timeline: UInt32, files: [String: String] = [:], keep: Int = 0
    ) throws -> String? {
        let folder = try TemporaryFolder("history")
        defer { folder.remove() }
        try folder.makeFolder("pg_wal")
        for (name, text) in files {
            let path = try folder.write("pg_wal/" + name, text)
            var times = [Self.changed, Self.changed]
            try #require(utimensat(AT_FDCWD, path, &times, 0) == 0)
        }
        return HistoryPublisher.update(
            stored: try stored.map { HistoryRecord(json: try JSONParser.parse($0)) }, timeline: Timeline(timeline),
            dataDirectory: FilePath(folder.path), me: "node-1", keep: keep)?.json.text(.compact)
    }

    private func line(_ parent: Int, _ lsn: Int, _ rest: String = "") -> String {
        #"[\#(parent),\#(lsn),"no recovery target specified"\#(rest)]"#
    }

    @Test("the first promotion")
    func first() throws {
        let expected = "[" + line(1, 67_407_144, #","\#(Self.timestamp)","node-1""#) + "]"
        #expect(try update(nil, timeline: 2, files: ["00000002.history": Self.one]) == expected)
        #expect(try update("[]", timeline: 2, files: ["00000002.history": Self.one]) == expected)
        if TimeZone.current.secondsFromGMT(for: Date(timeIntervalSince1970: 1_795_229_551)) == 0 {
            #expect(expected.contains(#""2026-11-21T02:52:31.796887+00:00","node-1""#))
        }
    }

    @Test("timeline 1 empties a list, and writes nothing where there is none")
    func firstTimeline() throws {
        #expect(try update(nil, timeline: 1) == nil)
        #expect(try update("[]", timeline: 1) == nil)
        #expect(try update("[" + line(1, 5, #","t","node-0""#) + "]", timeline: 1) == "[]")
    }

    @Test("what is stored already stays, without a look at the file")
    func upToDate() throws {
        #expect(try update("[" + line(1, 67_407_144, #","t","node-0""#) + "]", timeline: 2) == nil)
    }

    @Test("a last entry without its time or its leader is completed", arguments: ["", #","t""#])
    func incomplete(rest: String) throws {
        let updated = try update(
            "[" + line(1, 67_407_144, rest) + "]", timeline: 2, files: ["00000002.history": Self.one])
        #expect(updated == "[" + line(1, 67_407_144, #","\#(Self.timestamp)","node-1""#) + "]")
    }

    @Test("entries that still hold keep their time and leader, others lose them")
    func reuse() throws {
        let files = ["00000003.history": Self.two]
        let last = line(2, 83_886_080, #","\#(Self.timestamp)","node-1""#)
        let known = line(1, 67_407_144, #","t","node-0""#)
        #expect(try update("[" + known + "]", timeline: 3, files: files) == "[" + known + "," + last + "]")
        let elsewhere = line(1, 5, #","t","node-0""#)
        #expect(
            try update("[" + elsewhere + "]", timeline: 3, files: files)
                == "[" + line(1, 67_407_144) + "," + last + "]")
    }

    @Test("only the last ones are kept when the cluster says so", arguments: [(1, 1), (2, 2), (5, 2), (0, 2)])
    func truncation(keep: Int, count: Int) throws {
        let text = try #require(try update(nil, timeline: 3, files: ["00000003.history": Self.two], keep: keep))
        let items = try #require(try JSONParser.parse(text).asArray)
        #expect(items.count == count)
        #expect(items.last?.asArray?.first?.asInt == 2)
    }

    @Test("the file is named in upper-case hexadecimal digits")
    func name() throws {
        let text = "26\t0/5000000\tx\n"
        #expect(try update(nil, timeline: 27, files: ["0000001B.history": text]) != nil)
    }

    @Test("a timeline that skips a number is written once")
    func skipped() throws {
        // Timeline 2 was found in the archive: this server forked from 1 to 3.
        let files = ["00000003.history": Self.one]
        let written = try update(nil, timeline: 3, files: files)
        #expect(written == "[" + line(1, 67_407_144) + "]")
        #expect(try update(written, timeline: 3, files: files) == nil)
    }

    @Test(
        "a file that is missing, empty or no history changes nothing",
        arguments: [nil, "", "\n", "one\t0/1\tx\n", "1\n", "1\tnowhere\tx\n"])
    func unreadable(text: String?) throws {
        let files = text.map { ["00000002.history": $0] } ?? [:]
        #expect(try update(nil, timeline: 2, files: files) == nil)
    }

    @Test("a file without bounds is not read")
    func huge() throws {
        let text = String(repeating: "# nothing at all\n", count: 70_000)
        #expect(try update(nil, timeline: 2, files: ["00000002.history": text + Self.one]) == nil)
    }

    @Test("a time without a fraction has none")
    func isoTime() {
        let whole = HistoryPublisher.isoTime(timespec(tv_sec: 1_795_229_551, tv_nsec: 999))
        #expect(whole.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d/) != nil)
        let small = HistoryPublisher.isoTime(timespec(tv_sec: 1_795_229_551, tv_nsec: 5_000))
        #expect(small.contains(".000005"))
    }
}
