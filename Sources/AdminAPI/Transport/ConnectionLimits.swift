import NIOCore

/// What one client may take of the server.
struct ConnectionLimits: Sendable {
    /// Over all listeners together; further clients wait in the backlog.
    var connections = 512
    /// From the connection, or a request's first byte, to the end of its header.
    var header = TimeAmount.seconds(5)
    /// From the end of a header until the answer is written.
    var exchange = TimeAmount.seconds(30)
    /// Between requests of one connection.
    var idle = TimeAmount.seconds(30)
    /// For a client to take the answer to a request that it is still sending.
    var linger = TimeAmount.seconds(1)
    /// Request line and header fields together.
    var headerBytes = 32 << 10
    var bodyBytes = 1 << 20
}
