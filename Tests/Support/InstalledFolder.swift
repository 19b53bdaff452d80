import Foundation

/// A folder with things that come from outside the repository, filled once for a machine and kept.
enum InstalledFolder {
    private static let making = Locked<[String: Task<String, any Error>]>([:])

    /// The folder's path; filled when it is missing. MATRIARCH_TEST_VENVS names another parent folder.
    ///
    /// Test processes that come at the same time wait for the first.
    /// - Parameters:
    ///   - name: must change with whatever the folder's content depends on: a complete folder is never touched again, since
    ///     servers of other test processes may run from it.
    ///   - script: for `sh`, run in the folder; one that an attempt before left half full included.
    /// - Throws: `SupportError` with the script's last words.
    static func make(_ name: String, within deadline: Duration, _ script: String) async throws -> String {
        let task = making.withLock { making in
            let task = making[name] ?? Task { try await fill(name, within: deadline, script) }
            making[name] = task
            return task
        }
        return try await task.value
    }

    private static func fill(_ name: String, within deadline: Duration, _ script: String) async throws -> String {
        let parent = ProcessInfo.processInfo.environment["MATRIARCH_TEST_VENVS"] ?? "/var/tmp/matriarch-test-venvs"
        let folder = "\(parent)/\(name)"
        if FileManager.default.fileExists(atPath: "\(folder)/complete") { return folder }
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        let locked = """
            set -e; umask 022; cd '\(folder)'
            # Another test process may be at it.
            exec 9>lock; flock 9; [ ! -e complete ] || exit 0
            \(script)
            touch complete
            """
        let log = "\(folder)/install.log"
        guard FileManager.default.createFile(atPath: log, contents: nil) else {
            throw SupportError("cannot write \(log)")
        }
        let installer = Process()
        installer.executableURL = URL(filePath: "/bin/sh")
        installer.arguments = ["-c", locked]
        installer.standardInput = FileHandle.nullDevice
        installer.standardOutput = FileHandle(forWritingAtPath: log)
        installer.standardError = installer.standardOutput
        try installer.run()
        do {
            try await eventually("\(folder) is filled", within: deadline, pace: .milliseconds(100)) {
                !installer.isRunning
            }
        } catch {
            installer.terminate()
            throw error
        }
        guard installer.terminationStatus == 0 else {
            let words = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            throw SupportError("filling \(folder) failed: \(words.suffix(1_000))")
        }
        return folder
    }
}
