public import HACore
public import SystemPackage

extension Installation {
    /// Where the WAL of a stopped server ends. After a crash it is read with pg_waldump from the latest checkpoint on;
    /// after a clean stop, and when that does not succeed (no pg_waldump, too much WAL for the deadline, an end just at a
    /// segment's end, where pg_waldump waits 5 s for the next file), it is the greatest position in the control file.
    public func endOfWAL(
        _ dataDirectory: FilePath, control: ControlFile, deadline: Duration = .seconds(6)
    ) async -> LSN {
        let known = max(control.checkpoint, control.minRecoveryPoint)
        if control.state == .shutDown || control.state == .shutDownInRecovery { return known }
        let arguments = [
            "--quiet", "--path=\(dataDirectory.appending("pg_wal").string)", "--timeline=\(control.timeline)",
            "--start=\(control.checkpoint)",
        ]
        let output = try? await QuickCommand.run(path(of: .pgWaldump), arguments, deadline: deadline)
        let found = output.flatMap { Self.endOfWAL(in: $0.standardError) } ?? .zero
        return max(found, known)
    }

    /// Bytes of a WAL file, as the control file says; 16 MiB when it cannot be read.
    func walSegmentSize(_ dataDirectory: FilePath, deadline: Duration = .seconds(5)) async -> UInt64 {
        let output = try? await QuickCommand.run(
            path(of: .pgControldata), ["-D", dataDirectory.string], deadline: deadline)
        let line = output?.standardOutput.split(separator: "\n").first { $0.hasPrefix("Bytes per WAL segment:") }
        return line?.split(separator: " ").last.flatMap { UInt64($0) } ?? 16 << 20
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
