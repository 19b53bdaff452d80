import Dispatch
import Foundation
import Logging
import NIOConcurrencyHelpers

/// The socket, the requests that wait for an answer, and the stream of events.
///
/// Everything mutable is in the locked box. The descriptor is closed under the same lock under which it is written
/// to, so that a send never hits a number that was given to something else.
final class KeeperConnection: Sendable {
    typealias Answer = Result<[String], KeeperError>

    private struct State {
        var descriptor: Int32
        var nextID: UInt64 = 1
        var waiting: [UInt64: CheckedContinuation<Answer, Never>] = [:]
        var tools: [Int32: CheckedContinuation<Int32?, Never>] = [:]
        /// Tools whose end was read before anybody asked for it.
        var endedTools: [Int32: Int32] = [:]
    }

    let events: AsyncStream<KeeperEvent>
    private let continuation: AsyncStream<KeeperEvent>.Continuation
    private let state: NIOLockedValueBox<State>
    private let queue = DispatchQueue(label: "matriarch.keeper")
    /// Dispatch sources may be used from any thread; only `cancel` is called after `init`.
    private nonisolated(unsafe) let source: any DispatchSourceRead
    private let logger: Logger

    /// Takes ownership of the connected, non-blocking `descriptor`.
    init(descriptor: Int32, logger: Logger) {
        self.state = NIOLockedValueBox(State(descriptor: descriptor))
        self.logger = logger
        (events, continuation) = AsyncStream.makeStream(of: KeeperEvent.self)
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        source.setEventHandler { [weak self] in self?.read(descriptor) }
        let state = self.state
        source.setCancelHandler { [continuation] in
            state.withLockedValue { _ in _ = Glibc.close(descriptor) }
            continuation.yield(.closed)
            continuation.finish()
        }
        source.activate()
    }

    deinit { close() }

    /// Ends the connection; whoever waits gets `closed`, and the stream of events ends.
    func close() {
        let (answers, tools) = state.withLockedValue { state in
            defer {
                state.descriptor = -1
                state.waiting = [:]
                state.tools = [:]
            }
            return (Array(state.waiting.values), Array(state.tools.values))
        }
        source.cancel()
        for answer in answers {
            answer.resume(returning: .failure(KeeperError(.closed, outcome: .unknown, "the connection has ended")))
        }
        for tool in tools { tool.resume(returning: nil) }
    }

    /// Hands a datagram over without waiting; false when the socket is gone or its queue is full.
    func post(_ verb: String, _ fields: [String]) -> Bool {
        guard let bytes = KeeperMessage(id: 0, verb: verb, fields: fields).encoded() else { return false }
        return state.withLockedValue { Self.send(bytes, to: $0.descriptor) } == 0
    }

    /// Sends a request and waits for its answer.
    func request(_ verb: String, _ fields: [String], deadline: Duration) async throws(KeeperError) -> [String] {
        let id = state.withLockedValue { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        guard let bytes = KeeperMessage(id: id, verb: verb, fields: fields).encoded() else {
            throw KeeperError(.unsendable, outcome: .didNotHappen, "the arguments of \(verb) do not fit into a message")
        }
        let end = ContinuousClock.now + deadline
        while true {
            let answer = await withTaskCancellationHandler {
                await withCheckedContinuation { waiter in submit(bytes, id: id, verb: verb, until: end, waiter) }
            } onCancel: {
                settle(id, .failure(KeeperError(.cancelled, outcome: .unknown, "\(verb) was given up")))
            }
            // The queue is full, of renewals perhaps: the keeper empties it within microseconds, or hangs.
            if case .failure(let error) = answer, error.code == .queueFull, ContinuousClock.now < end {
                _ = try? await Task.sleep(for: .milliseconds(1))
                continue
            }
            return try answer.get()
        }
    }

    private func submit(
        _ bytes: [UInt8], id: UInt64, verb: String, until end: ContinuousClock.Instant,
        _ waiter: CheckedContinuation<Answer, Never>
    ) {
        // Under one lock with the sending: the answer may be faster than this thread.
        let failure = state.withLockedValue { state -> Int32 in
            let failure = Task.isCancelled ? ECANCELED : Self.send(bytes, to: state.descriptor)
            if failure == 0 { state.waiting[id] = waiter }
            return failure
        }
        guard failure == 0 else {
            let text = "\(verb) was not sent: \(String(cString: strerror(failure)))"
            waiter.resume(returning: .failure(KeeperError(.ofSending(failure), outcome: .didNotHappen, text)))
            return
        }
        if Task.isCancelled {
            settle(id, .failure(KeeperError(.cancelled, outcome: .unknown, "\(verb) was given up")))
        }
        let rest = max(.zero, end - .now)
        queue.asyncAfter(deadline: .now() + .nanoseconds(Int(rest.inNanoseconds))) { [weak self] in
            self?.expire(id, verb)
        }
    }

    /// Runs on `queue`. An answer that lies there came in time: it is this process that is late.
    private func expire(_ id: UInt64, _ verb: String) {
        let descriptor = state.withLockedValue { $0.waiting[id] == nil ? -1 : $0.descriptor }
        if descriptor >= 0 { read(descriptor) }
        settle(id, .failure(KeeperError(.timedOut, outcome: .unknown, "no answer to \(verb) in time")))
    }

    private func settle(_ id: UInt64, _ answer: Answer) {
        state.withLockedValue { $0.waiting.removeValue(forKey: id) }?.resume(returning: answer)
    }

    /// Wait status of the tool; nil when the connection ended or `deadline` passed first.
    func endOfTool(_ pid: Int32, deadline: Duration) async -> Int32? {
        await withCheckedContinuation { waiter in
            let status = state.withLockedValue { state -> Int32?? in
                if let status = state.endedTools.removeValue(forKey: pid) { return .some(status) }
                if state.descriptor < 0 { return .some(nil) }
                state.tools[pid] = waiter
                return nil
            }
            if let status { return waiter.resume(returning: status) }
            queue.asyncAfter(deadline: .now() + .nanoseconds(Int(deadline.inNanoseconds))) { [weak self] in
                self?.state.withLockedValue { $0.tools.removeValue(forKey: pid) }?.resume(returning: nil)
            }
        }
    }

    /// 0, or the errno.
    private static func send(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        guard descriptor >= 0 else { return EPIPE }
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        let sent = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) }
        return sent == bytes.count ? 0 : errno
    }

    /// Runs on `queue`: everything that is there, then back to the source.
    private func read(_ descriptor: Int32) {
        withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 1) { buffer in
            while true {
                let length = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
                if length < 0, errno == EAGAIN || errno == EINTR { return }
                guard length > 0 else { return close() }
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<length])
                guard let message = KeeperMessage(decoding: bytes), let incoming = KeeperIncoming(message) else {
                    logger.warning("The keeper sent something that is not understood", metadata: ["bytes": "\(length)"])
                    continue
                }
                take(incoming)
            }
        }
    }

    private func take(_ incoming: KeeperIncoming) {
        switch incoming {
        case .reply(let id, .done(let fields)): settle(id, .success(fields))
        case .reply(let id, .refused(let error)): settle(id, .failure(error))
        case .event(let event):
            if case .toolEnded(let pid, let status) = event {
                let waiter = state.withLockedValue { state in
                    let waiter = state.tools.removeValue(forKey: pid)
                    if waiter == nil { state.endedTools = [pid: status] }
                    return waiter
                }
                waiter?.resume(returning: status)
            }
            continuation.yield(event)
        }
    }
}

extension KeeperError.Code {
    fileprivate static func ofSending(_ failure: Int32) -> Self {
        switch failure {
        case ECANCELED: .cancelled
        case EAGAIN: .queueFull
        case EMSGSIZE: .unsendable
        default: .closed
        }
    }
}

extension Duration {
    /// At most a day: what `DispatchTime` can add without overflow, and longer than any wait here.
    fileprivate var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds >= 86_400 ? 86_400_000_000_000 : max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
