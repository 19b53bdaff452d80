import Glibc
public import HACore
public import SystemPackage

/// What files and the process table say of a running server that cannot be asked: every connection taken, a lock on a
/// catalog that connecting needs, a stopped postmaster.
public struct ServerFiles: Hashable, Sendable {
    private let dataDirectory: FilePath

    public init(dataDirectory: FilePath) { self.dataDirectory = dataDirectory }

    /// `postmaster.pid` is this postmaster's and says "ready": recovery is over, or a hot standby is consistent. Tells
    /// nothing of the role (design/postgres.md 1).
    public func isReady(postmaster pid: Int32) async -> Bool {
        let file = try? await Disk.run(within: .seconds(1)) { [dataDirectory] () throws(PostgresControlError) in
            LockFile.ofServer(in: dataDirectory)
        }
        return file?.pid == pid && file?.line(7)?.hasPrefix("ready") == true
    }

    /// The postmaster that runs in this directory, whoever started it, and what it was started as: a primary, unless a
    /// file that only the end of recovery removes says otherwise. Nil when `postmaster.pid` names none that lives here.
    public func runningPostmaster() async -> (pid: Int32, role: StartRole)? {
        try? await Disk.run(within: .seconds(1)) { [dataDirectory] () throws(PostgresControlError) in
            guard let file = LockFile.ofServer(in: dataDirectory), file.pid > 1, file.isIn(dataDirectory) else {
                return nil
            }
            let isStandby = ["standby.signal", "recovery.signal"].contains {
                access(dataDirectory.appending($0).string, F_OK) == 0
            }
            return (file.pid, isStandby ? .standby : .primary)
        }
    }

    /// Whether the postmaster was started with this service file, or with none for nil: its workers have no other. Nil
    /// when that cannot be seen, such as of another user's process or one that has ended.
    public func hasServiceFile(_ path: FilePath?, postmaster pid: Int32) async -> Bool? {
        try? await Disk.run(within: .seconds(1)) { () throws(PostgresControlError) in
            // The memory of the process is read: of a zombie there is none.
            guard let text = try AtomicFile.read(FilePath("/proc/\(pid)/environ")), !text.isEmpty else {
                throw PostgresControlError(.file, "process \(pid) shows no environment", outcome: .didNotHappen)
            }
            let name = StartCommand.serviceFileVariable + "="
            let found = text.split(separator: "\0").first { $0.hasPrefix(name) }
            return found?.dropFirst(name.count) == path.map { $0.string[...] }
        }
    }

    /// The newest timeline that has a WAL file here; nil when there is none or the disk is slow.
    public func newestTimeline() async -> Timeline? {
        let names = try? await Disk.run(within: .seconds(1)) { [dataDirectory] () throws(PostgresControlError) in
            try AtomicFile.entries(dataDirectory.appending("pg_wal")) ?? []
        }
        return (names ?? []).compactMap(WALFileName.init).map(\.timeline).max()
    }
}

/// The name of a WAL segment file: 24 hexadecimal digits, the timeline first.
struct WALFileName: Hashable, Sendable {
    let name: String
    let timeline: Timeline
    /// Orders the segments of one timeline, whatever their size is.
    let position: String

    init?(_ name: String) {
        guard name.utf8.count == 24, name.utf8.allSatisfy({ (48...57).contains($0) || (65...70).contains($0) }),
            let timeline = UInt32(name.prefix(8), radix: 16)
        else { return nil }
        self.name = name
        self.timeline = Timeline(timeline)
        position = String(name.dropFirst(8))
    }

    /// The position of the file that holds `lsn`.
    static func position(of lsn: LSN, segmentSize: UInt64) -> String {
        let segment = lsn.rawValue / segmentSize
        let perID = (UInt64(1) << 32) / segmentSize
        return (segment / perID).walDigits + (segment % perID).walDigits
    }
}
