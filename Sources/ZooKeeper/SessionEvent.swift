/// What a session learns without asking.
public enum SessionEvent: Hashable, Sendable {
    public enum NodeChange: Hashable, Sendable {
        case created
        case deleted
        /// Its data were set.
        case changed
        /// A child was created or deleted.
        case children
    }

    /// A server accepted the session, for the first time or again. Watches survive a reconnect.
    case connected(Connection)
    /// No server serves us. The session may live on or not: nobody can say before the next ``connected(_:)``.
    case disconnected
    /// A server said that the session is gone, with its ephemeral znodes and watches. Learnt only from a server: a
    /// partitioned client never sees it. Close, and open a new session.
    case expired
    /// The server refused an authentication; the handle is dead.
    case authenticationFailed
    /// A watch fired; it is gone.
    case node(NodeChange, ZNodePath)
    /// The last event: we closed the session.
    case closed
}

/// One accepted connection of a session.
public struct Connection: Hashable, Sendable {
    /// Grows at each accepted connect or reconnect. What was acknowledged on one generation proves nothing on the next.
    public let generation: UInt64
    public let session: SessionID
    /// The timeout that the server granted at this connect.
    public let negotiatedTimeout: Duration
    /// CLOCK_BOOTTIME in ns, known to lie before the handshake was sent: the server's timer of this session was
    /// restarted later than this. For our own open the moment before the client existed; for a reconnect the sending
    /// of the last request acknowledged on the connection before, since the event itself may be noticed much later.
    public let anchor: Int64
}
