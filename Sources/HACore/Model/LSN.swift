/// A WAL position in bytes. Text form is PostgreSQL's `16/B374D848`; JSON of the contract carries the decimal bytes.
public struct LSN: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ bytes: UInt64) { self.rawValue = bytes }

    /// Reads `HI/LO` in hexadecimal; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")),
            let high = Self.half(text.utf8[..<slash]), let low = Self.half(text.utf8[text.utf8.index(after: slash)...])
        else { return nil }
        self.rawValue = high << 32 | low
    }

    private static func half(_ digits: some Collection<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for digit in digits {
            guard let digit = Character(UnicodeScalar(digit)).hexDigitValue, value <= 0xFFF_FFFF else { return nil }
            value = value << 4 | UInt64(digit)
        }
        return digits.isEmpty ? nil : value
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
