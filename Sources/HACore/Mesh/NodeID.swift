/// How Spock knows a node: the lower 16 bits of `hashtext` of its name (contract/spock.md 1.1). Nobody hands them out, so
/// two names of a mesh can have the same, which Spock shows only as a violated primary key.
public struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// - Parameter name: of the node, at most 63 bytes long: PostgreSQL would cut off the rest.
    public init(of name: String) { self.init(rawValue: UInt16(truncatingIfNeeded: PostgresHash.text(name))) }

    /// Whether PostgreSQL takes it for something else where it stands for the origin of a change: 0 is "written here",
    /// 65535 "not to be replicated".
    public var isReserved: Bool { rawValue == 0 || rawValue == .max }

    public var description: String { String(rawValue) }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The names that have to be changed before they can be nodes of one mesh.
    /// - Parameter names: in any order; one that is given twice counts once.
    /// - Returns: groups of two or more different names with the same id, in the order of their ids, each sorted.
    public static func collisions(among names: some Sequence<String>) -> [[String]] {
        Dictionary(grouping: Set(names), by: NodeID.init(of:))
            .filter { $0.value.count > 1 }
            .sorted { $0.key < $1.key }
            .map { $0.value.sorted() }
    }
}
