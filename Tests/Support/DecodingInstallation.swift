import Foundation

/// A copy of the system's PostgreSQL 15 that knows PostgreSQL's `test_decoding` under the name `spock_output`, too: slots
/// that count as a mesh's, and whose changes a test can read as text.
public enum DecodingInstallation {
    private static let making = Locked<Task<String, any Error>?>(nil)

    /// The folder of the programs. MATRIARCH_TEST_VENVS names another parent folder.
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
        let folder = "\(parent)/decoding-15"
        if FileManager.default.fileExists(atPath: "\(folder)/complete") { return "\(folder)/bin" }
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        // The programs are copied: a linked one finds its way back to the system.
        let script = """
            set -e; umask 022; cd '\(folder)'; mkdir bin lib
            cp /usr/lib/postgresql/15/bin/* bin/; ln -s /usr/lib/postgresql/15/lib/* lib/
            ln -s test_decoding.so lib/spock_output.so; touch complete
            """
        let maker = Process()
        maker.executableURL = URL(filePath: "/bin/sh")
        maker.arguments = ["-c", script]
        maker.standardInput = FileHandle.nullDevice
        try maker.run()
        try await eventually("PostgreSQL 15 is copied", within: .seconds(60), pace: .milliseconds(50)) {
            !maker.isRunning
        }
        guard maker.terminationStatus == 0 else { throw SupportError("copying PostgreSQL 15 to \(folder) failed") }
        return "\(folder)/bin"
    }
}
