/// One service of libpq's service file.
public struct ServiceStanza: Hashable, Sendable {
    /// A keyword of libpq and its value, which libpq takes literally up to the line's end.
    public struct Setting: Hashable, Sendable, CustomStringConvertible {
        public let keyword: String
        public let value: String

        public init(_ keyword: String, _ value: String) {
            self.keyword = keyword
            self.value = value
        }

        var line: String { "\(keyword)=\(value)" }

        /// Without a secret.
        public var description: String { Self.secret.contains(keyword) ? "\(keyword)=..." : line }

        private static let secret: Set<String> = ["password", "sslpassword", "oauth_client_secret", "scram_client_key"]
    }

    public let name: String
    /// In the stanza's order.
    public let settings: [Setting]

    /// - Throws: `.unexpected` for what libpq's file cannot hold, or would read in another way; it names key and value.
    public init(_ name: String, _ settings: [Setting]) throws(PostgresControlError) {
        guard !name.isEmpty, Self.fits(name, longest: Self.longestLine - 2),
            !name.contains(where: { "[]".contains($0) })
        else {
            throw Self.refused("service '\(Self.shown(name))'", "a name without line breaks, '[' and ']'")
        }
        var keywords: Set<String> = []
        for setting in settings {
            try Self.check(setting, of: name)
            // libpq keeps the first.
            guard keywords.insert(setting.keyword).inserted else {
                throw Self.refused("service '\(name)': \(setting.keyword) twice", "each keyword once")
            }
        }
        self.name = name
        self.settings = settings
    }

    /// A socket folder that does not exist: connections fail at once.
    public static let nowhere = Setting("host", "/gate-closed")

    /// The service leads nowhere.
    /// - Throws: `.unexpected` for a name that the file cannot hold.
    public static func closed(_ name: String) throws(PostgresControlError) -> ServiceStanza {
        try ServiceStanza(name, [nowhere])
    }

    /// Exactly what `closed` makes: beside another setting, such as `hostaddr`, the host may not count.
    public var isClosed: Bool { settings == [Self.nowhere] }

    // MARK: What fits

    /// Bytes, without the line's end: libpq refuses the whole file when a line fills its buffer of 1024 bytes.
    static let longestLine = 1021

    private static func check(_ setting: Setting, of service: String) throws(PostgresControlError) {
        let keyword = setting.keyword
        guard !keyword.isEmpty, keyword.utf8.allSatisfy(isKeyword) else {
            throw refused("service '\(service)': keyword '\(shown(keyword))'", "lower-case letters, digits and '_'")
        }
        guard keyword != "service", keyword != "servicefile", !keyword.hasPrefix("ldap") else {
            throw refused("service '\(service)': \(keyword)", "a keyword that leads to no other service")
        }
        guard fits(setting.value, longest: longestLine - keyword.utf8.count - 1) else {
            throw refused(
                "service '\(service)': \(shown(setting.description))",
                "a value without line breaks, in a line of at most \(longestLine) bytes")
        }
        if let last = setting.value.utf8.last, last == 0x20 || last == 0x09 {
            throw refused("service '\(service)': \(setting)", "a value without blanks at its end, which libpq cuts off")
        }
    }

    private static func isKeyword(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (48...57).contains(byte) || byte == 95
    }

    /// Control characters end a line, or are space to libpq at a line's end; a tab within a value is not.
    private static func fits(_ text: String, longest: Int) -> Bool {
        text.utf8.count <= longest && text.utf8.allSatisfy { ($0 >= 0x20 && $0 != 0x7f) || $0 == 0x09 }
    }

    private static func shown(_ text: String) -> String {
        let line = text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : String($0) }.joined()
        return line.count <= 100 ? line : "\(line.prefix(100))..."
    }

    private static func refused(_ what: String, _ allowed: String) -> PostgresControlError {
        PostgresControlError(
            .unexpected, "\(what) does not fit into libpq's service file: allowed is \(allowed)", outcome: .didNotHappen
        )
    }
}
