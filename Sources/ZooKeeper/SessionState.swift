import CPlatform
import CZooKeeper
import Dispatch
import NIOConcurrencyHelpers
import Waiting

/// What the client's thread tells of a session; the context of C's watcher.
///
/// Everything here changes inside the watcher callback, before the event goes out: who reads the connection after an
/// event sees at least that event.
final class SessionState: Sendable {
    private struct State {
        var generation: UInt64 = 0
        var connection: Connection?
        var credentials: SessionCredentials?
        /// See `Connection.anchor`; before the first connection the moment of our open.
        var anchor: Int64
        var end: ZooKeeperError.Code?
        var waiting: [OneShot<Result<Connection, ZooKeeperError>>] = []
        /// What watches have told of, until somebody asks.
        var told: Set<ZNodePath> = []
    }

    let number: UInt64
    private let requestedTimeout: Duration
    private let events: AsyncStream<SessionEvent>.Continuation
    private let state: NIOLockedValueBox<State>
    private static let numbers = NIOLockedValueBox<UInt64>(0)

    init(requestedTimeout: Duration, openedAt: Int64, events: AsyncStream<SessionEvent>.Continuation) {
        number = Self.numbers.withLockedValue {
            $0 += 1
            return $0
        }
        self.requestedTimeout = requestedTimeout
        self.events = events
        state = NIOLockedValueBox(State(anchor: openedAt))
    }

    var connection: Connection? { state.withLockedValue { $0.connection } }
    var credentials: SessionCredentials? { state.withLockedValue { $0.credentials } }
    /// Why the session is over; nil while it may live.
    var end: ZooKeeperError.Code? { state.withLockedValue { $0.end } }

    var anchor: Int64 { state.withLockedValue { $0.anchor } }

    /// A server answered, on the present connection, a request that was sent at this moment.
    func acknowledged(sentAt: Int64) { state.withLockedValue { $0.anchor = max($0.anchor, sentAt) } }

    /// The result is settled by the next connect, or by the session's end.
    func nextConnection() -> OneShot<Result<Connection, ZooKeeperError>> {
        let waiter = OneShot<Result<Connection, ZooKeeperError>>()
        let known = state.withLockedValue { state -> Result<Connection, ZooKeeperError>? in
            if let end = state.end { return .failure(ZooKeeperError(end)) }
            if let connection = state.connection { return .success(connection) }
            state.waiting.append(waiter)
            return nil
        }
        if let known { waiter.settle(known) }
        return waiter
    }

    /// C's watcher. Session events and replies come in their order on one thread.
    static let watcher: watcher_fn = { handle, type, state, path, context in
        guard let handle, let context else { return }
        let session = Unmanaged<SessionState>.fromOpaque(context).takeUnretainedValue()
        if type == ZOO_SESSION_EVENT {
            session.sessionEvent(state, handle)
        } else if let change = change(type), let node = session.told(of: path) {
            session.events.yield(.node(change, node))
        }
    }

    /// For watches that are nobody's event. The library calls it at session events, too: those are the other one's.
    static let quietWatcher: watcher_fn = { _, type, _, path, context in
        guard let context, change(type) != nil else { return }
        _ = Unmanaged<SessionState>.fromOpaque(context).takeUnretainedValue().told(of: path)
    }

    private func told(of path: UnsafePointer<CChar>?) -> ZNodePath? {
        guard let path, let node = try? ZNodePath(String(cString: path)) else { return nil }
        state.withLockedValue { _ = $0.told.insert(node) }
        return node
    }

    /// Emptied by each call.
    func takeTold() -> Set<ZNodePath> {
        state.withLockedValue { state in
            defer { state.told = [] }
            return state.told
        }
    }

    private static func change(_ type: Int32) -> SessionEvent.NodeChange? {
        switch type {
        case ZOO_CREATED_EVENT: .created
        case ZOO_DELETED_EVENT: .deleted
        case ZOO_CHANGED_EVENT: .changed
        case ZOO_CHILD_EVENT: .children
        default: nil
        }
    }

    private func sessionEvent(_ code: Int32, _ handle: OpaquePointer) {
        switch code {
        case ZOO_CONNECTED_STATE: connected(handle)
        case ZOO_EXPIRED_SESSION_STATE: ended(.sessionExpired, .expired)
        case ZOO_AUTH_FAILED_STATE: ended(.authFailed, .authenticationFailed)
        default: disconnected()
        }
    }

    private func connected(_ handle: OpaquePointer) {
        guard let native = zoo_client_id(handle)?.pointee else { return }
        let password = withUnsafeBytes(of: native.passwd) { Array($0) }
        let session = SessionID(rawValue: native.client_id)
        let timeout = Duration.milliseconds(Int64(zoo_recv_timeout(handle)))
        let (connection, waiting) = state.withLockedValue { state in
            state.generation += 1
            let connection = Connection(
                generation: state.generation, session: session, negotiatedTimeout: timeout, anchor: state.anchor)
            state.connection = connection
            state.credentials = SessionCredentials(
                session: session, password: password, requestedTimeout: requestedTimeout)
            defer { state.waiting = [] }
            return (connection, state.waiting)
        }
        events.yield(.connected(connection))
        waiting.forEach { $0.settle(.success(connection)) }
    }

    private func disconnected() {
        let wasConnected = state.withLockedValue { state in
            defer { state.connection = nil }
            return state.connection != nil
        }
        if wasConnected { events.yield(.disconnected) }
    }

    /// Only the first end counts; the stream itself ends with ``closed()``.
    private func ended(_ code: ZooKeeperError.Code, _ event: SessionEvent?) {
        let waiting = state.withLockedValue { state -> [OneShot<Result<Connection, ZooKeeperError>>]? in
            guard state.end == nil else { return nil }
            state.end = code
            state.connection = nil
            defer { state.waiting = [] }
            return state.waiting
        }
        guard let waiting else { return }
        if let event { events.yield(event) }
        waiting.forEach { $0.settle(.failure(ZooKeeperError(code))) }
    }

    /// Our own close has begun: nobody may take the connection for alive any more.
    func closing() { state.withLockedValue { $0.connection = nil } }

    /// Our own close is done: no callback can come any more.
    func closed() {
        ended(.closing, nil)
        events.yield(.closed)
        events.finish()
    }
}
