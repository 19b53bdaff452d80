import CPlatform
import CZooKeeper
import Dispatch
import Glibc
import NIOConcurrencyHelpers
import Waiting

/// The C handle of one session, under a lock: taken away before it is closed, so that no call can follow the close.
final class Handle: Sendable {
    /// C's own locks guard what the pointer shows; ours guards that it is still there.
    private struct Raw: @unchecked Sendable { let pointer: OpaquePointer }

    private let raw: NIOLockedValueBox<Raw?>
    let state: SessionState
    let accessControl: AccessControl

    /// `zookeeper_init2` resolves names and `zookeeper_close` joins threads: both block, for seconds if need be.
    private static let blocking = DispatchQueue(label: "zookeeper.blocking", attributes: .concurrent)

    private init(raw: Raw, state: SessionState, accessControl: AccessControl) {
        self.raw = NIOLockedValueBox(raw)
        self.state = state
        self.accessControl = accessControl
    }

    /// Makes the handle, on the blocking queue; the connection comes later.
    static func open(
        _ configuration: ZooKeeperConfiguration, resuming: SessionCredentials?,
        events: AsyncStream<SessionEvent>.Continuation
    ) async throws(ZooKeeperError) -> Handle {
        let result = OneShot<Result<Handle, ZooKeeperError>>()
        blocking.async {
            let made = make(configuration, resuming, events)
            guard !result.settle(made), case .success(let late) = made else { return }
            late.close {}  // nobody waits for it any more
        }
        return try await result.value(within: configuration.openDeadline) { code in
            .failure(ZooKeeperError(code, detail: configuration.hosts.description))
        }.get()
    }

    private static func make(
        _ configuration: ZooKeeperConfiguration, _ resuming: SessionCredentials?,
        _ events: AsyncStream<SessionEvent>.Continuation
    ) -> Result<Handle, ZooKeeperError> {
        let timeout = resuming?.requestedTimeout ?? configuration.timeout
        let state = SessionState(requestedTimeout: timeout, openedAt: matriarch_boottime_ns(), events: events)
        let context = Unmanaged.passRetained(state)
        var identity = clientid_t()
        if let resuming {
            identity.client_id = resuming.session.rawValue
            withUnsafeMutableBytes(of: &identity.passwd) { $0.copyBytes(from: resuming.password) }
        }
        ClientLog.prepare()
        let pointer = withUnsafePointer(to: &identity) { identity in
            zookeeper_init2(
                configuration.hosts.connectString, SessionState.watcher,
                Int32(clamping: timeout.wholeNanoseconds / 1_000_000), resuming == nil ? nil : identity,
                context.toOpaque(), Int32(ZOO_NO_LOG_CLIENTENV), ClientLog.callback)
        }
        let cause = errno
        guard let pointer else {
            context.release()
            let code: ZooKeeperError.Code = [ENOMEM, EAGAIN, EMFILE, ENFILE].contains(cause) ? .noHandle : .unknownHost
            return .failure(ZooKeeperError(code, detail: configuration.hosts.description))
        }
        // While connected, names are not resolved again: the library would do it on its I/O thread before each ping,
        // and leave a healthy connection without an event when the answer changes. On a reconnect it resolves anyway.
        zoo_set_servers_resolution_delay(pointer, -1)
        return .success(Handle(raw: Raw(pointer: pointer), state: state, accessControl: configuration.accessControl))
    }

    /// Runs `body` with the handle; nil after the close began. `body` must not block.
    func with<Result>(_ body: (OpaquePointer) -> Result) -> Result? {
        raw.withLockedValue { raw in raw.map { body($0.pointer) } }
    }

    /// Hands one request to C. `finish` is called exactly once, by C's thread or by the close, unless this returns a
    /// code: then nothing was handed over.
    func submit(
        results: TransactionResults? = nil, provesConnection: Bool = true,
        _ call: (OpaquePointer, UnsafeRawPointer?) -> Int32,
        finish: @escaping @Sendable (_ reply: Reply, _ sentAt: Int64) -> Void
    ) -> ZooKeeperError.Code? {
        // The library would refuse, too, but a `multi` with a misleading code and a leak.
        if let end = state.end { return end == .closing ? .closing : .invalidState }
        let code = with { handle -> Int32 in
            let sentAt = matriarch_boottime_ns()
            let state = state
            let context = Inflight.register(
                Inflight.Request(session: state.number, sentAt: sentAt, results: results) { reply in
                    if provesConnection, reply.code.isAnswer { state.acknowledged(sentAt: sentAt) }
                    finish(reply, sentAt)
                })
            let code = call(handle, UnsafeRawPointer(bitPattern: context))
            if code != ZOK.rawValue { _ = Inflight.take(context) }
            return code
        }
        guard let code else { return .closing }
        return code == ZOK.rawValue ? nil : ZooKeeperError.Code(rawValue: code)
    }

    /// Ends the session at the server if it is connected, joins C's threads and ends what is in flight; then `done`.
    /// Nothing but `done` when it was closed before.
    func close(_ done: @escaping @Sendable () -> Void) {
        let taken = raw.withLockedValue { raw in
            defer { raw = nil }
            return raw
        }
        guard let taken else { return done() }
        state.closing()
        Self.blocking.async { [state] in
            zookeeper_close(taken.pointer)
            // Both C threads are gone: what has no answer now will never have one.
            for request in Inflight.takeAll(of: state.number) { request.finish(Reply(.closing)) }
            state.closed()
            Unmanaged.passUnretained(state).release()
            done()
        }
    }

    /// True once the close began.
    var isClosed: Bool { raw.withLockedValue { $0 == nil } }
}
