import Foundation
import Glibc
public import SystemPackage

/// Moves whole data directories. Only what is beside them and made by us is ever deleted, unless the caller says so.
public struct DataDirectoryLayout: Hashable, Sendable {
    public let dataDirectory: FilePath
    /// For tests, which cannot mount.
    var isMountPoint = false

    public init(_ dataDirectory: FilePath) { self.dataDirectory = FilePath(dataDirectory.removingTrailingSlashes) }

    /// Where initdb works until it has finished.
    public var bootstrapStaging: FilePath { FilePath("\(dataDirectory.string).new") }
    /// Where a clone arrives until it is complete.
    public var cloneStaging: FilePath { FilePath("\(dataDirectory.string).clone") }

    /// Renames the data directory to `<dir>.<suffix>.<UTC time>`, with its WAL directory and tablespaces when they lie
    /// elsewhere, and removes the marker of an unfinished operation. Deletes nothing.
    /// - Returns: the new path; nil when there was no directory.
    /// - Throws: `.file`; `.wrongState` for a mount point, which cannot be renamed.
    @discardableResult
    public func moveAside(_ suffix: String) async throws(PostgresControlError) -> FilePath? {
        try await Disk.run { () throws(PostgresControlError) in try moveAsideNow(suffix) }
    }

    /// Puts a finished staging directory in the data directory's place, which must be absent or empty. The renames are
    /// on disk when this returns.
    func moveIntoPlace(_ staging: FilePath) throws(PostgresControlError) {
        try UnfinishedMarker.remove(for: dataDirectory)
        if rmdir(dataDirectory.string) != 0, errno != ENOENT { throw AtomicFile.failure("replace", dataDirectory) }
        try AtomicFile.rename(staging, to: dataDirectory)
    }

    /// The data directory is a mount point, or its parent may not be written: nothing can be renamed into its place.
    var mustWorkInPlace: Bool {
        if isMountPoint { return true }
        var own = stat()
        var parent = stat()
        let above = dataDirectory.removingLastComponent()
        guard stat(above.string, &parent) == 0, access(above.string, W_OK) == 0 else { return true }
        guard stat(dataDirectory.string, &own) == 0 else { return false }
        return own.st_dev != parent.st_dev
    }

    var isEmpty: Bool {
        get throws(PostgresControlError) { try AtomicFile.entries(dataDirectory)?.isEmpty ?? true }
    }

    /// WAL directory and tablespaces outside the data directory, as (link, target).
    func externals() throws(PostgresControlError) -> [(link: FilePath, target: FilePath)] {
        var links = [dataDirectory.appending("pg_wal")]
        let tablespaces = dataDirectory.appending("pg_tblspc")
        links += (try AtomicFile.entries(tablespaces) ?? []).map { tablespaces.appending($0) }
        return links.compactMap { link in
            var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
            let length = readlink(link.string, &buffer, Int(PATH_MAX))
            guard length > 0 else { return nil }
            let target = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return (link, FilePath(target))
        }
    }

    func moveAsideNow(_ suffix: String) throws(PostgresControlError) -> FilePath? {
        guard AtomicFile.exists(dataDirectory) else {
            try UnfinishedMarker.remove(for: dataDirectory)
            return nil
        }
        guard !mustWorkInPlace else {
            throw PostgresControlError(
                .wrongState,
                "\(dataDirectory.string) is a mount point or its parent cannot be written, so it cannot be renamed: use a folder inside",
                outcome: .didNotHappen)
        }
        let ending = Self.freeEnding("\(suffix).\(Self.timestamp())", for: dataDirectory)
        for (link, target) in try externals() where AtomicFile.exists(target) {
            let renamed = FilePath("\(target.string).\(ending)")
            try AtomicFile.rename(target, to: renamed)
            try Self.relink(link, to: renamed)
            // The next cluster expects the folder to be there, empty.
            try Self.makeFolder(target, like: renamed)
        }
        let renamed = FilePath("\(dataDirectory.string).\(ending)")
        try AtomicFile.rename(dataDirectory, to: renamed)
        // What a cut-off rewind had kept of it goes with it.
        let kept = RewindSave(dataDirectory: dataDirectory).folder
        if AtomicFile.exists(kept) { try AtomicFile.rename(kept, to: RewindSave(dataDirectory: renamed).folder) }
        try UnfinishedMarker.remove(for: dataDirectory)
        return renamed
    }

    /// Removes a staging directory, or what was moved aside when the caller asked for that. Follows no links.
    static func remove(_ path: FilePath) throws(PostgresControlError) {
        guard AtomicFile.exists(path) else { return }
        do { try FileManager.default.removeItem(atPath: path.string) } catch {
            throw PostgresControlError(
                .file, "remove \(path.string): \(error.localizedDescription)", outcome: .unknown)
        }
        try AtomicFile.syncFolder(path.removingLastComponent())
    }

    /// Removes what is in the data directory and leaves the directory itself.
    func removeContents() throws(PostgresControlError) {
        for name in try AtomicFile.entries(dataDirectory) ?? [] {
            try Self.remove(dataDirectory.appending(name))
        }
    }

    static func timestamp() -> String {
        var now = time(nil)
        var fields = tm()
        gmtime_r(&now, &fields)
        var text = [CChar](repeating: 0, count: 32)
        let length = strftime(&text, text.count, "%Y%m%dT%H%M%SZ", &fields)
        return String(decoding: text[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func freeEnding(_ ending: String, for path: FilePath) -> String {
        var candidate = ending
        var number = 1
        while AtomicFile.exists(FilePath("\(path.string).\(candidate)")) {
            number += 1
            candidate = "\(ending)-\(number)"
        }
        return candidate
    }

    private static func relink(_ link: FilePath, to target: FilePath) throws(PostgresControlError) {
        guard unlink(link.string) == 0, symlink(target.string, link.string) == 0 else {
            throw AtomicFile.failure("link", link)
        }
    }

    /// An empty folder with the owner and mode of another.
    static func makeFolder(_ path: FilePath, like other: FilePath) throws(PostgresControlError) {
        var status = stat()
        guard stat(other.string, &status) == 0, mkdir(path.string, status.st_mode & 0o7777) == 0 else {
            throw AtomicFile.failure("make", path)
        }
        if geteuid() == 0, chown(path.string, status.st_uid, status.st_gid) != 0 {
            throw AtomicFile.failure("chown", path)
        }
    }
}
