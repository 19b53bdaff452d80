import HACore
import LocalConfiguration
import Logging
import NIOConcurrencyHelpers
import ZooKeeper

/// How far a change to a session with another timeout has come.
struct SessionMove {
    /// A connected session with its lease znode, that takes the place of another.
    struct Ready {
        let session: ZooKeeperSession
        let lease: ZNodePath
        let timeout: Duration
    }

    /// It has taken the place; the one before still lives.
    struct Successor {
        let session: ZooKeeperSession
        let serving: Task<Void, Never>
    }

    var preparing: Task<Void, Never>?
    var ready: Ready?
    var successor: Successor?
    /// A timeout with which nobody could lead, and why: not tried again.
    var refused: (timeout: Duration, problem: LeaseProblem)?
    /// The last try: the same timeout is not tried again before, another one is at once.
    var tried: (timeout: Duration, pausesUntil: Instant)?

    /// The session that nobody will use; to be closed.
    mutating func cancel() -> ZooKeeperSession? {
        preparing?.cancel()
        preparing = nil
        defer { ready = nil }
        return ready?.session
    }
}

private struct Refused: Error { let problem: LeaseProblem }

extension SessionOwner {
    /// The cluster's `ttl`. A session cannot change its timeout: a second one is made with the new one and takes the first
    /// one's place, then the lock moves to it in one transaction, and then the first is closed (lock.md 2.4).
    ///
    /// To be called again and again, by whom begins effects, and between them: this is when the sessions change places.
    func follow(timeout: Duration) {
        let now = Instant.now
        let (changed, unused) = state.withLockedValue { state -> (SessionMove.Ready?, ZooKeeperSession?) in
            guard state.isPrepared, state.coordination == .connected, let first = state.session,
                state.move.successor == nil
            else { return (nil, nil) }
            if let ready = state.move.ready {
                guard ready.timeout == timeout, ready.session.connection != nil else {
                    return (nil, state.move.cancel())
                }
                changePlaces(first, ready, &state)
                return (ready, nil)
            }
            guard state.move.preparing == nil, first.credentials?.requestedTimeout != timeout,
                state.move.refused?.timeout != timeout
            else { return (nil, nil) }
            if let tried = state.move.tried, tried.timeout == timeout, now < tried.pausesUntil { return (nil, nil) }
            state.move.tried = (timeout, now + .seconds(10))
            state.move.preparing = Task { await self.prepareMove(from: first, to: timeout) }
            return (nil, nil)
        }
        if let unused { Task { await unused.close() } }
        guard let changed else { return }
        logger.notice(
            "ttl: a ZooKeeper session of \(changed.timeout.milliseconds) ms takes the place of the one before")
        guardian.use(changed.session, candidateNode: changed.lease, inherits: true)
        if let connection = changed.session.connection { compare(connection, changed.session) }
        Task { await keep() }
    }

    /// Why the session does not follow this `ttl`; nil when it does, or may yet.
    func refusal(of timeout: Duration) -> LeaseProblem? {
        state.withLockedValue { state in
            state.move.refused.flatMap { $0.timeout == timeout ? $0.problem : nil }
        }
    }

    private func changePlaces(_ first: ZooKeeperSession, _ ready: SessionMove.Ready, _ state: inout State) {
        let former = state.lease
        let second = ready.session
        state.move.ready = nil
        state.move.refused = nil
        state.session = second
        state.timeout = ready.timeout
        state.lease = ready.lease
        state.takenUp = nil
        state.mark(.all)
        state.move.successor = SessionMove.Successor(
            session: second,
            serving: Task {
                let retiring = Task { await self.retire(first, for: second) }
                await serve(second)
                retiring.cancel()
                await fallBack(to: first, former, from: second)
            })
    }

    private func prepareMove(from first: ZooKeeperSession, to timeout: Duration) async {
        var ready: SessionMove.Ready?
        var refused: LeaseProblem?
        do {
            var wanted = configuration
            wanted.timeout = timeout
            let second = try await ZooKeeperSession.open(wanted, logger: logger)
            do {
                let connection = try await second.connected(deadline: .seconds(10))
                if let problem = guardian.problem(timeout: connection.negotiatedTimeout) {
                    throw Refused(problem: problem)
                }
                let lease = try await makeTree(second, connection.session, .seconds(2))
                ready = SessionMove.Ready(session: second, lease: lease, timeout: timeout)
            } catch {
                await second.close()
                throw error
            }
        } catch let error as Refused {
            refused = error.problem
            logger.error("ttl is not followed, the ZooKeeper session stays as it is: \(error.problem)")
        } catch {
            logger.warning("cannot open a ZooKeeper session of \(timeout.milliseconds) ms for the new ttl: \(error)")
        }
        let unused = state.withLockedValue { state -> ZooKeeperSession? in
            guard state.session === first, !Task.isCancelled else { return ready?.session }
            state.move.preparing = nil
            state.move.ready = ready
            if let refused { state.move.refused = (timeout, refused) }
            return nil
        }
        await unused?.close()
        wakeup.signal(urgent: true)
    }

    /// Closes the former session once it owns neither the lock nor the member's record: before that, the lock would
    /// vanish under a primary.
    private func retire(_ first: ZooKeeperSession, for second: ZooKeeperSession) async {
        guard let id = first.credentials?.session else { return }
        while !Task.isCancelled {
            if await !owns(id, seenBy: second) { return await first.close() }
            try? await Task.sleep(for: .milliseconds(50), clock: .continuous)
        }
    }

    private func owns(_ id: SessionID, seenBy session: ZooKeeperSession) async -> Bool {
        do throws(ZooKeeperError) {
            for path in [layout.leader, try layout.member(me)] {
                if try await session.exists(path, deadline: .seconds(2))?.ephemeralOwner == id { return true }
            }
            return false
        } catch {
            return true
        }
    }

    /// The new session ended before the former was closed, which may still hold the lock: it takes its place back.
    private func fallBack(to first: ZooKeeperSession, _ lease: ZNodePath?, from second: ZooKeeperSession) async {
        let isBack = state.withLockedValue { state -> Bool in
            // Otherwise the former is over, too, and the end of the present one is handled where all ends are.
            guard state.move.successor?.session === second, !first.isOver, let lease else { return false }
            state.move.successor = nil
            state.session = first
            state.lease = lease
            state.timeout = first.credentials?.requestedTimeout ?? state.timeout
            state.coordination = first.connection == nil ? .uncertain : .connected
            state.mark(.all)
            return true
        }
        guard isBack, let lease else { return }
        logger.warning("the ZooKeeper session of the new ttl has ended, the one before goes on")
        guardian.sessionEnded()
        guardian.use(first, candidateNode: lease)
        await second.close()
        wakeup.signal(urgent: true)
    }

    /// What took the place of a session that is over now.
    func takeSuccessor() -> SessionMove.Successor? {
        state.withLockedValue { state in
            defer { state.move.successor = nil }
            return state.move.successor
        }
    }
}
