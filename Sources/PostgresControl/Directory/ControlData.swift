public import HACore

/// pg_controldata's output: what `ControlFile` carries, and the settings that a standby may not start below.
public struct ControlData: Hashable, Sendable {
    public var control: ControlFile
    /// `max_connections`, `max_worker_processes`, `max_wal_senders`, `max_prepared_transactions` and
    /// `max_locks_per_transaction`, as the primary had them when this was written.
    public var standbyFloor: [String: Int]
    /// False when pg_controldata warned that the checksum does not match: a torn read, or a damaged file.
    public var checksumMatches: Bool

    /// Reads the output under `LC_ALL=C`, and what was printed on standard error; nil when a field of `ControlFile` is
    /// missing or not understood.
    public init?(output: some StringProtocol, warnings: String = "") {
        var fields: [Substring: Substring] = [:]
        for line in output.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop(while: { $0 == " " })
            fields[Substring(line[..<colon])] = Substring(value)
        }
        func lsn(_ name: Substring) -> LSN? { fields[name].flatMap { LSN($0) } }
        func timeline(_ name: Substring) -> Timeline? { fields[name].flatMap { UInt32($0) }.map { Timeline($0) } }
        guard let identifier = fields["Database system identifier"].flatMap({ SystemIdentifier($0) }),
            let state = fields["Database cluster state"].flatMap({ ControlFile.State(rawValue: String($0)) }),
            let checkpoint = lsn("Latest checkpoint location"),
            let redo = lsn("Latest checkpoint's REDO location"),
            let current = timeline("Latest checkpoint's TimeLineID"),
            let minimum = lsn("Minimum recovery ending location"),
            let minimumTimeline = timeline("Min recovery ending loc's timeline"),
            let hints = fields["wal_log_hints setting"], let checksums = fields["Data page checksum version"]
        else { return nil }
        control = ControlFile(
            systemIdentifier: identifier, state: state, timeline: current, checkpoint: checkpoint, redo: redo,
            minRecoveryPoint: minimum, minRecoveryTimeline: minimumTimeline,
            allowsRewind: hints == "on" || checksums != "0")
        standbyFloor = [:]
        for (label, name) in Self.floorLabels {
            standbyFloor[name] = fields["\(label) setting"].flatMap { Int($0) }
        }
        // On standard output up to 16, on standard error since 17.
        checksumMatches = !output.contains("CRC") && !warnings.contains("CRC")
    }

    private static let floorLabels = [
        ("max_connections", "max_connections"), ("max_worker_processes", "max_worker_processes"),
        ("max_wal_senders", "max_wal_senders"), ("max_prepared_xacts", "max_prepared_transactions"),
        ("max_locks_per_xact", "max_locks_per_transaction"),
    ]
}
