public import LibPQ
public import SystemPackage

/// libpq's password file, so that passwords stand neither in arguments nor in `primary_conninfo`.
public struct Passfile: Hashable, Sendable {
    public struct Entry: Hashable, Sendable {
        public let host: String
        public let port: Int
        public let user: String
        public let password: Secret

        public init(host: String, port: Int, user: String, password: Secret) {
            self.host = host
            self.port = port
            self.user = user
            self.password = password
        }

        /// `host:port:*:user:password`; colons and backslashes get a backslash. nil for what a line cannot hold.
        var line: String? {
            let fields = [host, String(port), "*", user, password.reveal()]
            guard !fields.contains(where: { $0.contains(where: \.isNewline) || $0.contains("\0") }) else { return nil }
            return fields.enumerated().map { index, field in index == 2 ? field : Self.escaped(field) }
                .joined(separator: ":")
        }

        private static func escaped(_ field: String) -> String {
            var text = ""
            for character in field {
                if character == ":" || character == "\\" { text += "\\" }
                text.append(character)
            }
            return text
        }
    }

    public let path: FilePath
    public let entries: [Entry]

    public init(path: FilePath, entries: [Entry]) {
        self.path = path
        self.entries = entries
    }

    /// Writes the file with mode 0600 when its content differs.
    /// - Throws: `.file`, which names the key in the configuration; `.unexpected` for a password with a line break, which
    ///   the format cannot hold.
    public func write() async throws(PostgresControlError) {
        var text = ""
        for entry in entries {
            guard let line = entry.line else {
                throw PostgresControlError(
                    .unexpected, "the password or name of \(entry.user) at \(entry.host) holds a line break",
                    outcome: .didNotHappen)
            }
            text += line + "\n"
        }
        let content = Secret(text)
        do throws(PostgresControlError) {
            try await Disk.run { [path] () throws(PostgresControlError) in
                _ = try AtomicFile.update(content.reveal(), at: path, mode: 0o600)
            }
        } catch {
            throw PostgresControlError(error.code, "postgresql.pgpass: " + error.message, outcome: error.outcome)
        }
    }
}
