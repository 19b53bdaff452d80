/// What a process needs to take up a session again.
///
/// Whoever has them *is* the session: keep them in a file that only we can read. No description shows the password.
public struct SessionCredentials: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    public let session: SessionID
    /// 16 bytes.
    public let password: [UInt8]
    /// The timeout that was asked for when the session was opened. A session must not be taken up with another one: a
    /// shorter one would move its expiry forward under the feet of who relies on it.
    public let requestedTimeout: Duration

    /// nil unless the password has 16 bytes.
    public init?(session: SessionID, password: [UInt8], requestedTimeout: Duration) {
        guard password.count == 16 else { return nil }
        self.session = session
        self.password = password
        self.requestedTimeout = requestedTimeout
    }

    public var description: String { "session \(session), timeout \(requestedTimeout)" }
    public var debugDescription: String { description }
}

extension SessionCredentials: CustomReflectable {
    /// `dump` and test reports walk through mirrors.
    public var customMirror: Mirror {
        Mirror(self, children: ["session": session, "requestedTimeout": requestedTimeout])
    }
}
