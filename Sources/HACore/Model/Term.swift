/// One leadership: the `czxid` of the `leader` znode. Grows across the ensemble; for order, logs and people.
/// What fences is the version of `epoch` (design/rulings, Lock 3).
public struct Term: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    public let rawValue: Int64

    public init(rawValue: Int64) { self.rawValue = rawValue }
    public init(_ czxid: Int64) { self.rawValue = czxid }

    public var description: String { String(rawValue) }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
