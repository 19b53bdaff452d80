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
            removeStale((sockets ?? "").split(separator: ",").map { $0.filter { !$0.isWhitespace } })
        }
        return told ?? []
    }

    private func removeStale(_ sockets: [String]) -> [String] {
        let path = dataDirectory.appending("postmaster.pid")
        let server = LockFile(path)
        // Somebody has started a server meanwhile: it stands here from before it writes the file.
        if let server, server.isIn(dataDirectory) { return [] }
        var told: [String] = []
        let folders = Set(sockets + Self.usual + [server?.line(4)].compactMap { $0 }).filter { $0.hasPrefix("/") }
        for folder in folders.sorted() {
            for port in Set([port, server?.line(3).flatMap { Int($0) }].compactMap { $0 }) {
                let path = FilePath(folder).appending(".s.PGSQL.\(port).lock")
                guard let lock = LockFile(path), lock.line(1).map({ Self.isSame($0, dataDirectory.string) }) == true,
                    !lock.isIn(dataDirectory), unlink(path.string) == 0
                else { continue }
                told.append(lock.words)
            }
        }
        // Of one whose process is gone PostgreSQL itself makes sure that nothing uses its shared memory.
        if let server, server.isSomebodyElse, unlink(path.string) == 0 { told.append(server.words) }
        return told
    }

    fileprivate static func isSame(_ one: String, _ other: String) -> Bool {
        var here = stat()
        var there = stat()
        return stat(one, &here) == 0 && stat(other, &there) == 0 && here.st_dev == there.st_dev
            && here.st_ino == there.st_ino
    }
}

/// Its lines: the pid, the data directory, the start, the port, and in `postmaster.pid` the first folder of a socket.
private struct LockFile {
    private let path: FilePath
    private let lines: [String]
    private let pid: Int32

    init?(_ path: FilePath) {
        guard let text = try? AtomicFile.read(path) else { return nil }
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        // A standalone backend writes its own negated.
        guard let pid = lines.first.flatMap({ Int32($0) })?.magnitude, pid > 0 else { return nil }
        self.pid = Int32(pid)
        self.path = path
    }

    func line(_ number: Int) -> String? { lines.indices.contains(number) ? lines[number] : nil }

    func isIn(_ directory: FilePath) -> Bool { LockFiles.isSame("/proc/\(pid)/cwd", directory.string) }

    /// It lives, as PostgreSQL sees it.
    var isSomebodyElse: Bool { kill(pid, 0) == 0 }

    var words: String {
        "removed \(path), which a crash had left" + (isSomebodyElse ? ": process \(pid) is another now" : "")
    }
}
