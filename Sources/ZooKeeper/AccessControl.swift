/// Who may do what with a znode that we create.
public enum AccessControl: Hashable, Sendable {
    /// Everybody everything.
    case open
    /// Everything, but only for those who authenticated as the creator did. Needs an authentication.
    case creatorAll
    case list([ACLEntry])
}

/// One line of an access control list.
public struct ACLEntry: Hashable, Sendable {
    public struct Permissions: OptionSet, Hashable, Sendable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }

        public static let read = Permissions(rawValue: 1)
        public static let write = Permissions(rawValue: 2)
        public static let create = Permissions(rawValue: 4)
        public static let delete = Permissions(rawValue: 8)
        public static let admin = Permissions(rawValue: 16)
        public static let all: Permissions = [.read, .write, .create, .delete, .admin]
    }

    public let permissions: Permissions
    /// Such as "world", "digest", "ip", "auth".
    public let scheme: String
    /// As the scheme wants it: "anyone", "user:hash", an address.
    public let id: String

    public init(_ permissions: Permissions, scheme: String, id: String) {
        self.permissions = permissions
        self.scheme = scheme
        self.id = id
    }
}
