/// The name of a cluster member: `name` in its configuration, its znode under `members/`, its application_name.
public struct MemberID: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible,
    ExpressibleByStringLiteral
{
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }
    public init(_ name: String) { self.rawValue = name }
    public init(stringLiteral value: String) { self.rawValue = value }

    public var description: String { rawValue }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// Whether PostgreSQL takes both for one `application_name`.
    public func isSame(as other: MemberID) -> Bool { rawValue.lowercased() == other.rawValue.lowercased() }

    /// The member's replication slot name (contract/patroni.md 1.4): lower-case; `-` and `.` become `_`; any other
    /// character outside `[a-z0-9_]` becomes `u` and its code point in at least four decimal digits; at most 63 bytes.
    public var slotName: String {
        var name = ""
        for scalar in rawValue.lowercased().unicodeScalars {
            switch scalar {
            case "a"..."z", "0"..."9", "_": name.unicodeScalars.append(scalar)
            case "-", ".": name += "_"
            default:
                let digits = String(scalar.value)
                name += "u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            }
        }
        return String(name.prefix(63))
    }
}
