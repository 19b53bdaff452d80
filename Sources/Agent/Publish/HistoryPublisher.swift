import AdminModel
import CPlatform
import Glibc
import HACore
import SystemPackage

/// Builds the `history` znode's value from the server's own history file (contract/patroni.md 1.8).
enum HistoryPublisher {
    /// The stored value ends with the promotion to this timeline, and with its leader.
    static func isRight(_ stored: HistoryRecord?, _ timeline: Timeline) -> Bool {
        guard let last = stored?.entries.last else { return timeline == Timeline(1) }
        return last.parent.rawValue + 1 == timeline.rawValue && last.leader != nil
    }

    /// Nil when the stored value is right already, or the file cannot be read. Reads a file of the data directory.
    static func update(
        stored: HistoryRecord?, timeline: Timeline, dataDirectory: FilePath, me: MemberID, keep: Int
    ) -> HistoryRecord? {
        if isRight(stored, timeline) { return nil }
        if timeline == Timeline(1) { return HistoryRecord(entries: []) }
        let entries = stored?.entries ?? []
        let path = dataDirectory.appending("pg_wal").appending(timeline.rawValue.walDigits + ".history")
        guard let (text, modified) = read(path), let history = TimelineHistory(timeline: timeline, text: text) else {
            return nil
        }
        var updated = history.forks.map { fork in
            entries.first { $0.parent == fork.parent && $0.switchLSN == fork.switchLSN }
                ?? HistoryRecord.Entry(parent: fork.parent, switchLSN: fork.switchLSN, reason: fork.reason)
        }
        if let last = updated.indices.last, updated[last].parent.rawValue + 1 == timeline.rawValue {
            updated[last].timestamp = modified
            updated[last].leader = me
        }
        if keep > 0 { updated = updated.suffix(keep) }
        // A timeline that skips a number never satisfies the shortcut above: without this it would be written each look.
        return updated.isEmpty || updated == entries ? nil : HistoryRecord(entries: updated)
    }

    /// The text, and the time of its last change as local ISO 8601 with offset.
    private static func read(_ path: FilePath) -> (String, String)? {
        let descriptor = open(path.string, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size < 1 << 20 else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        guard Glibc.read(descriptor, &bytes, bytes.count) == bytes.count else { return nil }
        return (String(decoding: bytes, as: UTF8.self), isoTime(status.st_mtim))
    }

    static func isoTime(_ time: timespec) -> String {
        var seconds = time.tv_sec
        var parts = tm()
        localtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let micro = String(time.tv_nsec / 1000)
        let fraction = time.tv_nsec / 1000 == 0 ? "" : "." + String(repeating: "0", count: 6 - micro.count) + micro
        let offset = abs(parts.tm_gmtoff) / 60
        let sign = parts.tm_gmtoff < 0 ? "-" : "+"
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):"
            + "\(two(parts.tm_min)):\(two(parts.tm_sec))\(fraction)\(sign)\(two(Int32(offset / 60))):"
            + two(Int32(offset % 60))
    }
}
