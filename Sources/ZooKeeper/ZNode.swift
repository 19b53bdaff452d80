/// What ZooKeeper keeps beside a znode's data.
public struct ZNodeStat: Hashable, Sendable {
    /// The transaction that created the znode: unique in the ensemble, and always growing.
    public let czxid: Int64
    /// The transaction that last changed its data.
    public let mzxid: Int64
    /// The transaction that last changed its list of children.
    public let pzxid: Int64
    /// Milliseconds since 1970 on the ZooKeeper leader's clock, at creation.
    public let ctime: Int64
    /// Milliseconds since 1970 on the ZooKeeper leader's clock, at the last change of the data.
    public let mtime: Int64
    /// How often the data were set since the creation.
    public let version: Version
    /// How often the list of children changed.
    public let cversion: Int32
    /// The session that holds an ephemeral znode; nil for a persistent one.
    public let ephemeralOwner: SessionID?
    /// Bytes.
    public let dataLength: Int
    public let numChildren: Int
}

/// The data version of a znode: 0 at its creation, one more at each set. Never -1, which ZooKeeper reads as "any".
public struct Version: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int32

    /// The version of a znode that was created and never set.
    public static let initial = Version(known: 0)

    init(known: Int32) { rawValue = known }

    /// nil for -1.
    public init?(rawValue: Int32) {
        guard rawValue != -1 else { return nil }
        self.rawValue = rawValue
    }

    /// The version after one more set.
    public var next: Version { Version(known: rawValue &+ 1 == -1 ? 0 : rawValue &+ 1) }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { "\(rawValue)" }
}

/// The condition of a set, delete or check. "Any" has to be said: it cannot come from a stored number.
public enum ExpectedVersion: Hashable, Sendable {
    case exactly(Version)
    case any

    var raw: Int32 {
        switch self {
        case .exactly(let version): version.rawValue
        case .any: -1
        }
    }
}

/// How long a znode lives.
public enum CreateMode: Hashable, Sendable {
    /// Until it is deleted.
    case persistent
    /// Until it is deleted or the session that created it ends.
    case ephemeral
}

/// The number of a session, as `ephemeralOwner` shows it.
public struct SessionID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
    public var description: String { "0x" + String(UInt64(bitPattern: rawValue), radix: 16) }
}
