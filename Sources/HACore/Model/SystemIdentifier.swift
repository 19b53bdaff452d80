/// PostgreSQL's `system_identifier` of a data directory, as decimal text (it exceeds what JSON numbers carry).
public struct SystemIdentifier: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    /// Accepts at least ten decimal digits (contract/patroni.md 4.1 row 3); nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count >= 10, text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
        self.rawValue = String(text)
    }

    public var description: String { rawValue }
}
