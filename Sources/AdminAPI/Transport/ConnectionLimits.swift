import NIOCore

/// What one client may take of the server.
struct ConnectionLimits: Sendable {
    /// Over all listeners together; a further client takes the place of one that is waited for.
    var connections = 512
    /// From the connection, or a request's first byte, to the end of its header.
    var header = TimeAmount.seconds(5)
    /// From the end of a header to the end of the request.
    var body = TimeAmount.seconds(30)
    /// For a client to take an answer. What it takes to give one is bounded by whoever gives it.
    var answer = TimeAmount.seconds(30)
    /// Between requests of one connection.
    var idle = TimeAmount.seconds(30)
    /// For a client to take the answer to a request that it is still sending.
    var linger = TimeAmount.seconds(1)
    /// Request line and header fields together.
    var headerBytes = 32 << 10
    var bodyBytes = 1 << 20
}
