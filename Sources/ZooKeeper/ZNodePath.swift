/// An absolute path of the ZooKeeper tree, known to be one that the server accepts.
///
/// With a chroot in ``ZooKeeperHosts`` paths are below it.
public struct ZNodePath: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// The root: "/".
    public static let root = ZNodePath(known: "/")

    private init(known: String) { description = known }

    /// - Throws: `.invalidPath` for what the server would refuse: a relative path, an empty, "." or ".." component,
    ///   a slash at the end, control characters or the ranges that ZooKeeper reserves.
    public init(_ text: String) throws(ZooKeeperError) {
        guard Self.isValid(text) else { throw ZooKeeperError(.invalidPath, detail: text) }
        description = text
    }

    /// The path of a child; `name` is one component.
    /// - Throws: `.invalidPath`.
    public func child(_ name: String) throws(ZooKeeperError) -> ZNodePath {
        guard !name.isEmpty, !name.contains("/") else { throw ZooKeeperError(.invalidPath, detail: name) }
        return try ZNodePath(self == .root ? "/\(name)" : "\(description)/\(name)")
    }

    /// The path above; nil for the root.
    public var parent: ZNodePath? {
        guard self != .root, let slash = description.lastIndex(of: "/") else { return nil }
        return slash == description.startIndex ? .root : ZNodePath(known: String(description[..<slash]))
    }

    /// The last component; empty for the root.
    public var name: String { String(description[description.index(after: description.lastIndex(of: "/")!)...]) }

    static func isValid(_ text: String) -> Bool {
        guard text.utf8.first == UInt8(ascii: "/") else { return false }
        if text.utf8.count == 1 { return true }
        guard text.unicodeScalars.allSatisfy(isAllowed) else { return false }
        return text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
            .allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1f, 0x7f...0x9f, 0xd800...0xf8ff, 0xfff0...0xffff: false
        default: true
        }
    }
}

extension ZNodePath: ExpressibleByStringLiteral {
    /// For paths written in the source; a literal that is no path is an error of the programmer.
    public init(stringLiteral text: String) {
        precondition(Self.isValid(text), "not a znode path: \(text)")
        self.init(known: text)
    }
}
