import Glibc
public import SystemPackage

/// The file of the runtime folder in which an agent leaves its ZooKeeper session to the next one (lock.md 6): mode 0600,
/// the old or the new text after a crash. What the text says is the agent's matter.
public struct SessionFile: Hashable, Sendable {
    public let path: FilePath

    public init(_ runtime: RuntimeFolder) { path = runtime.sessionFile }

    /// The text; nil when there is none.
    /// - Throws: `.wrongState` for a file that others could have read or written, `.file`.
    public func read() async throws(PostgresControlError) -> String? {
        let path = path
        return try await Disk.run { () throws(PostgresControlError) in
            var found = stat()
            var folder = stat()
            guard lstat(path.string, &found) == 0, lstat(path.removingLastComponent().string, &folder) == 0 else {
                if errno == ENOENT { return nil }
                throw AtomicFile.failure("look at", path)
            }
            guard found.st_mode & S_IFMT == S_IFREG, found.st_uid == folder.st_uid, found.st_mode & 0o077 == 0 else {
                throw PostgresControlError(
                    .wrongState, "\(path) is not a file of ours alone (mode 0600 wanted)", outcome: .didNotHappen)
            }
            return try AtomicFile.read(path)
        }
    }

    public func write(_ text: String) async throws(PostgresControlError) {
        let path = path
        try await Disk.run { () throws(PostgresControlError) in try AtomicFile.write(text, to: path, mode: 0o600) }
    }

    /// Removes the file and syncs the folder: after this returns no process finds it, also not after a crash.
    public func remove() async throws(PostgresControlError) {
        let path = path
        try await Disk.run { () throws(PostgresControlError) in try AtomicFile.remove(path) }
    }
}
