import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL

/// Hummingbird's HTTP/1.1 connection with our limits and our rules for its end, inside TLS when there is a
/// certificate.
struct AdminChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    private let http: HTTP1Channel
    private let limits: ConnectionLimits
    private let book: ConnectionBook
    private let tls: @Sendable () -> NIOSSLContext?

    /// - Parameter tls: asked for each connection.
    init(
        limits: ConnectionLimits, book: ConnectionBook, tls: @escaping @Sendable () -> NIOSSLContext?,
        responder: @escaping HTTPChannelHandler.Responder
    ) {
        self.limits = limits
        self.book = book
        self.tls = tls
        http = HTTP1Channel(
            responder: responder,
            configuration: HTTP1Channel.Configuration(
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headerBytes / 2, maxHeaderListSize: limits.headerBytes,
                    maxHeaderFieldCount: 100)))
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let (limits, book) = (limits, book)
        let http = http
        let tls = tls
        return channel.eventLoop.makeCompletedFuture {
            guard let context = tls() else { return }
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
        }.flatMap {
            http.setup(channel: channel, logger: logger)
        }.flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            let budget = HeaderBudget(limit: limits.headerBytes)
            try pipeline.addHandler(budget, position: .before(decoder))
            try pipeline.addHandler(
                ConnectionRules(limits: limits, budget: budget, book: book), position: .after(decoder))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await http.handle(value: value, logger: logger) }
}
