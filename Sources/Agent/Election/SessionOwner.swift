import HACore
import LocalConfiguration
import Logging
import NIOConcurrencyHelpers
import ZooKeeper

/// How much of what was read of the tree may have changed.
enum TreeChange: Comparable {
    case none
    /// What a member says of itself: it is read at each look, and changes with each write to the database.
    case member
    case any
    /// Who leads, and what comes with that.
    case lock
    /// All of it, as after a reconnect.
    case all
}

/// Owns the one ZooKeeper session of the agent, opens a new one after an expiry, and keeps its lease znode.
final class SessionOwner: Sendable {
    struct State {
        var session: ZooKeeperSession?
        /// The timeout that the next session is asked for.
        var timeout: Duration
        /// This session's own lease znode, once it is prepared.
        var lease: ZNodePath?
        var tickTime: Duration?
        var mismatch: Duration?
        var move = SessionMove()
        var coordination = Coordination.never
        /// How the tree has changed since it was last read, as far as watches tell.
        var change = TreeChange.all
        var changes = TreeChanges()
        var isPrepared = false
        var isAdmitted = false
        var isRepairing = false
        var wasPrepared = false
        /// The session of the process before, while this process lives in it.
        var takenUp: SessionID?

        mutating func mark(_ change: TreeChange) {
            self.change = max(self.change, change)
            switch change {
            case .none, .member: break
            case .any: changes.rest += 1
            case .lock: changes.lock += 1
            case .all: changes = TreeChanges(lock: changes.lock + 1, rest: changes.rest + 1)
            }
        }
    }

    let configuration: ZooKeeperConfiguration
    let layout: ZNodeLayout
    let me: MemberID
    let guardian: LeaseGuard
    let wakeup: Wakeup
    let logger: Logger
    /// Takes the events of znodes that only the mesh reads; nil: nothing else is read through this session.
    private let watches: MeshWatches?
    /// Where the session is kept for the next process; nil for none.
    private let vault: SessionVault?
    /// Finds ZooKeeper's tickTime out; nil when the configuration names it.
    private let findTickTime: (@Sendable () async -> Duration?)?
    /// Asked once, with what the tree says of a member of this name, before this process does anything in it.
    private let admit: @Sendable (_ record: [UInt8]) async -> Void
    let state: NIOLockedValueBox<State>

    init(
        configuration: ZooKeeperConfiguration, layout: ZNodeLayout, me: MemberID, guardian: LeaseGuard,
        wakeup: Wakeup, watches: MeshWatches? = nil, vault: SessionVault? = nil,
        findTickTime: (@Sendable () async -> Duration?)? = nil,
        logger: Logger, admit: @escaping @Sendable (_ record: [UInt8]) async -> Void
    ) {
        self.configuration = configuration
        self.layout = layout
        self.me = me
        self.guardian = guardian
        self.wakeup = wakeup
        self.watches = watches
        self.vault = vault
        self.findTickTime = findTickTime
        self.logger = logger
        self.admit = admit
        state = NIOLockedValueBox(State(timeout: configuration.timeout))
    }

    /// The session, once it has connected and its lease znode stands; nil while there is none.
    var session: ZooKeeperSession? { state.withLockedValue { $0.isPrepared ? $0.session : nil } }

    var coordination: Coordination {
        state.withLockedValue { state in
            guard state.coordination == .connected, !state.isPrepared else { return state.coordination }
            return state.wasPrepared ? .uncertain : .never
        }
    }

    /// The tree has to be read again.
    func mark(_ change: TreeChange) { state.withLockedValue { $0.mark(change) } }

    var changes: TreeChanges { state.withLockedValue { $0.changes } }

    /// Tells whether the tree changed at least so much since the last call; if so, takes note that it is being read.
    func take(_ least: TreeChange) -> Bool {
        state.withLockedValue { state in
            guard state.change >= least else { return false }
            state.change = .none
            return true
        }
    }

    /// Takes up the session of the process before, if it left one, or opens another, and so on until cancelled; then
    /// closes the last. Only after the keeper has confirmed this process and `agent.lock` is its own: nobody else may
    /// live who uses that session (lock.md 6).
    func run() async {
        var pause = Duration.milliseconds(200)
        var resuming = await takeUp()
        while !Task.isCancelled {
            var wanted = configuration
            wanted.timeout = state.withLockedValue { $0.timeout }
            do {
                let session = try await ZooKeeperSession.open(wanted, resuming: resuming, logger: logger)
                pause = .milliseconds(200)
                state.withLockedValue { state in
                    state.session = session
                    state.isPrepared = false
                    state.takenUp = resuming?.session
                }
                resuming = nil
                await serve(session)
                await finish(session)
                while let next = takeSuccessor() {
                    await withTaskCancellationHandler {
                        await next.serving.value
                    } onCancel: {
                        next.serving.cancel()
                    }
                    await finish(next.session)
                }
            } catch {
                logger.error(
                    "cannot open a ZooKeeper session to \(configuration.hosts), trying again in \(pause): \(error)")
                try? await Task.sleep(for: pause, clock: .continuous)
                pause = min(pause * 2, .seconds(5))
            }
            wakeup.signal(urgent: true)
        }
    }

    private func takeUp() async -> SessionCredentials? {
        guard let (credentials, tickTime) = await vault?.take(timeout: configuration.timeout) else { return nil }
        if let tickTime, findTickTime != nil {
            guardian.setTickTime(tickTime)
            state.withLockedValue { $0.tickTime = tickTime }
        }
        return credentials
    }

    /// A session is over. When it was the present one, so are its locks: by now PostgreSQL is not writable or the keeper
    /// sees to it.
    private func finish(_ session: ZooKeeperSession) async {
        let (isPresent, unused) = state.withLockedValue { state -> (Bool, ZooKeeperSession?) in
            guard state.session === session else { return (false, nil) }
            state.session = nil
            state.isPrepared = false
            state.coordination = .expired
            state.mark(.all)
            return (true, state.move.cancel())
        }
        if isPresent { guardian.sessionEnded() }
        // A cancelled task cannot wait, another one can. Not left to `close()`, which finds no session any more.
        await Task {
            await unused?.close()
            await session.close()
        }.value
    }

    /// Keeps the present session for the next process, under the keeper that is attached now.
    func keep() async {
        let (session, tickTime) = state.withLockedValue { ($0.session, $0.tickTime) }
        guard let credentials = session?.credentials else { return }
        await vault?.keep(credentials, tickTime: tickTime)
    }

    /// To be called before `close()` and before `run()` is cancelled.
    /// - Returns: false when the session must be left to its timeout instead.
    func forget() async -> Bool { await vault?.discard() ?? true }

    /// Ends the session in order, with its ephemeral znodes.
    func close() async {
        let session = state.withLockedValue { state in
            state.isPrepared = false
            return state.session
        }
        await session?.close()
    }

    /// Consumes the session's events until it is over.
    func serve(_ session: ZooKeeperSession) async {
        var preparation: Task<Void, Never>?
        defer { preparation?.cancel() }
        let complaint = Task { await complainUnlessConnected(session) }
        defer { complaint.cancel() }
        for await event in session.events {
            // Of one that has left its place to another nothing matters but its end.
            let isFormer = state.withLockedValue { $0.session !== session }
            switch event {
            case .connected where isFormer, .disconnected where isFormer: continue
            case .connected(let connection):
                let (isFirst, isTakenUp) = state.withLockedValue { state in
                    state.coordination = .connected
                    state.mark(.all)
                    return (!state.isPrepared, state.takenUp == connection.session)
                }
                logger.info(
                    isFirst && isTakenUp
                        ? "connected to ZooKeeper, in the session of the process before" : "connected to ZooKeeper",
                    metadata: [
                        "session": "\(connection.session)",
                        "timeout_ms": "\(connection.negotiatedTimeout.milliseconds)",
                    ])
                compare(connection, session)
                Task { await keep() }
                if isFirst {
                    preparation?.cancel()
                    preparation = Task { await self.prepare(session) }
                }
                wakeup.signal(urgent: true)
            case .disconnected:
                logger.warning("disconnected from ZooKeeper, looking for another server")
                state.withLockedValue { $0.coordination = .uncertain }
                wakeup.signal(urgent: true)
            case .expired:
                logger.error("the ZooKeeper session has expired, opening another")
                return
            case .authenticationFailed:
                logger.error("ZooKeeper refused the authentication of zookeeper.auth_data")
                return
            case .closed: return
            case .node(_, let path) where watches?.take(path) == true: continue
            case .node(_, let path):
                mark(path == layout.leader ? .lock : path.parent == layout.members ? .member : .any)
                wakeup.signal(urgent: path == layout.leader)
            }
        }
    }

    private func complainUnlessConnected(_ session: ZooKeeperSession) async {
        while session.connection == nil, !Task.isCancelled {
            try? await Task.sleep(for: .seconds(10), clock: .continuous)
            guard session.connection == nil, !Task.isCancelled else { return }
            logger.error(
                """
                no ZooKeeper server of \(configuration.hosts) answers (zookeeper.hosts: is one running there, and reachable \
                from here?), still trying; PostgreSQL is untouched
                """)
        }
    }

    /// Said once of each timeout: what this agent promises follows from what was granted.
    func compare(_ connection: Connection, _ session: ZooKeeperSession) {
        let (granted, asked) = (connection.negotiatedTimeout, session.credentials?.requestedTimeout)
        guard let asked, asked != granted else { return }
        let isNew = state.withLockedValue { state in
            defer { state.mismatch = granted }
            return state.mismatch != granted
        }
        guard isNew else { return }
        logger.warning(
            "ZooKeeper granted a session of \(granted.milliseconds) ms instead of the \(asked.milliseconds) ms of ttl")
    }

    /// Before anything is proved with the session: the lease's arithmetic depends on it (lock.md 2.3).
    private func settleTickTime() async {
        guard let findTickTime, state.withLockedValue({ $0.tickTime == nil }) else { return }
        guard let tickTime = await findTickTime(), !Task.isCancelled else { return }
        logger.info("ZooKeeper's tickTime is \(tickTime.milliseconds) ms")
        state.withLockedValue { $0.tickTime = tickTime }
        guardian.setTickTime(tickTime)
        await keep()
    }

    /// Makes what every agent makes at its start, and this session's own lease znode.
    private func prepare(_ session: ZooKeeperSession) async {
        var pause = Duration.milliseconds(50)
        while !Task.isCancelled {
            do {
                guard let id = session.connection?.session else { throw ZooKeeperError(.connectionLoss) }
                let deadline = Duration.seconds(2)
                let isTakenUp = state.withLockedValue { $0.takenUp == id }
                // Whoever has the session of this name is this member (rulings, Lock 7).
                if !isTakenUp, !state.withLockedValue({ $0.isAdmitted }) {
                    if let (data, _) = try await session.get(try layout.member(me), deadline: deadline) {
                        await admit(data)
                    }
                    // A question that was cut off has no answer.
                    guard !Task.isCancelled else { return }
                }
                state.withLockedValue { $0.isAdmitted = true }
                // What the process before could not find out is not worth a restarted leader's time.
                if !isTakenUp { await settleTickTime() }
                guard !Task.isCancelled else { return }
                let lease = try await makeTree(session, id, deadline)
                // After a write of this session: what the process before had under way is decided, and shows.
                if isTakenUp { try await withdrawBootstrap(session, id, deadline) }
                let isPresent = state.withLockedValue { state in
                    // It may have ended meanwhile: its successor is not prepared because of it.
                    guard state.session === session else { return false }
                    state.lease = lease
                    state.isPrepared = true
                    state.wasPrepared = true
                    return true
                }
                guard isPresent else { return }
                guardian.use(session, candidateNode: lease)
                wakeup.signal(urgent: true)
                watches?.wakeup.signal(urgent: true)
                return
            } catch {
                logger.warning("cannot prepare the tree below \(layout.base): \(error)")
                try? await Task.sleep(for: pause, clock: .continuous)
                pause = min(pause * 2, .seconds(2))
            }
        }
    }

    /// A session that was taken up may still say that a dead process makes a cluster: nobody does.
    private func withdrawBootstrap(
        _ session: ZooKeeperSession, _ id: SessionID, _ deadline: Duration
    ) async throws(ZooKeeperError) {
        guard try await session.exists(layout.bootstrap, deadline: deadline)?.ephemeralOwner == id else { return }
        do throws(ZooKeeperError) {
            try await session.delete(layout.bootstrap, expecting: .any, deadline: deadline)
        } catch  where error.code == .noNode {
            return
        }
    }

    /// A znode that every agent makes at its start is gone, since somebody removed the tree: makes it again.
    func repair() {
        let session = state.withLockedValue { state -> ZooKeeperSession? in
            guard state.isPrepared, !state.isRepairing else { return nil }
            state.isRepairing = true
            return state.session
        }
        guard let session else { return }
        logger.warning("znodes below \(layout.base) are gone, making them again")
        Task {
            do {
                guard let id = session.connection?.session else { throw ZooKeeperError(.connectionLoss) }
                _ = try await makeTree(session, id, .seconds(2))
            } catch {
                logger.warning("cannot make the tree below \(layout.base) again: \(error)")
            }
            state.withLockedValue { state in
                state.isRepairing = false
                state.mark(.all)
            }
        }
    }

    /// Makes what is missing; returns this session's own lease znode.
    func makeTree(
        _ session: ZooKeeperSession, _ id: SessionID, _ deadline: Duration
    ) async throws(ZooKeeperError) -> ZNodePath {
        for parent in [layout.members, layout.leases] {
            try await session.createParents(parent, deadline: deadline)
        }
        for path in [layout.status, layout.sync] {
            try await Self.ensure(path, Array("{}".utf8), .persistent, session, deadline)
        }
        // One for each session: the end of a session must show even while a predecessor's znode is left.
        let lease = try layout.lease(MemberID("\(me).\(String(UInt64(bitPattern: id.rawValue), radix: 16))"))
        try await Self.ensure(lease, [], .ephemeral, session, deadline)
        return lease
    }

    private static func ensure(
        _ path: ZNodePath, _ data: [UInt8], _ mode: CreateMode, _ session: ZooKeeperSession, _ deadline: Duration
    ) async throws(ZooKeeperError) {
        do throws(ZooKeeperError) {
            try await session.create(path, data, mode: mode, deadline: deadline)
        } catch  where error.code == .nodeExists {
            return
        }
    }
}
