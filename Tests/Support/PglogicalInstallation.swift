import Foundation

/// A copy of the system's PostgreSQL 15 with Debian's pglogical in it, made once for a machine: tests of slots that a mesh
/// uses need its output plugin, and nothing may be put into the system's own folder.
public enum PglogicalInstallation {
    private static let making = Locked<Task<String, any Error>?>(nil)

    /// The folder of the programs; fetched when it is missing. MATRIARCH_TEST_VENVS names another parent folder.
    /// - Throws: `SupportError` with the last words of apt-get.
    public static func binaries() async throws -> String {
        let task = making.withLock { task in
            let made = task ?? Task { try await make() }
            task = made
            return made
        }
        return try await task.value
    }

    private static func make() async throws -> String {
        let parent = ProcessInfo.processInfo.environment["MATRIARCH_TEST_VENVS"] ?? "/var/tmp/matriarch-test-venvs"
        let folder = "\(parent)/pglogical-15"
        if FileManager.default.fileExists(atPath: "\(folder)/complete") { return "\(folder)/bin" }
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        // The programs are copied: a linked one finds its way back to the system.
        let script = """
            set -e; umask 022; cd '\(folder)'; mkdir bin lib package
            cp /usr/lib/postgresql/15/bin/* bin/; ln -s /usr/lib/postgresql/15/lib/* lib/
            apt-get download -qq postgresql-15-pglogical; dpkg -x postgresql-15-pglogical_*.deb package
            cp package/usr/lib/postgresql/15/lib/*.so lib/; touch complete
            """
        let log = "\(folder)/install.log"
        guard FileManager.default.createFile(atPath: log, contents: nil) else {
            throw SupportError("cannot write \(log)")
        }
        let installer = Process()
        installer.executableURL = URL(filePath: "/bin/sh")
        installer.arguments = ["-c", script]
        installer.standardInput = FileHandle.nullDevice
        installer.standardOutput = FileHandle(forWritingAtPath: log)
        installer.standardError = installer.standardOutput
        try installer.run()
        try await eventually("pglogical is installed", within: .seconds(120), pace: .milliseconds(100)) {
            !installer.isRunning
        }
        guard installer.terminationStatus == 0 else {
            let words = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            throw SupportError("installing pglogical failed: \(words.suffix(1_000))")
        }
        return "\(folder)/bin"
    }
}
