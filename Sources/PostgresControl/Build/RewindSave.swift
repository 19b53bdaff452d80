import Glibc
import HACore
import SystemPackage

/// What it takes to do a rewind once more after it was cut off: the folder `<data_dir>.rewind` beside the directory.
///
/// pg_rewind learns from the target's control file and WAL what it has to copy, and replaces or removes both on its
/// way: cut off, it has nothing left to begin with. Both are kept here as they were, with the size and time of every
/// data file: what has changed since came from a source, whose history need not be the next one's, and is removed, so
/// that it is copied whole.
struct RewindSave: Sendable {
    let dataDirectory: FilePath

    var folder: FilePath { FilePath(dataDirectory.removingTrailingSlashes + ".rewind") }
    private var wal: FilePath { folder.appending("pg_wal") }
    private var control: FilePath { folder.appending("pg_control") }
    /// Written last. First the end of the own WAL, then a line for each data file.
    private var list: FilePath { folder.appending("files") }

    var isComplete: Bool { AtomicFile.exists(list) }

    /// The end of this server's own WAL, as it was given to `take`.
    func ownEnd() throws(PostgresControlError) -> LSN? {
        try AtomicFile.read(list)?.split(separator: "\n").first.flatMap { LSN($0) }
    }

    /// Keeps what is there now. The server was stopped in order: its control file names the end of its WAL.
    func take(ownEnd: LSN) throws(PostgresControlError) {
        try DataDirectoryLayout.remove(folder)
        try DataDirectoryLayout.makeFolder(folder, like: dataDirectory)
        try DataDirectoryLayout.makeFolder(wal, like: dataDirectory)
        let used = dataDirectory.appending("pg_wal")
        for name in try AtomicFile.entries(used) ?? []
        where WALFileName(name) != nil || TimelineFiles.number(name) != nil {
            // A second name costs nothing; WAL on another file system has to be copied.
            if link(used.appending(name).string, wal.appending(name).string) != 0 {
                try Self.copy(used.appending(name), to: wal.appending(name))
            }
        }
        try Self.copy(dataDirectory.appending("global/pg_control"), to: control)
        try AtomicFile.syncFolder(wal)
        let files = try dataFiles().map { "\($0.value) \($0.key)\n" }.sorted()
        try AtomicFile.write("\(ownEnd)\n" + files.joined(), to: list, mode: 0o600)
    }

    /// Makes the directory such that pg_rewind may begin.
    /// - Parameter overwritten: names of WAL files that the source has, too. pg_rewind writes into them: they must not be
    ///   the same file under two names.
    func restore(overwritten: Set<String>) throws(PostgresControlError) {
        let used = dataDirectory.appending("pg_wal")
        for name in try AtomicFile.entries(wal) ?? [] {
            let isUntouched = AtomicFile.areSame(wal.appending(name), used.appending(name))
            if isUntouched && !overwritten.contains(name) { continue }
            try Self.copy(wal.appending(name), to: used.appending(name))
        }
        try AtomicFile.syncFolder(used)
        let known = Set((try AtomicFile.read(list) ?? "").split(separator: "\n").dropFirst().map(String.init))
        for (name, version) in try dataFiles() where !known.contains("\(version) \(name)") {
            guard unlink(dataDirectory.appending(name).string) == 0 else {
                throw AtomicFile.failure("remove", dataDirectory.appending(name))
            }
        }
        try Self.copy(control, to: dataDirectory.appending("global/pg_control"))
        try AtomicFile.syncFolder(dataDirectory.appending("global"))
    }

    /// After a rewind that came to its end: gives back the WAL of the common history that the source has recycled and
    /// pg_rewind has therefore removed. Recovery begins in it.
    func giveBack(before fork: LSN, segmentSize: UInt64) throws(PostgresControlError) {
        let used = dataDirectory.appending("pg_wal")
        let first = WALFileName.position(of: fork, segmentSize: segmentSize)
        for name in try AtomicFile.entries(wal) ?? [] {
            guard let file = WALFileName(name), file.position < first, !AtomicFile.exists(used.appending(name)) else {
                continue
            }
            try Self.copy(wal.appending(name), to: used.appending(name))
        }
        try AtomicFile.syncFolder(used)
    }

    /// At the very end: the WAL that no other member has becomes `<data_dir>.diverged.<time>`, the newest of its kind and
    /// bounded, for a person who wants to see what was given up; the rest is removed.
    /// - Parameters:
    ///   - fork: where the histories parted; nil when they did not.
    ///   - segmentSize: bytes of a WAL file.
    ///   - limit: WAL files.
    /// - Returns: the folder; nil when nothing is kept.
    func keepDiverged(
        from fork: LSN?, timeline: Timeline?, segmentSize: UInt64, limit: Int = 64
    ) throws(PostgresControlError) -> FilePath? {
        guard isComplete else { return nil }
        try AtomicFile.remove(list)
        guard let fork, let timeline else {
            try DataDirectoryLayout.remove(folder)
            return nil
        }
        let first = WALFileName.position(of: fork, segmentSize: segmentSize)
        var kept = 0
        for name in try AtomicFile.entries(wal) ?? [] {
            if let file = WALFileName(name), file.timeline >= timeline, file.position >= first, kept < limit {
                kept += 1
            } else {
                unlink(wal.appending(name).string)
            }
        }
        let path = dataDirectory.removingTrailingSlashes
        let beside = FilePath(path).removingLastComponent()
        let prefix = "\(FilePath(path).lastComponent?.string ?? "").diverged."
        for name in try AtomicFile.entries(beside) ?? [] where name.hasPrefix(prefix) {
            try DataDirectoryLayout.remove(beside.appending(name))
        }
        let target = FilePath("\(path).diverged.\(DataDirectoryLayout.timestamp())")
        try AtomicFile.rename(folder, to: target)
        return target
    }

    // MARK: Files

    /// Path below the data directory -> size and time of the last change, of everything that holds rows.
    private func dataFiles() throws(PostgresControlError) -> [String: String] {
        var found: [String: String] = [:]
        for name in ["global", "base", "pg_tblspc"] { try collect(name, into: &found) }
        found["global/pg_control"] = nil
        return found
    }

    private func collect(_ folder: String, into found: inout [String: String]) throws(PostgresControlError) {
        for entry in try AtomicFile.entries(dataDirectory.appending(folder)) ?? [] {
            let name = "\(folder)/\(entry)"
            var status = stat()
            // Follows the links in pg_tblspc; there are no others.
            guard stat(dataDirectory.appending(name).string, &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                try collect(name, into: &found)
            } else {
                found[name] = "\(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
            }
        }
    }

    /// Puts a copy in the place of `target`, which is never a half of it.
    private static func copy(_ source: FilePath, to target: FilePath) throws(PostgresControlError) {
        let reading = open(source.string, O_RDONLY | O_CLOEXEC)
        guard reading >= 0 else { throw AtomicFile.failure("open", source) }
        defer { close(reading) }
        var status = stat()
        guard fstat(reading, &status) == 0 else { throw AtomicFile.failure("stat", source) }
        let temporary = FilePath("\(target.string).tmp")
        unlink(temporary.string)
        let writing = open(temporary.string, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 0o7777)
        guard writing >= 0 else { throw AtomicFile.failure("create", temporary) }
        defer { close(writing) }
        guard geteuid() != 0 || fchown(writing, status.st_uid, status.st_gid) == 0 else {
            throw AtomicFile.failure("chown", temporary)
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(reading, &buffer, buffer.count)
            if count == 0 { break }
            guard count > 0, write(writing, buffer, count) == count else {
                let error = AtomicFile.failure("copy", source)
                unlink(temporary.string)
                throw error
            }
        }
        guard fsync(writing) == 0, Glibc.rename(temporary.string, target.string) == 0 else {
            throw AtomicFile.failure("replace", target)
        }
    }
}
