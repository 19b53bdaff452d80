import Glibc
import SystemPackage

/// How much room there is for WAL.
enum FreeSpace {
    /// What an unprivileged process may still write where a server keeps its WAL, in bytes; nil: it cannot be asked.
    static func bytes(for dataDirectory: FilePath) -> UInt64? {
        var status = statvfs()
        // WAL may be linked to a disk of its own.
        guard statvfs(dataDirectory.appending("pg_wal").string, &status) == 0 else { return nil }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }
}
