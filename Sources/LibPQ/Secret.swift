/// A password or key. Printing, interpolating, dumping or mirroring it shows stars; only `reveal()` gives the text.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let text: String

    public init(_ text: String) { self.text = text }

    /// The cleartext: for the wire, a 0600 file, or a comparison, never for a log or an argument list.
    public func reveal() -> String { text }

    public var isEmpty: Bool { text.isEmpty }
    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// `message` with each occurrence of the secret replaced by stars.
    func redacted(from message: String) -> String {
        guard !text.isEmpty, message.utf8.count >= text.utf8.count else { return message }
        return message.split(separator: text, omittingEmptySubsequences: false).joined(separator: "***")
    }
}
