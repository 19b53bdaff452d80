/// Connection parameters in the order they were given, with libpq's quoting. Passwords are held apart.
public struct ConnectionInfo: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    /// Keywords whose values never print.
    static let secretKeywords: Set<String> = ["password", "sslpassword"]

    enum Value: Sendable, Hashable {
        case plain(String)
        case secret(Secret)
    }

    private(set) var entries: [(keyword: String, value: Value)] = []

    /// Takes keyword/value pairs; a keyword given twice keeps its first place and its last value.
    public init(_ pairs: [(String, String)] = []) {
        for (keyword, value) in pairs { self[keyword] = value }
    }

    /// The plain value of a keyword; nil when absent, and always nil for secret ones. Setting nil removes it.
    public subscript(keyword: String) -> String? {
        get {
            guard case .plain(let text)? = entries.first(where: { $0.keyword == keyword })?.value else { return nil }
            return text
        }
        set {
            guard let newValue else { return entries.removeAll { $0.keyword == keyword } }
            set(keyword, Self.secretKeywords.contains(keyword) ? .secret(Secret(newValue)) : .plain(newValue))
        }
    }

    /// The password, if one is set.
    public var password: Secret? {
        get { secret("password") }
        set { setSecret("password", newValue) }
    }

    /// The passphrase of the client's TLS key, if one is set.
    public var sslPassword: Secret? {
        get { secret("sslpassword") }
        set { setSecret("sslpassword", newValue) }
    }

    /// A copy with one keyword set, or removed by nil.
    public func with(_ keyword: String, _ value: String?) -> ConnectionInfo {
        var copy = self
        copy[keyword] = value
        return copy
    }

    /// A copy whose sessions begin with this setting, over what the server's files, database and role say.
    public func withSetting(_ name: String, _ value: String) -> ConnectionInfo {
        var text = ""
        for character in value {
            if character == "\\" || character.isWhitespace { text += "\\" }
            text.append(character)
        }
        let given = self["options"].map { $0.isEmpty ? "" : $0 + " " } ?? ""
        return with("options", "\(given)-c \(name)=\(text)")
    }

    /// The pairs as text `keyword=value ...`; white space, quotes and backslashes in values are escaped by a backslash.
    /// - Parameter includingPassword: true only for what goes into a 0600 file or over a protected connection.
    public func conninfo(includingPassword: Bool) -> String {
        entries.compactMap { keyword, value in
            switch value {
            case .plain(let text): keyword + "=" + Self.quoted(text)
            case .secret(let secret): includingPassword ? keyword + "=" + Self.quoted(secret.reveal()) : nil
            }
        }.joined(separator: " ")
    }

    public var description: String { conninfo(includingPassword: false) }
    public var customMirror: Mirror { Mirror(self, children: ["conninfo": description]) }

    public static func == (left: Self, right: Self) -> Bool {
        left.entries.elementsEqual(right.entries) { $0.keyword == $1.keyword && $0.value == $1.value }
    }

    public func hash(into hasher: inout Hasher) {
        for (keyword, value) in entries {
            hasher.combine(keyword)
            hasher.combine(value)
        }
    }

    /// One value as libpq's parser reads it back: an empty one needs quotes, the rest a backslash before what ends it.
    static func quoted(_ value: String) -> String {
        if value.isEmpty { return "''" }
        var text = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            switch scalar {
            case "'", "\\", " ", "\t", "\n", "\r", "\u{0B}", "\u{0C}": text.append("\\")
            default: break
            }
            text.append(scalar)
        }
        return String(text)
    }

    /// Every keyword with its cleartext, for `PQconnectStartParams`.
    var revealed: [(keyword: String, value: String)] {
        entries.map { keyword, value in
            switch value {
            case .plain(let text): (keyword, text)
            case .secret(let secret): (keyword, secret.reveal())
            }
        }
    }

    var secrets: [Secret] {
        entries.compactMap { if case .secret(let secret) = $0.value { secret } else { nil } }
    }

    private func secret(_ keyword: String) -> Secret? {
        guard case .secret(let secret)? = entries.first(where: { $0.keyword == keyword })?.value else { return nil }
        return secret
    }

    private mutating func setSecret(_ keyword: String, _ value: Secret?) {
        guard let value else { return entries.removeAll { $0.keyword == keyword } }
        set(keyword, .secret(value))
    }

    private mutating func set(_ keyword: String, _ value: Value) {
        if let index = entries.firstIndex(where: { $0.keyword == keyword }) {
            entries[index].value = value
        } else {
            entries.append((keyword, value))
        }
    }
}
