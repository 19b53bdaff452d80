/// Where a value stands in a configuration document: keys, and numbers for the items of lists.
public struct ConfigPath: Hashable, Sendable, CustomStringConvertible, ExpressibleByArrayLiteral {
    public let components: [String]

    public init(_ components: [String] = []) { self.components = components }
    public init(arrayLiteral elements: String...) { self.components = elements }

    public static func + (left: Self, right: String) -> Self { ConfigPath(left.components + [right]) }
    public static func + (left: Self, right: Int) -> Self { left + String(right) }

    public func starts(with prefix: ConfigPath) -> Bool { components.starts(with: prefix.components) }

    /// `postgresql.authentication.superuser.username`
    public var description: String { components.joined(separator: ".") }

    /// Whether values here or below are never shown.
    public var isSecret: Bool {
        if let last = components.last, Self.secretKeys.contains(last) { return true }
        return components.contains { Self.secretSections.contains($0) }
    }

    private static let secretKeys: Set<String> = [
        "password", "sslpassword", "key_password", "keyfile_password", "passfile", "primary_conninfo",
    ]
    /// Wholly: a section that is no map may be the secret itself. Commands of users may carry one.
    private static let secretSections: Set<String> = [
        "authentication", "auth_data", "superuser", "replication", "pg_rewind", "recovery_conf", "users",
        "callbacks", "http_extra_headers", "https_extra_headers",
    ]
}
