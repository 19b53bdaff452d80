import Foundation

/// The copy of PostgreSQL 15 that has a stand-in for Spock: an extension `spock` in SQL with Spock's functions and
/// catalogs, which replicates by pglogical (`SpockStandIn`). Spock itself needs a patched server, which Debian lacks.
///
/// `spock.so` is a link to pglogical's library. PostgreSQL knows a library by its file, so that
/// `shared_preload_libraries = 'spock'` and pglogical's own functions and workers use one and the same.
public enum SpockInstallation {
    private static let sources = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "SpockStandIn")

    /// The folder of the programs; made when it is missing or when the stand-in's sources have changed.
    /// - Throws: `SupportError` with the last words of what failed.
    public static func binaries() async throws -> String {
        let root = try await PglogicalInstallation.root()
        let files = try FileManager.default.contentsOfDirectory(atPath: sources.path).filter { $0.hasSuffix(".sql") }
        let paths = (["spock.control"] + files.sorted()).map { sources.appending(path: $0).path }
        let texts = try [root] + paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
        let extensions = "root/\(PglogicalInstallation.shared)/extension"
        let script = """
            rm -rf root; cp -al '\(root)' root
            cp '\(paths[0])' \(extensions)/spock.control
            cat \(paths.dropFirst().map { "'\($0)'" }.joined(separator: " ")) > \(extensions)/spock--5.0.9.sql
            ln -s pglogical.so root/\(PglogicalInstallation.libraries)/spock.so
            """
        let folder = try await InstalledFolder.make("spock-15-\(digest(texts))", within: .seconds(60), script)
        return "\(folder)/root/\(PglogicalInstallation.programs)"
    }

    /// What a server of a mesh has in its configuration.
    ///
    /// The stand-in must be told to resolve conflicts as Spock does. A library of output plugins is named where the server
    /// asks for it: an older one does not start with the name.
    /// - Throws: `SupportError`.
    public static func settings() async throws -> [String: String] {
        var settings = [
            "wal_level": "logical", "track_commit_timestamp": "on", "shared_preload_libraries": "spock",
            "max_worker_processes": "16", "max_replication_slots": "16", "max_wal_senders": "16",
            "pglogical.conflict_resolution": "last_update_wins",
        ]
        if try await knownParameters().contains("output_plugin_libraries") {
            settings["output_plugin_libraries"] = "pgoutput, test_decoding, pglogical_output"
        }
        return settings
    }

    /// FNV-1a: the same in every process, unlike Swift's own.
    private static func digest(_ texts: [String]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in texts.joined(separator: "\0").utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16)
    }

    private static func knownParameters() async throws -> Set<Substring> {
        let folder = try TemporaryFolder("parameters")
        defer { folder.remove() }
        let output = folder.path("parameters")
        try await PostgresInstance.run("\(binaries())/postgres", ["--describe-config"], log: output)
        let lines = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n")
        return Set(lines.compactMap { $0.split(separator: "\t").first })
    }
}
