import LibPQ

/// Connection strings in Spock's catalogs and messages. Who made them may have put a password in.
enum DSNText {
    /// The string as it is when it holds no secret; else, or when it is none, what may be shown of it.
    static func withoutSecrets(_ dsn: String) -> String {
        guard let info = ConnectionInfo(parsing: dsn) else { return "(not a connection string)" }
        return info.password == nil && info.sslPassword == nil ? dsn : info.description
    }

    /// A message with stars for the passwords in it: Spock quotes connection strings when they differ.
    static func redacted(_ message: String) -> String {
        message.replacing(/(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'"]+)/) { "\($0.output.1)***" }
            .replacing(/(:\/\/[^\s:@\/"]*:)[^\s@\/"]*@/) { "\($0.output.1)***@" }
    }
}
