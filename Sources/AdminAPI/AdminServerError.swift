/// Why the REST API does not serve.
public struct AdminServerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Open: unknown kinds compare unequal to the listed ones.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }

        /// The address is taken, is not ours, or cannot be resolved. Nothing was served.
        public static let cannotListen = Code(rawValue: "cannot listen")
    }

    public let code: Code
    /// For people; names the configuration's key, the address and the system's reason.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
