import Foundation
import Logging
import NIOConcurrencyHelpers
import Waiting

/// The socket, the requests that wait for an answer, and the stream of events; read by a thread of its own.
///
/// Everything mutable is in the locked box. The descriptor is closed under the same lock under which it is written
/// to, so that a send never hits a number that was given to something else.
final class KeeperConnection: Sendable {
    typealias Answer = Result<[String], KeeperError>

    fileprivate struct Waiter {
        let continuation: CheckedContinuation<Answer, Never>
        let isCommand: Bool
        var deadline: Deadlines.Ticket?
    }

    fileprivate struct State {
        var descriptor: Int32
        var nextID: UInt64 = 1
        var waiting: [UInt64: Waiter] = [:]
        var heartbeat: Heartbeat?
        /// Events, commands and their answers so far.
        var changes: UInt64 = 0
        var tools: [Int32: CheckedContinuation<Int32?, Never>] = [:]
        /// Tools whose end was read before anybody asked for it.
        var endedTools: [Int32: Int32] = [:]
    }

    let events: AsyncStream<KeeperEvent>
    private let continuation: AsyncStream<KeeperEvent>.Continuation
    private let state: NIOLockedValueBox<State>
    /// Held while messages are read and taken: one after the other, whoever reads.
    private let reading = NIOLock()
    private let logger: Logger

    /// Takes ownership of the connected, non-blocking `descriptor`.
    init(descriptor: Int32, logger: Logger) {
        self.state = NIOLockedValueBox(State(descriptor: descriptor))
        self.logger = logger
        (events, continuation) = AsyncStream.makeStream(of: KeeperEvent.self)
        startThread(named: "keeper") { [weak self, state, reading, continuation] in
            while Self.waitForMessage(descriptor, until: self?.nextBeat), let self {
                self.read(descriptor)
                self.lookAfterBeat()
                if self.isClosed { break }
            }
            reading.withLock {
                state.withLockedValue { state in
                    state.descriptor = -1
                    _ = Glibc.close(descriptor)
                    state.heartbeat?.missed.finish()
                }
            }
            continuation.yield(.closed)
            continuation.finish()
        }
    }

    deinit { close() }

    /// Ends the connection; whoever waits gets `closed`, and the stream of events ends.
    func close() {
        let (waiters, tools) = state.withLockedValue { state in
            defer {
                // Ends the thread's wait; the thread closes it.
                if state.descriptor >= 0 { _ = shutdown(state.descriptor, Int32(SHUT_RDWR)) }
                state.descriptor = -1
                state.waiting = [:]
                state.tools = [:]
            }
            return (Array(state.waiting.values), Array(state.tools.values))
        }
        for waiter in waiters {
            waiter.resume(.failure(KeeperError(.closed, outcome: .unknown, "the connection has ended")))
        }
        for tool in tools { tool.resume(returning: nil) }
    }

    var changes: UInt64 { state.withLockedValue { $0.changes } }

    /// Hands a datagram over without waiting; false when the socket is gone or its queue is full.
    /// - Parameter beats: its answer counts as one to a ping, if one is about due.
    func post(_ verb: String, _ fields: [String], beats: Bool = false) -> Bool {
        let now = ContinuousClock.now
        return state.withLockedValue { state in
            if Self.isCommand(verb) { state.changes += 1 }
            let beat = beats ? state.beginBeat(now + Heartbeat.early) : nil
            return Self.post(verb, fields, as: beat, &state)
        }
    }

    /// Whether a status may be another one after it.
    private static func isCommand(_ verb: String) -> Bool { !["status", "ping", "extend"].contains(verb) }

    /// No number: no answer.
    private static func post(_ verb: String, _ fields: [String], as id: UInt64?, _ state: inout State) -> Bool {
        guard let bytes = KeeperMessage(id: id ?? 0, verb: verb, fields: fields).encoded() else { return false }
        return send(bytes, to: state.descriptor) == 0
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
            if failure == 0 {
                state.waiting[id] = Waiter(continuation: waiter, isCommand: Self.isCommand(verb))
                if Self.isCommand(verb) { state.changes += 1 }
            }
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
        let deadline = Deadlines.after(end - .now) { [weak self] in self?.expire(id, verb) }
        let isAnswered = state.withLockedValue { state in
            state.waiting[id]?.deadline = deadline
            return state.waiting[id] == nil
        }
        if isAnswered { Deadlines.cancel(deadline) }
    }

    /// An answer that lies there came in time: it is this process that is late.
    private func expire(_ id: UInt64, _ verb: String) {
        reading.withLock {
            let descriptor = state.withLockedValue { $0.waiting[id] == nil ? -1 : $0.descriptor }
            if descriptor >= 0 { readAll(descriptor) }
        }
        settle(id, .failure(KeeperError(.timedOut, outcome: .unknown, "no answer to \(verb) in time")))
    }

    private func settle(_ id: UInt64, _ answer: Answer) {
        state.withLockedValue { state in
            if state.heartbeat?.asked?.id == id { state.heartbeat?.asked = nil }
            // Whatever the keeper answers, it answers.
            if case .success = answer { state.heartbeat?.next = .now + Heartbeat.pause }
            let waiter = state.waiting.removeValue(forKey: id)
            if waiter?.isCommand == true { state.changes += 1 }
            return waiter
        }?.resume(answer)
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
            _ = Deadlines.after(deadline) { [weak self] in
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

    /// Everything that is there.
    private func read(_ descriptor: Int32) {
        reading.withLock { readAll(descriptor) }
    }

    private func readAll(_ descriptor: Int32) {
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
            state.withLockedValue { $0.changes += 1 }
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

// MARK: The heartbeat

extension KeeperConnection {
    /// A ping each second, by who is awake then, else by the thread that reads: at rest it is most of what an agent does.
    struct Heartbeat: Sendable {
        static let pause = Duration.seconds(1)
        /// So much earlier it may be for who is awake, and so much later the thread that reads wakes for it.
        static let (early, late) = (Duration.milliseconds(500), Duration.milliseconds(100))
        static let patience = Duration.milliseconds(300)
        let missed: AsyncStream<Void>.Continuation
        /// The ping that has no answer yet.
        var asked: (id: UInt64, due: ContinuousClock.Instant)?
        var next = ContinuousClock.now + pause
    }

    /// Pings the keeper from now on; an element when one was not answered in time, the end with the connection.
    func missedBeats() async -> AsyncStream<Void> {
        let (stream, missed) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let isOpen = state.withLockedValue { state in
            if state.descriptor >= 0 { state.heartbeat = Heartbeat(missed: missed) }
            return state.descriptor >= 0
        }
        if !isOpen { missed.finish() }
        // Its answer wakes the thread, which waits for nothing but messages so far.
        do { _ = try await request("ping", [], deadline: Heartbeat.patience) } catch { missed.yield() }
        return stream
    }

    /// Until when the thread waits for messages; nil: for as long as it takes.
    private var nextBeat: ContinuousClock.Instant? {
        state.withLockedValue { $0.heartbeat.map { $0.asked?.due ?? $0.next + Heartbeat.late } }
    }

    /// After everything was read: an answer that lay there came in time.
    private func lookAfterBeat() {
        let now = ContinuousClock.now
        state.withLockedValue { state in
            if let asked = state.heartbeat?.asked, now >= asked.due {
                state.heartbeat?.missed.yield()
                state.heartbeat?.asked = nil
            }
            Self.ping(&state, ifDueBy: now - Heartbeat.late)
        }
    }

    /// Pings the keeper if that is about due: of one who is awake anyhow. Never waits.
    func beat() {
        let now = ContinuousClock.now
        state.withLockedValue { Self.ping(&$0, ifDueBy: now + Heartbeat.early) }
    }

    private static func ping(_ state: inout State, ifDueBy time: ContinuousClock.Instant) {
        // What cannot be sent has no answer either.
        if let id = state.beginBeat(time) { _ = post("ping", [], as: id, &state) }
    }

    private var isClosed: Bool { state.withLockedValue { $0.descriptor < 0 } }

    /// True when there is something to be read, or it is time.
    private static func waitForMessage(_ descriptor: Int32, until end: ContinuousClock.Instant?) -> Bool {
        var wait: Int32 = -1
        if let end { wait = Int32(clamping: (max(.zero, end - .now).inNanoseconds + 999_999) / 1_000_000) }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, wait) >= 0 || errno == EINTR
    }
}

extension KeeperConnection.State {
    /// The number of a message whose answer is waited for; nil when none is due at this time.
    fileprivate mutating func beginBeat(_ time: ContinuousClock.Instant) -> UInt64? {
        guard let next = heartbeat?.next, heartbeat?.asked == nil, time >= next else { return nil }
        let now = ContinuousClock.now
        defer { nextID += 1 }
        heartbeat?.next = now + KeeperConnection.Heartbeat.pause
        heartbeat?.asked = (nextID, now + KeeperConnection.Heartbeat.patience)
        return nextID
    }
}

extension KeeperConnection.Waiter {
    fileprivate func resume(_ answer: KeeperConnection.Answer) {
        if let deadline { Deadlines.cancel(deadline) }
        continuation.resume(returning: answer)
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
