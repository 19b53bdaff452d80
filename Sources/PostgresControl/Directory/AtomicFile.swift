import Glibc
import SystemPackage

/// Files that are either the old or the new ones after a crash: written beside, synced, renamed, the folder synced.
///
/// All of these block: call them on `Disk`.
enum AtomicFile {
    /// Writes `text`; when run as root, for the owner of the folder.
    static func write(_ text: String, to path: FilePath, mode: mode_t) throws(PostgresControlError) {
        try write(Array(text.utf8), to: path, mode: mode)
    }

    static func write(_ bytes: [UInt8], to path: FilePath, mode: mode_t) throws(PostgresControlError) {
        let folder = path.removingLastComponent()
        let temporary = FilePath("\(path.string).\(getpid()).tmp")
        unlink(temporary.string)
        let descriptor = open(temporary.string, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("create", temporary) }
        do throws(PostgresControlError) {
            defer { close(descriptor) }
            guard fchmod(descriptor, mode) == 0 else { throw failure("chmod", temporary) }  // whatever the umask is
            try giveAway(descriptor, temporary, asOwnerOf: folder)
            try writeAll(bytes, to: descriptor, temporary)
            guard fsync(descriptor) == 0 else { throw failure("fsync", temporary) }
        } catch {
            unlink(temporary.string)
            throw error
        }
        guard Glibc.rename(temporary.string, path.string) == 0 else {
            let error = failure("rename", temporary)
            unlink(temporary.string)
            throw error
        }
        try syncFolder(folder)
    }

    /// As `write`, but leaves a file alone that has this content and mode already.
    /// - Returns: true when it was written.
    @discardableResult
    static func update(_ text: String, at path: FilePath, mode: mode_t) throws(PostgresControlError) -> Bool {
        var status = stat()
        let same = lstat(path.string, &status) == 0 && status.st_mode & 0o7777 == mode && (try? read(path)) == text
        guard !same else { return false }
        try write(text, to: path, mode: mode)
        return true
    }

    /// Both lead to the same file or folder, through whatever links.
    static func areSame(_ one: FilePath, _ other: FilePath) -> Bool {
        var (a, b) = (stat(), stat())
        return stat(one.string, &a) == 0 && stat(other.string, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev
    }

    /// The text of a file; nil when there is none.
    static func read(_ path: FilePath) throws(PostgresControlError) -> String? {
        try bytes(path).map { String(decoding: $0, as: UTF8.self) }
    }

    static func bytes(_ path: FilePath) throws(PostgresControlError) -> [UInt8]? {
        let descriptor = open(path.string, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("open", path)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        // What is read each second, of /proc, is short.
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return bytes }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw failure("read", path)
            }
            bytes += buffer[..<count]
        }
    }

    /// Removes a file and syncs its folder; nothing when it does not exist.
    static func remove(_ path: FilePath) throws(PostgresControlError) {
        guard unlink(path.string) == 0 else {
            if errno == ENOENT { return }
            throw failure("remove", path)
        }
        try syncFolder(path.removingLastComponent())
    }

    static func rename(_ from: FilePath, to: FilePath) throws(PostgresControlError) {
        // Never over something: a folder renamed onto an empty one would replace it without a word.
        guard !exists(to) else {
            throw PostgresControlError(
                .file, "rename \(from.string): \(to.string) exists already", outcome: .didNotHappen)
        }
        guard Glibc.rename(from.string, to.string) == 0 else { throw failure("rename to \(to.string)", from) }
        try syncFolder(to.removingLastComponent())
    }

    static func exists(_ path: FilePath) -> Bool {
        var status = stat()
        return lstat(path.string, &status) == 0
    }

    static func syncFolder(_ path: FilePath) throws(PostgresControlError) {
        let descriptor = open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("fsync", path) }
    }

    /// Names of a folder's entries; nil when there is no such folder.
    static func entries(_ path: FilePath) throws(PostgresControlError) -> [String]? {
        guard let stream = opendir(path.string) else {
            if errno == ENOENT { return nil }
            throw failure("list", path)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func failure(_ what: String, _ path: FilePath) -> PostgresControlError {
        PostgresControlError(
            .file, "\(what) \(path.string): \(String(cString: strerror(errno)))", outcome: .didNotHappen)
    }

    /// Makes a folder; when run as root, for the owner of the folder that it is in.
    static func makeFolder(_ path: FilePath, mode: mode_t) throws(PostgresControlError) {
        guard mkdir(path.string, mode) == 0 else { throw failure("create", path) }
        let descriptor = open(path.string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        guard fchmod(descriptor, mode) == 0 else { throw failure("chmod", path) }
        try giveAway(descriptor, path, asOwnerOf: path.removingLastComponent())
    }

    private static func giveAway(
        _ descriptor: Int32, _ path: FilePath, asOwnerOf folder: FilePath
    ) throws(PostgresControlError) {
        guard geteuid() == 0 else { return }
        var status = stat()
        guard stat(folder.string, &status) == 0, fchown(descriptor, status.st_uid, status.st_gid) == 0 else {
            throw failure("chown", path)
        }
    }

    private static func writeAll(
        _ bytes: [UInt8], to descriptor: Int32, _ path: FilePath
    ) throws(PostgresControlError) {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw failure("write", path)
            }
            written += count
        }
    }
}
