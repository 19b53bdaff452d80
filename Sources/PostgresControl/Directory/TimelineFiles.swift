public import HACore
public import SystemPackage

/// The history files in `pg_wal`, by which PostgreSQL chooses the number of a new timeline: the first without a file
/// after its own.
///
/// A leader that dies before anybody has streamed its timeline leaves no file on the others: the next one would give
/// the same number to another history, which neither PostgreSQL nor pg_rewind can tell apart. Empty files for the
/// numbers that were given away make it pass them over (ran on 15, 17 and 18: a standby does not follow an empty
/// history, and gets it from its primary like any other).
public struct TimelineFiles: Hashable, Sendable {
    private let folder: FilePath

    public init(dataDirectory: FilePath) { folder = dataDirectory.appending("pg_wal") }

    /// Makes PostgreSQL's next promotion begin a timeline above `own`, every file that is here and `reserved`.
    /// - Returns: the number that it will choose.
    /// - Throws: `.file`.
    public func next(
        own: Timeline, reserved: Timeline?
    ) async throws(PostgresControlError) -> Timeline {
        try await Disk.run { [folder] () throws(PostgresControlError) in
            let present = Set(try (AtomicFile.entries(folder) ?? []).compactMap(Self.number))
            let next = max(own.rawValue, present.max() ?? 0, reserved?.rawValue ?? 0) + 1
            for number in own.rawValue + 1..<next where !present.contains(number) {
                try AtomicFile.write("", to: folder.appending(Self.name(number)), mode: 0o600)
            }
            return Timeline(next)
        }
    }

    /// Takes the numbers that were passed over and lead nowhere out again: a server that is started as a standby would
    /// take the highest of them for its own timeline, and follow no other any more. Whoever promotes makes them anew.
    /// - Throws: `.file`.
    public func removeTrailingEmpty() async throws(PostgresControlError) {
        try await Disk.run { [folder] () throws(PostgresControlError) in
            let numbers = try (AtomicFile.entries(folder) ?? []).compactMap(Self.number).sorted()
            for number in numbers.reversed() {
                let path = folder.appending(Self.name(number))
                guard try AtomicFile.read(path)?.isEmpty == true else { return }
                try AtomicFile.remove(path)
            }
        }
    }

    /// Where the timeline's parent was left: the last line of its history file.
    /// - Returns: nil for the first timeline, which has no file.
    /// - Throws: `.file`; `.unexpected` when the file is missing, empty (a number that was passed over) or cannot be read.
    public func fork(of timeline: Timeline) async throws(PostgresControlError) -> LSN? {
        try await history(of: timeline)?.forks.last?.switchLSN
    }

    /// All that the timeline's history file says, which is at least where its parent was left.
    /// - Returns: nil for the first timeline.
    /// - Throws: as `fork`.
    public func history(of timeline: Timeline) async throws(PostgresControlError) -> TimelineHistory? {
        guard timeline > Timeline(1) else { return nil }
        let path = folder.appending(Self.name(timeline.rawValue))
        let text = try await Disk.run { () throws(PostgresControlError) in try AtomicFile.read(path) }
        guard let history = text.flatMap({ TimelineHistory(timeline: timeline, text: $0) }), !history.forks.isEmpty
        else {
            throw PostgresControlError(
                .unexpected, "\(path) does not say where timeline \(timeline) began", outcome: .didNotHappen)
        }
        return history
    }

    static func name(_ number: UInt32) -> String { number.walDigits + ".history" }

    static func number(_ name: String) -> UInt32? {
        guard name.utf8.count == 16, name.hasSuffix(".history") else { return nil }
        return UInt32(name.prefix(8), radix: 16)
    }
}
