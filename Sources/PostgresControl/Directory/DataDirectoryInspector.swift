import Glibc
public import HACore
public import SystemPackage

/// Looks at a data directory without changing it.
public struct DataDirectoryInspector: Sendable {
    public let installation: Installation
    /// The programs' version; nil leaves PG_VERSION unchecked.
    public let majorVersion: Int?

    public init(installation: Installation, majorVersion: Int?) {
        self.installation = installation
        self.majorVersion = majorVersion
    }

    /// What is there. Never throws: what cannot be found out makes the directory unusable, with the reason.
    /// - Parameter deadline: for pg_controldata.
    public func inspect(_ directory: FilePath, deadline: Duration = .seconds(5)) async -> DataDirectory {
        do throws(PostgresControlError) {
            let majorVersion = majorVersion
            let found = try await Disk.run { () throws(PostgresControlError) in
                try Self.look(at: directory, majorVersion)
            }
            if let found { return found }
            return .ready(try await controlData(directory, deadline: deadline).control)
        } catch {
            return .unusable(error.message)
        }
    }

    /// pg_controldata's output, read again when the checksum does not match: a running server may be writing it.
    /// - Throws: `.tool`, `.timedOut`, `.unexpected`.
    public func controlData(
        _ directory: FilePath, deadline: Duration = .seconds(5)
    ) async throws(PostgresControlError) -> ControlData {
        let program = installation.path(of: .pgControldata)
        for _ in 0..<3 {
            let output = try await QuickCommand.run(program, ["-D", directory.string], deadline: deadline)
            guard output.succeeded else {
                let reason = output.standardError.split(separator: "\n").first ?? ""
                throw PostgresControlError(.tool, "pg_controldata: \(output.status) \(reason)", outcome: .didNotHappen)
            }
            guard let data = ControlData(output: output.standardOutput, warnings: output.standardError) else {
                throw PostgresControlError(
                    .unexpected, "pg_controldata's output was not understood", outcome: .didNotHappen)
            }
            if data.checksumMatches { return data }
        }
        throw PostgresControlError(.unexpected, "the control file's checksum does not match", outcome: .didNotHappen)
    }

    /// A server started from here begins as a standby.
    public static func isStandbySignalled(_ directory: FilePath) async -> Bool {
        let found = try? await Disk.run { () throws(PostgresControlError) in
            AtomicFile.exists(directory.appending("standby.signal"))
        }
        return found ?? false
    }

    /// All that can be told without pg_controldata; nil when the directory looks sound.
    private static func look(at directory: FilePath, _ majorVersion: Int?) throws(PostgresControlError)
        -> DataDirectory?
    {
        var status = stat()
        guard stat(directory.string, &status) == 0 else {
            return errno == ENOENT ? .empty : .unusable(AtomicFile.failure("stat", directory).message)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return .unusable("\(directory.string) is not a directory") }
        let user = geteuid()
        if user != 0, status.st_uid != user {
            return .unusable(
                "\(directory.string) belongs to user \(status.st_uid), not to us (\(user)): chown it, or start as its owner"
            )
        }
        guard let entries = try AtomicFile.entries(directory), !entries.isEmpty else { return .empty }
        if let marker = try UnfinishedMarker.read(for: directory) {
            if UnfinishedMarker.isOfRewind(marker) { return .unfinished(marker, .rewind) }
            let isCopy = UnfinishedMarker.isOfClone(marker) || UnfinishedMarker.isOfRestore(marker)
            return .unfinished(marker, isCopy ? .clone : .unknown)
        }
        guard let text = try AtomicFile.read(directory.appending("PG_VERSION")) else {
            return .unusable(
                "\(directory.string) has no PG_VERSION: it is not a data directory; empty it, or name another one in "
                    + "postgresql.data_dir")
        }
        guard status.st_mode & 0o027 == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            return .unusable("\(directory.string) has mode \(mode): PostgreSQL wants 0700 or 0750 (chmod)")
        }
        let version = text.prefix { !$0.isNewline }
        if let majorVersion, Int(version) != majorVersion {
            return .unusable("\(directory.string) is of PostgreSQL \(version), the programs are of \(majorVersion)")
        }
        return nil
    }
}
