/// A copy of the system's PostgreSQL 15 that knows PostgreSQL's `test_decoding` under the name `spock_output`, too: slots
/// that count as a mesh's, and whose changes a test can read as text.
public enum DecodingInstallation {
    private static let making = Locked<Task<String, any Error>?>(nil)

    /// The folder of the programs; made when it is missing.
    public static func binaries() async throws -> String {
        let task = making.withLock { task in
            let made = task ?? Task { try await make() }
            task = made
            return made
        }
        return try await task.value
    }

    private static func make() async throws -> String {
        // The programs are copied: a linked one finds its way back to the system.
        let script = """
            rm -rf bin lib; mkdir bin lib; cp /usr/lib/postgresql/15/bin/* bin/; ln -s /usr/lib/postgresql/15/lib/* lib/
            ln -s test_decoding.so lib/spock_output.so
            """
        return try await InstalledFolder.make("decoding-15", within: .seconds(60), script) + "/bin"
    }
}
