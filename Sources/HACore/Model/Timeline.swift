/// A PostgreSQL timeline identifier (1 for a fresh cluster).
public struct Timeline: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public init(_ number: UInt32) { self.rawValue = number }

    public var description: String { String(rawValue) }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension FixedWidthInteger {
    /// Eight hexadecimal digits, as the names of files in `pg_wal` are made of.
    public var walDigits: String {
        let digits = String(self, radix: 16, uppercase: true)
        return String(repeating: "0", count: Swift.max(0, 8 - digits.count)) + digits
    }
}

/// The ancestry of a timeline, as in `pg_wal/NNNNNNNN.history` or the reply to `TIMELINE_HISTORY`.
public struct TimelineHistory: Hashable, Sendable {
    /// One line of the file: `parent` ended at `switchLSN`.
    public struct Fork: Hashable, Sendable {
        public let parent: Timeline
        public let switchLSN: LSN
        public let reason: String

        public init(parent: Timeline, switchLSN: LSN, reason: String = "") {
            self.parent = parent
            self.switchLSN = switchLSN
            self.reason = reason
        }
    }

    public let timeline: Timeline
    /// Oldest first.
    public let forks: [Fork]

    public init(timeline: Timeline, forks: [Fork]) {
        self.timeline = timeline
        self.forks = forks
    }

    /// Reads the text of a history file; lines that are empty or comments are skipped, other odd lines make it nil.
    public init?(timeline: Timeline, text: some StringProtocol) {
        var forks: [Fork] = []
        for line in text.split(separator: "\n") {
            let fields = line.split(maxSplits: 2, whereSeparator: { $0 == "\t" || $0 == " " })
            guard let first = fields.first, !first.hasPrefix("#") else { continue }
            guard fields.count >= 2, let parent = UInt32(first), let lsn = LSN(fields[1]) else { return nil }
            forks.append(
                Fork(parent: Timeline(parent), switchLSN: lsn, reason: fields.count > 2 ? String(fields[2]) : ""))
        }
        self.init(timeline: timeline, forks: forks)
    }

    /// Where `ancestor` was left on the way to this timeline; nil when it is no ancestor of it.
    public func switchPoint(of ancestor: Timeline) -> LSN? {
        forks.first { $0.parent == ancestor }?.switchLSN
    }
}
