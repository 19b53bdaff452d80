import NIOCore
import NIOHTTP1
import NIOSSL

/// When a connection ends: after the answer to a request of HTTP/1.0 or with `Connection: close` in any case, after an
/// answer that says so, when a client takes too long, and when it gives way to another. Stands right behind the decoder,
/// where the version of a request can still be seen; what comes after closes neither.
final class ConnectionRules: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        case header, body
        /// The client waits for us.
        case serving
        case answer, idle, linger
    }

    private let limits: ConnectionLimits
    private let budget: HeaderBudget
    private let book: ConnectionBook
    private var phase = Phase.header
    private var timer: (task: Scheduled<Void>, fires: NIODeadline)?
    private var deadline = NIODeadline.distantFuture

    /// Requests passed on whose answer has not been written.
    private var unanswered = 0
    private var isReadingRequest = false
    private var bodyBytes = 0
    /// No further request is taken.
    private var isLastRequest = false
    /// The answer that is being written ends the connection.
    private var isLastAnswer = false

    init(limits: ConnectionLimits, budget: HeaderBudget, book: ConnectionBook) {
        self.limits = limits
        self.budget = budget
        self.book = book
    }

    // MARK: The connection's life

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        budget.onUnfinishedHeader = { _ in
            let (rules, context) = bound.value
            rules.headerIsUnfinished(context)
        }
        let hasRoom = book.add(ObjectIdentifier(self)) { [loop = context.eventLoop] in
            loop.execute {
                let (rules, context) = bound.value
                rules.abandon(context)
            }
        }
        guard hasRoom else { return context.close(promise: nil) }
        if context.channel.isActive { enter(.header, context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        enter(.header, context)
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        book.remove(ObjectIdentifier(self))
        timer?.task.cancel()
        timer = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if phase == .linger, case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What follows the last request is not wanted.
        guard phase != .linger, !isLastRequest || isReadingRequest else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            budget.headerIsComplete()
            unanswered += 1
            isReadingRequest = true
            bodyBytes = 0
            if head.version != .http1_1 || !head.isKeepAlive { isLastRequest = true }
            if phase != .answer { enter(.body, context) }
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            guard bodyBytes <= limits.bodyBytes else {
                context.close(promise: nil)
                return
            }
        case .end:
            isReadingRequest = false
            if phase == .body { enter(.serving, context) }
            budget.requestIsComplete()
        }
        context.fireChannelRead(data)
    }

    private func headerIsUnfinished(_ context: ChannelHandlerContext) {
        if phase == .idle { enter(.header, context) }
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            // Answered before the request was read to its end: the rest is not waited for.
            isLastAnswer =
                isReadingRequest || (isLastRequest && unanswered <= 1)
                || head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "close" }
            if isLastAnswer { head.headers.replaceOrAdd(name: "Connection", value: "close") }
            enter(.answer, context)
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            unanswered = max(0, unanswered - 1)
            let written = promise ?? context.eventLoop.makePromise()
            let isLast = isLastAnswer
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            // When it fails, the channel is closing already.
            written.futureResult.whenSuccess {
                let (rules, context) = bound.value
                rules.answered(isLast: isLast, context)
            }
            context.writeAndFlush(data, promise: written)
        }
    }

    private func answered(isLast: Bool, _ context: ChannelHandlerContext) {
        if !isLast {
            enter(isReadingRequest ? .body : unanswered > 0 ? .serving : .idle, context)
        } else if isReadingRequest {
            // Closing at once would reset the connection under the client, which could lose the answer.
            enter(.linger, context)
            context.close(mode: .output, promise: nil)
        } else {
            book.noteEnd(ObjectIdentifier(self))
            context.close(promise: nil)
        }
    }

    // MARK: Deadlines

    private func enter(_ phase: Phase, _ context: ChannelHandlerContext) {
        self.phase = phase
        book.note(ObjectIdentifier(self), isServed: phase == .serving)
        deadline = limit(of: phase).map { .now() + $0 } ?? .distantFuture
        guard deadline != .distantFuture else { return }
        // A timer that fires too early looks again: most requests need none of their own.
        if let timer, timer.fires <= deadline { return }
        timer?.task.cancel()
        schedule(context)
    }

    private func limit(of phase: Phase) -> TimeAmount? {
        switch phase {
        case .header: limits.header
        case .body: limits.body
        case .serving: nil
        case .answer: limits.answer
        case .idle: limits.idle
        case .linger: limits.linger
        }
    }

    private func schedule(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let task = context.eventLoop.scheduleTask(deadline: deadline) {
            let (rules, context) = bound.value
            rules.timerFired(context)
        }
        timer = (task, deadline)
    }

    private func timerFired(_ context: ChannelHandlerContext) {
        timer = nil
        if NIODeadline.now() >= deadline {
            abandon(context)
        } else if deadline != .distantFuture {
            schedule(context)
        }
    }

    /// TLS would first say goodbye and wait for the answer of a client that has had its time.
    private func abandon(_ context: ChannelHandlerContext) {
        let tls = try? context.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
        (tls ?? context).close(promise: nil)
    }
}
