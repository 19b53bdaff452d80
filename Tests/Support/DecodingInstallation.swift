/// A copy of the system's PostgreSQL 15 that knows PostgreSQL's `test_decoding` under the name `spock_output`, too: slots
/// that count as a mesh's, and whose changes a test can read as text.
public enum DecodingInstallation {
    /// The folder of the programs; made when it is missing.
    public static func binaries() async throws -> String {
        // The programs are copied: a linked one finds its way back to the system.
        let script = """
            rm -rf bin lib; mkdir bin lib; cp /usr/lib/postgresql/15/bin/* bin/; ln -s /usr/lib/postgresql/15/lib/* lib/
            ln -s test_decoding.so lib/spock_output.so
            """
        let name = "decoding-15-\(try PglogicalInstallation.systemVersion())"
        return try await InstalledFolder.make(name, within: .seconds(60), script) + "/bin"
    }

    /// The same of a newer version: its library `spock` is one that does nothing, so that a server of a mesh starts.
    public static func binaries(major: Int) async throws -> String {
        let original = try await PostgresBinaries.folder(major: major)
        // Beside the package lies a folder of libraries, which its programs find by their own place.
        let script = """
            package=$(cd '\(original)/../..'; pwd); rm -rf site; mkdir site; cp -a "$package"* site/
            ln -sfn "site/${package##*/}/pginstall" root
            ln -s test_decoding.so root/lib/spock_output.so; ln -s auto_explain.so root/lib/spock.so
            """
        return try await InstalledFolder.make("decoding-\(major)", within: .seconds(60), script) + "/root/bin"
    }
}
