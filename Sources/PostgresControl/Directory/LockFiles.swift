import Glibc
public import SystemPackage

/// The lock files that a crash leaves: `postmaster.pid`, and one beside each socket.
///
/// PostgreSQL takes whatever process of its user has their number by now for a server, and refuses to start: for ever if
/// it is one of the agent's threads. In a container, where numbers begin anew, it soon is.
public struct LockFiles: Sendable {
    private let dataDirectory: FilePath
    private let port: Int
    /// Where PostgreSQL puts its sockets if it is not told.
    private static let usual = ["/run/postgresql", "/tmp"]

    /// - Parameter port: of the server that is to start.
    public init(dataDirectory: FilePath, port: Int) {
        self.dataDirectory = dataDirectory
        self.port = port
    }

    /// Removes those that only a crash can have left. To be called when nothing of the data directory runs.
    /// - Parameter sockets: the folders in `unix_socket_directories`; others are known from `postmaster.pid` alone.
    /// - Returns: what is to be told of each file that was removed.
    public func clear(sockets: String?) async -> [String] {
        let told = try? await Disk.run(within: .seconds(1)) { () throws(PostgresControlError) in
            removeStale(ServerParameters.socketFolders(sockets ?? ""))
        }
        return told ?? []
    }

    private func removeStale(_ sockets: [String]) -> [String] {
        let server = LockFile.ofServer(in: dataDirectory)
        // Somebody has started a server meanwhile: it stands here from before it writes the file.
        if let server, server.isIn(dataDirectory) { return [] }
        let folders = Set(sockets + Self.usual + [server?.line(4)].compactMap { $0 })
        let locks = folders.sorted().compactMap { LockFile(FilePath($0).appending(".s.PGSQL.\(port).lock")) }
        var stale = locks.filter { $0.isFor(dataDirectory) && !$0.isIn(dataDirectory) }
        // Of one whose process is gone PostgreSQL itself makes sure that nothing uses its shared memory.
        if let server, server.isSomebodyElse { stale.append(server) }
        return stale.filter { unlink($0.path.string) == 0 }.map(\.words)
    }
}

/// Its lines: the pid, the data directory, the start, the port, and in `postmaster.pid` the first folder of a socket, the
/// address, the shared memory, the state.
struct LockFile {
    let path: FilePath
    /// A standalone backend writes its own negated.
    let pid: Int32
    private let lines: [Substring]

    static func ofServer(in dataDirectory: FilePath) -> LockFile? {
        LockFile(dataDirectory.appending("postmaster.pid"))
    }

    /// Nil when there is none that can be read and begins with a pid.
    init?(_ path: FilePath) {
        guard let text = try? AtomicFile.read(path) else { return nil }
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let pid = lines.first.flatMap({ Int32($0) }), pid != 0, pid > .min else { return nil }
        self.pid = pid
        self.path = path
    }

    /// From 0.
    func line(_ number: Int) -> String? { lines.indices.contains(number) ? String(lines[number]) : nil }

    func isFor(_ directory: FilePath) -> Bool { line(1).map { AtomicFile.areSame(FilePath($0), directory) } == true }

    /// Its process lives, and works there.
    func isIn(_ directory: FilePath) -> Bool { AtomicFile.areSame(FilePath("/proc/\(abs(pid))/cwd"), directory) }

    /// A process has the number, as PostgreSQL sees it.
    fileprivate var isSomebodyElse: Bool { kill(abs(pid), 0) == 0 }

    fileprivate var words: String {
        "removed \(path), which a crash had left" + (isSomebodyElse ? ": process \(abs(pid)) is another now" : "")
    }
}
