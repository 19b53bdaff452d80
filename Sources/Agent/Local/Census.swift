import CPlatform
import Glibc
import SystemPackage

/// The processes of a data directory, whoever started them: a keeper that was killed leaves none it knows of to its
/// successor (design/rulings, Lock 8 and 9).
enum Census {
    /// Pids whose working directory is the data directory (device and inode).
    static func processes(in dataDirectory: FilePath) -> [Int32] {
        var wanted = stat()
        guard stat(dataDirectory.string, &wanted) == 0, let proc = opendir("/proc") else { return [] }
        defer { closedir(proc) }
        var found: [Int32] = []
        while let entry = readdir(proc) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let pid = Int32(name) else { continue }
            var present = stat()
            guard stat("/proc/\(pid)/cwd", &present) == 0 else { continue }
            if present.st_dev == wanted.st_dev, present.st_ino == wanted.st_ino { found.append(pid) }
        }
        return found
    }

    /// The living postmaster that `postmaster.pid` names, if it is one of `processes`.
    static func postmaster(of dataDirectory: FilePath, among processes: [Int32]) -> Int32? {
        guard let file = fopen(dataDirectory.appending("postmaster.pid").string, "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let digits = line.prefix { $0 >= 48 && $0 <= 57 }.map { UInt8(bitPattern: $0) }
        guard let pid = Int32(String(decoding: digits, as: UTF8.self)), processes.contains(pid) else { return nil }
        return pid
    }

    /// SIGKILL to each, once more looked at behind its pidfd, so that no reused pid is hit.
    static func kill(_ processes: [Int32], in dataDirectory: FilePath) {
        for pid in processes {
            let descriptor = matriarch_pidfd_open(pid)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            if self.processes(in: dataDirectory).contains(pid) { _ = matriarch_pidfd_send_signal(descriptor, SIGKILL) }
        }
    }
}
