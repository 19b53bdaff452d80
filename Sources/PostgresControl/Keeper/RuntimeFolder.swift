import Foundation
public import SystemPackage

/// The folder in which one member's processes meet: sockets, locks and the session file. Its content does not survive
/// a boot, is never backed up, and belongs to one data directory.
public struct RuntimeFolder: Hashable, Sendable {
    public let path: FilePath

    /// Longest path that `sun_path` holds, without its final zero.
    static let longestSocketPath = 107

    /// A folder that is known to be right; nothing is checked or created.
    public init(path: FilePath) { self.path = path }

    public var keeperSocket: FilePath { path.appending("keeper.sock") }
    public var keeperLog: FilePath { path.appending("keeper.log") }
    public var supervisorLock: FilePath { path.appending("supervisor.lock") }
    public var agentLock: FilePath { path.appending("agent.lock") }
    /// The ZooKeeper session's id and password, mode 0600 (lock.md 6).
    public var sessionFile: FilePath { path.appending("session") }
    public var serviceFile: FilePath { path.appending("pg_service.conf") }
    /// What the tool of this name printed last.
    public func toolOutput(_ name: String) -> FilePath { path.appending("\(name).out") }

    /// Chooses and creates the folder of a data directory: the configured path (`matriarch.runtime_dir`), else
    /// `$RUNTIME_DIRECTORY`, else /run/matriarch if writable, else /tmp/matriarch-UID; below it 12 hex digits that
    /// stand for the data directory's real path.
    ///
    /// Throws `runtimeFolder` when a folder is a link, belongs to somebody else, is open to others, or is so long
    /// that a socket in it could not be bound.
    public static func prepare(
        configured: String?, dataDirectory: FilePath,
        environment: [String: String]
    ) throws(KeeperError) -> RuntimeFolder {
        let base = try prepareBase(configured: configured, environment: environment)
        let folder = RuntimeFolder(path: base.appending(digest(of: realPath(of: dataDirectory))))
        guard folder.keeperSocket.string.utf8.count <= longestSocketPath else {
            throw refused(
                "\(folder.keeperSocket) is longer than \(longestSocketPath) bytes, the limit of a socket's path: "
                    + "set matriarch.runtime_dir to a shorter one")
        }
        try makePrivate(folder.path)
        return folder
    }

    /// Makes the folder again if somebody removed it: without it no keeper can be started.
    /// - Returns: whether it was gone.
    func restore() throws(KeeperError) -> Bool {
        guard access(path.string, F_OK) != 0, errno == ENOENT else { return false }
        try Self.make(path.removingLastComponent())
        try Self.makePrivate(path)
        return true
    }

    /// Whether a supervisor of this data directory runs: it holds a lock in one of the folders that ``prepare`` would
    /// choose. Creates nothing.
    public static func isSupervised(
        configured: String?, dataDirectory: FilePath, environment: [String: String]
    ) -> Bool {
        var owner = stat()
        let user = stat(dataDirectory.string, &owner) == 0 ? owner.st_uid : geteuid()
        let given = environment["RUNTIME_DIRECTORY"]?.split(separator: ":").first.map(String.init)
        let bases = [configured, given, "/run/matriarch", "/tmp/matriarch-\(user)"].compactMap { $0 }
        return bases.contains { base in
            let folder = RuntimeFolder(path: FilePath(base).appending(digest(of: realPath(of: dataDirectory))))
            let descriptor = open(folder.supervisorLock.string, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            guard descriptor >= 0 else { return false }
            defer { close(descriptor) }
            return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
        }
    }

    private static func prepareBase(
        configured: String?, environment: [String: String]
    ) throws(KeeperError) -> FilePath {
        if let configured, !configured.isEmpty {
            try make(FilePath(configured))
            return FilePath(configured)
        }
        // systemd separates several folders by colons.
        if let given = environment["RUNTIME_DIRECTORY"]?.split(separator: ":").first { return FilePath(String(given)) }
        let run = FilePath("/run/matriarch")
        if access(run.string, W_OK | X_OK) == 0 { return run }
        if access("/run", W_OK) == 0, mkdir(run.string, 0o755) == 0 { return run }
        let temporary = FilePath("/tmp/matriarch-\(geteuid())")
        try makePrivate(temporary)
        return temporary
    }

    private static func make(_ path: FilePath) throws(KeeperError) {
        if mkdir(path.string, 0o700) != 0, errno != EEXIST {
            throw refused("cannot create \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Others could otherwise put a socket of their own in our way.
    private static func makePrivate(_ path: FilePath) throws(KeeperError) {
        try make(path)
        var found = stat()
        guard lstat(path.string, &found) == 0 else {
            throw refused("cannot look at \(path): \(String(cString: strerror(errno)))")
        }
        guard found.st_mode & S_IFMT == S_IFDIR else { throw refused("\(path) is not a folder") }
        guard found.st_uid == geteuid() else { throw refused("\(path) belongs to user \(found.st_uid)") }
        guard found.st_mode & 0o077 == 0 else { throw refused("\(path) is open to other users (mode 0700 wanted)") }
    }

    /// The path without links; for a directory that does not exist yet, that of its parent and the name.
    static func realPath(of path: FilePath) -> String {
        if let resolved = realpath(path.string, nil) {
            defer { free(resolved) }
            return String(cString: resolved)
        }
        guard let name = path.lastComponent, !path.removingLastComponent().isEmpty else { return path.string }
        return FilePath(realPath(of: path.removingLastComponent())).appending(name).string
    }

    /// FNV-1a, 64 bits, the first 12 hex digits: stable over versions, and nothing here needs to resist an attacker.
    static func digest(of text: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return String((String(repeating: "0", count: 16 - digits.count) + digits).prefix(12))
    }

    private static func refused(_ text: String) -> KeeperError {
        KeeperError(.runtimeFolder, outcome: .didNotHappen, text)
    }
}
