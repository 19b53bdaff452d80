/// A WAL position in bytes. Text form is PostgreSQL's `16/B374D848`; JSON of the contract carries the decimal bytes.
public struct LSN: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ bytes: UInt64) { self.rawValue = bytes }

    /// Reads `HI/LO` in hexadecimal; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let high = UInt32(parts[0], radix: 16), let low = UInt32(parts[1], radix: 16),
            !parts[0].hasPrefix("+"), !parts[1].hasPrefix("+")
        else { return nil }
        self.rawValue = UInt64(high) << 32 | UInt64(low)
    }

    public static let zero = LSN(0)

    public var description: String {
        let high = String(rawValue >> 32, radix: 16, uppercase: true)
        return high + "/" + String(rawValue & 0xFFFF_FFFF, radix: 16, uppercase: true)
    }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// How far this position is ahead of `other`, in bytes; 0 when it is behind.
    public func bytesAhead(of other: LSN) -> UInt64 { rawValue > other.rawValue ? rawValue - other.rawValue : 0 }
}
