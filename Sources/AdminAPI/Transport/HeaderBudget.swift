import NIOCore

/// Stands before the decoder, which keeps a request line of any length: counts the bytes that have not become a request.
final class HeaderBudget: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let limit: Int
    private var received = 0
    private var isAwaitingHeader = true
    /// Called when a header has begun and is not yet complete.
    var onUnfinishedHeader: ((ChannelHandlerContext) -> Void)?

    init(limit: Int) { self.limit = limit }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isAwaitingHeader { received += unwrapInboundIn(data).readableBytes }
        context.fireChannelRead(data)
        // Decoded by now, if it could be.
        guard isAwaitingHeader, received > 0 else { return }
        if received > limit {
            context.close(promise: nil)
        } else {
            onUnfinishedHeader?(context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { onUnfinishedHeader = nil }

    func headerIsComplete() { isAwaitingHeader = false }

    func requestIsComplete() {
        isAwaitingHeader = true
        received = 0
    }
}
