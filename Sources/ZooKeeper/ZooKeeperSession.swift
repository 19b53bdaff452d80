import CPlatform
import CZooKeeper
import Dispatch
public import Logging
import NIOConcurrencyHelpers
import Waiting

/// One ZooKeeper session, from its opening to its end.
///
/// It must be closed before it is let go. A session that expired or failed to authenticate is dead: close it and open
/// another one.
///
/// A session cannot be *left* (stay alive at the server without us) other than by the end of the process: the C
/// library's only way to free a handle ends the session while it is connected. Keep ``credentials`` and let the process
/// die; the next one takes the session up with them.
public actor ZooKeeperSession {
    /// All that happens to the session and to what it watches, in order, from the first connect; ends after `.closed`.
    /// One reader only.
    public nonisolated let events: AsyncStream<SessionEvent>
    /// For the thread that renews a lease.
    public nonisolated let renewals: RenewalPort

    private nonisolated let handle: Handle
    private nonisolated let logger: Logger

    /// Makes a session. Returns when the client exists and looks for a server; ``connected(deadline:)`` waits for one.
    ///
    /// - Parameters:
    ///   - resuming: take up this session instead of a new one, with the timeout stored in it. `.expired` follows when
    ///     it is gone.
    ///   - logger: for this session, and for the C library's own lines unless ``ClientLog/install(_:)`` named another.
    /// - Throws: `.unknownHost` when no name can be resolved, `.noHandle`, `.deadline` (`openDeadline` of the
    ///   configuration), `.cancelled`.
    public static func open(
        _ configuration: ZooKeeperConfiguration, resuming: SessionCredentials? = nil, logger: Logger
    ) async throws(ZooKeeperError) -> ZooKeeperSession {
        ClientLog.installIfMissing(logger)
        let (events, continuation) = AsyncStream.makeStream(of: SessionEvent.self)
        let handle = try await Handle.open(configuration, resuming: resuming, events: continuation)
        for authentication in configuration.authentication {
            // Not awaited: the library sends it before any request; a refusal comes as `.authenticationFailed`.
            _ = handle.authenticate(authentication.scheme, authentication.credential) { _, _ in }
        }
        logger.debug("ZooKeeper session opening", metadata: ["hosts": "\(configuration.hosts)"])
        return ZooKeeperSession(handle: handle, events: events, logger: logger)
    }

    private init(handle: Handle, events: AsyncStream<SessionEvent>, logger: Logger) {
        self.handle = handle
        self.events = events
        self.logger = logger
        renewals = RenewalPort(handle: handle)
    }

    deinit {
        // Closing here would release locks behind the back of whoever forgot it: better to leak until the process ends.
        assert(handle.isClosed, "a ZooKeeperSession was let go without close()")
    }

    /// The present connection; nil while there is none.
    public nonisolated var connection: Connection? { handle.state.connection }

    /// What another process needs to take up this session; nil before the first connect.
    public nonisolated var credentials: SessionCredentials? { handle.state.credentials }

    /// What watches of either kind have told of since the last call: for one caller alone, or each misses what another
    /// was told.
    ///
    /// They are told before the answer to whatever is asked after the change: once that is here, a path that is not
    /// among these is as it was.
    public nonisolated func takeTold() -> Set<ZNodePath> { handle.state.takeTold() }

    /// When the latest request was sent that a server has answered (CLOCK_BOOTTIME, ns): what a change before it would
    /// have told of has been told.
    public nonisolated var answeredAt: Int64 { handle.state.anchor }

    /// It has ended, or its close has begun.
    public nonisolated var isOver: Bool { handle.isClosed || handle.state.end != nil }

    /// How many requests the C library holds without an answer, including those whose caller has left.
    public nonisolated var pendingRequests: Int { Inflight.count(of: handle.state.number) }

    /// The present connection, or the next one.
    /// - Throws: `.deadline`, `.cancelled`, `.sessionExpired`, `.authFailed`, `.closing`.
    @discardableResult
    public nonisolated func connected(deadline: Duration) async throws(ZooKeeperError) -> Connection {
        try await handle.state.nextConnection().value(within: deadline) { .failure(ZooKeeperError($0)) }.get()
    }

    /// Shuts the connection to the present server down, also one whose handshake is not answered, so that the library looks for another one at once instead of
    /// after two thirds of the timeout. The session and its watches live on. Other sessions of this process on the same
    /// server are disconnected, too (the library does not tell which socket is whose), and reconnect.
    /// - Returns: false when there was no connection.
    public nonisolated func abandonConnection() -> Bool {
        let wasFound = renewals.abandonConnection()
        if wasFound { logger.warning("ZooKeeper connection abandoned") }
        return wasFound
    }

    /// Ends the session at the server, if it is connected to one, with its ephemeral znodes; otherwise the server ends
    /// it after the timeout. Requests in flight end with `.closing`. May be called again.
    ///
    /// Takes milliseconds; 1.5 s when the server is silent, longer when a name service is. After `deadline` the rest
    /// happens in the background.
    public func close(deadline: Duration = .seconds(6)) async {
        let done = OneShot<Bool>()
        handle.close { done.settle(true) }
        if await !done.value(within: deadline, else: { _ in false }) {
            logger.warning("ZooKeeper session still closing", metadata: ["after": "\(deadline)"])
        }
    }

    /// Proves an identity, now and at each reconnect.
    /// - Throws: `.authFailed`, or what ends any request. The library confirms all that are pending at once.
    public func addAuthentication(
        scheme: String, credential: [UInt8], deadline: Duration
    ) async throws(ZooKeeperError) {
        let waiter = OneShot<Result<Reply, ZooKeeperError>>()
        let refused = handle.authenticate(scheme, credential) { reply, _ in
            let isDone = reply.code.rawValue == 0
            waiter.settle(isDone ? .success(reply) : .failure(ZooKeeperError(reply.code, outcome: .unknown)))
        }
        if let refused { throw ZooKeeperError(refused) }
        _ = try await waiter.value(within: deadline) { .failure(ZooKeeperError($0, outcome: .unknown)) }.get()
    }

    /// One request from its submission to its end.
    func perform(
        _ path: ZNodePath?, changes: Bool, results: TransactionResults? = nil, deadline: Duration,
        _ call: (OpaquePointer, UnsafeRawPointer?) -> Int32
    ) async throws(ZooKeeperError) -> Reply {
        let lost: ZooKeeperError.Outcome = changes ? .unknown : .didNotHappen
        let waiter = OneShot<Result<Reply, ZooKeeperError>>()
        let refused = handle.submit(results: results, call) { reply, _ in
            switch results?.outcome(reply) {
            case .failure(let error): waiter.settle(.failure(error))
            case nil where reply.code.rawValue != 0:
                let outcome = reply.code.isRefusal ? .didNotHappen : lost
                waiter.settle(.failure(ZooKeeperError(reply.code, path: path, outcome: outcome)))
            default: waiter.settle(.success(reply))
            }
        }
        if let refused { throw ZooKeeperError(refused, path: path) }
        return try await waiter.value(within: deadline) { .failure(ZooKeeperError($0, path: path, outcome: lost)) }
            .get()
    }

    /// One request of a collection of reads.
    /// - Returns: why it was not handed over.
    nonisolated func submit(
        _ call: (OpaquePointer, UnsafeRawPointer?) -> Int32, finish: @escaping @Sendable (Reply) -> Void
    ) -> ZooKeeperError.Code? {
        handle.submit(call) { reply, _ in finish(reply) }
    }

    /// The list for znodes that we create.
    nonisolated var accessControl: AccessControl { handle.accessControl }
}

extension Handle {
    func authenticate(
        _ scheme: String, _ credential: [UInt8], finish: @escaping @Sendable (Reply, Int64) -> Void
    ) -> ZooKeeperError.Code? {
        // Its reply may overtake others: it says nothing about the order of the connection.
        submit(provesConnection: false) { pointer, context in
            credential.withUnsafeBytes { bytes in
                zoo_add_auth(
                    pointer, scheme, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count),
                    Completions.void, context)
            }
        } finish: {
            finish($0, $1)
        }
    }
}
