public import SystemPackage

/// The file `<data_dir>.matriarch` beside a data directory in which an operation is at work that must not be cut off.
/// Nothing may be started from the directory while it exists.
public struct UnfinishedMarker: Hashable, Sendable {
    /// `rewind`, `clone` or `restore`.
    public let operation: String
    /// Where the data comes from; holds no secret.
    public let source: String

    public init(operation: String, source: String) {
        self.operation = operation
        self.source = source
    }

    public static func path(of dataDirectory: FilePath) -> FilePath {
        FilePath(dataDirectory.removingTrailingSlashes + ".matriarch")
    }

    /// One line of JSON.
    var line: String { "{\"version\":2,\"operation\":\(Self.quoted(operation)),\"source\":\(Self.quoted(source))}\n" }

    /// The marker's line is of a rewind that can be taken up again: since version 2 nothing is changed before all that
    /// it takes is kept.
    static func isOfRewind(_ line: String) -> Bool { line.contains("\"version\":2,\"operation\":\"rewind\"") }

    static func isOfClone(_ line: String) -> Bool { line.contains("\"operation\":\"clone\"") }

    static func isOfRestore(_ line: String) -> Bool { line.contains("\"operation\":\"restore\"") }

    /// On disk, folder included, before this returns. Blocks.
    func write(for dataDirectory: FilePath) throws(PostgresControlError) {
        try AtomicFile.write(line, to: Self.path(of: dataDirectory), mode: 0o600)
    }

    static func remove(for dataDirectory: FilePath) throws(PostgresControlError) {
        try AtomicFile.remove(path(of: dataDirectory))
    }

    /// The marker's line; nil when there is none. Anything in it counts: an unreadable marker is one, too.
    static func read(for dataDirectory: FilePath) throws(PostgresControlError) -> String? {
        guard let text = try AtomicFile.read(path(of: dataDirectory)) else { return nil }
        return String(text.prefix(while: { $0 != "\n" }))
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{00}"..."\u{1F}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension FilePath {
    /// `/data/` and `/data` are one directory: what lies beside it is named after the latter.
    var removingTrailingSlashes: String {
        var text = string
        while text.count > 1, text.hasSuffix("/") { text.removeLast() }
        return text
    }
}
