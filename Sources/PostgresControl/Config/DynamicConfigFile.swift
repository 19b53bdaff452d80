public import SystemPackage

/// `patroni.dynamic.json` in the data directory: the last accepted configuration of the cluster, for the next start
/// (contract/patroni.md 3.1). Other tools expect it and delete it.
public struct DynamicConfigFile: Hashable, Sendable {
    public let path: FilePath

    public init(dataDirectory: FilePath) { path = dataDirectory.appending("patroni.dynamic.json") }

    /// The text; nil when there is none, or it cannot be read.
    public func read() async -> String? {
        let path = path
        return (try? await Disk.run { () throws(PostgresControlError) in try AtomicFile.read(path) }) ?? nil
    }

    /// Writes the text when it differs.
    /// - Throws: `.file`.
    public func write(_ text: String) async throws(PostgresControlError) {
        let path = path
        try await Disk.run { () throws(PostgresControlError) in
            _ = try AtomicFile.update(text, at: path, mode: 0o600)
        }
    }
}
