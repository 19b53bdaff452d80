public import HACore
public import SystemPackage

extension Installation {
    /// Where the WAL of a stopped server ends, found by reading it with pg_waldump from the latest checkpoint on; nil
    /// when that cannot be told (no pg_waldump, too much WAL for the deadline).
    public func endOfWAL(
        _ dataDirectory: FilePath, control: ControlFile, deadline: Duration = .seconds(10)
    ) async -> LSN? {
        let arguments = [
            "--quiet", "--path=\(dataDirectory.appending("pg_wal").string)",
            "--timeline=\(max(control.timeline, control.minRecoveryTimeline))",
            "--start=\(max(control.checkpoint, control.minRecoveryPoint))",
        ]
        let output = try? await QuickCommand.run(path(of: .pgWaldump), arguments, deadline: deadline)
        return output.flatMap { Self.endOfWAL(in: $0.standardError) }
    }

    /// `... error in WAL record at 0/1511A88: invalid record length at 0/1511B00: ...` -> 0/1511B00.
    static func endOfWAL(in text: String) -> LSN? {
        let words = text.split { $0 == " " || $0 == "\n" || $0 == "," }
        var last: LSN?
        for (index, word) in words.enumerated() where word == "at" && index + 1 < words.count {
            if let lsn = LSN(words[index + 1].prefix { $0 != ":" }) { last = max(last ?? .zero, lsn) }
        }
        return last
    }
}
