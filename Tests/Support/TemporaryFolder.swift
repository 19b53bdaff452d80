public import Foundation

/// A folder of its own below /tmp that belongs to the unprivileged user of the tests and that others may read (0755).
///
/// It is removed by ``remove()``, and at the latest when the test process exits.
public final class TemporaryFolder: Sendable {
    /// Absolute path, without a slash at its end.
    public let path: String

    private static let leftovers = Locked<Set<String>>([])
    private static let removalAtExit: Void = {
        atexit { TemporaryFolder.leftovers.withLock { $0 }.forEach { try? FileManager.default.removeItem(atPath: $0) } }
    }()

    /// Makes the folder; `name` appears in its path, so that a leftover tells whose it was.
    public init(_ name: String) throws {
        var template = Array("/tmp/matriarch-\(name)-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw SupportError("mkdtemp: \(String(cString: strerror(errno)))") }
        path = String(cString: made)
        _ = Self.removalAtExit
        let path = path
        Self.leftovers.withLock { _ = $0.insert(path) }
        guard chmod(path, 0o755) == 0 else { throw SupportError("chmod \(path): \(String(cString: strerror(errno)))") }
        try Self.giveAway(path)
    }

    /// The path of an entry of this folder.
    public func path(_ entry: String) -> String { "\(path)/\(entry)" }

    /// Writes a text file that belongs to the unprivileged user, and returns its path.
    @discardableResult
    public func write(_ entry: String, _ text: String, mode: mode_t = 0o644) throws -> String {
        let file = path(entry)
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        guard chmod(file, mode) == 0 else { throw SupportError("chmod \(file): \(String(cString: strerror(errno)))") }
        try Self.giveAway(file)
        return file
    }

    /// Makes a folder inside that belongs to the unprivileged user, and returns its path.
    @discardableResult
    public func makeFolder(_ entry: String, mode: mode_t = 0o755) throws -> String {
        let folder = path(entry)
        guard mkdir(folder, mode) == 0, chmod(folder, mode) == 0 else {
            throw SupportError("mkdir \(folder): \(String(cString: strerror(errno)))")
        }
        try Self.giveAway(folder)
        return folder
    }

    /// The text of a file inside; nil when it does not exist.
    public func read(_ entry: String) -> String? { try? String(contentsOfFile: path(entry), encoding: .utf8) }

    /// Removes the folder with all that it contains.
    public func remove() {
        try? FileManager.default.removeItem(atPath: path)
        Self.leftovers.withLock { _ = $0.remove(path) }
    }

    /// Changes the owner to the unprivileged user; nothing when the tests themselves run unprivileged.
    private static func giveAway(_ path: String) throws {
        guard let user = UnprivilegedProcess.user else { return }
        guard chown(path, user.uid, user.gid) == 0 else {
            throw SupportError("chown \(path): \(String(cString: strerror(errno)))")
        }
    }
}
