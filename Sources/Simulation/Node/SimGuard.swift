import HACore

/// The lease guard: renews on a thread of its own, computes the lease from acknowledgements, tells the keeper.
final class SimGuard {
    enum Role {
        case idle, candidate
        case leader(Leadership)
    }

    private unowned let world: SimWorld
    private unowned let agent: SimAgent
    private(set) var lease: SimLease?
    private var role = Role.idle
    private var armed = false
    private var inFlight: (sentAt: Instant, generation: UInt64, abandoned: Bool)?
    private var nextAt: Instant
    var optime: LSN?

    init(_ agent: SimAgent, _ world: SimWorld) {
        self.agent = agent
        self.world = world
        nextAt = agent.now
    }

    var leadership: Leadership? {
        if case .leader(let leadership) = role { return leadership }
        return nil
    }

    // MARK: What the loop tells it

    func use(_ handle: SimHandle) {
        if lease?.session != handle.session {
            lease = nil
            inFlight = nil
        }
        note(handle)
        role = .candidate
        armed = false
        work()
    }

    func sessionEnded() {
        lease = nil
        role = .idle
        armed = false
        inFlight = nil
    }

    func lead(_ leadership: Leadership) {
        role = .leader(leadership)
        armed = false
        nextAt = agent.now
    }

    func standDown() {
        role = .candidate
        armed = false
    }

    func armed(_ term: Term) {
        guard let leadership, leadership.term == term else { return }
        armed = true
        if let lease { agent.tellKeeper { $0.extend(until: lease.provenUntil) } }
    }

    // MARK: The thread

    func run() {
        work()
        world.after(agent.renewalPoll) { [self] in agent.timer { [self] in run() } }
    }

    private func work() {
        guard let handle = agent.handle, handle.isConnected, agent.isPrepared else { return }
        note(handle)
        guard let lease else { return }
        let now = agent.now
        if let inFlight {
            // A server that vanished silently would outlast a short lease: look elsewhere once.
            let patience = lease.terms.timeout / 8 + .milliseconds(100)
            if now - inFlight.sentAt >= patience, !inFlight.abandoned, inFlight.generation == handle.generation {
                self.inFlight?.abandoned = true
                handle.disconnect()
            }
            return
        }
        guard now >= nextAt else { return }
        let operations: [SimOperation]
        switch role {
        case .idle: return
        case .candidate:
            operations = [.set(.lease(agent.node.index, handle.session), .empty, expected: nil)]
        case .leader(let leadership):
            var guards: [SimOperation] = [.check(.epoch, leadership.epochVersion), .check(.leader, 1)]
            if world.weakened(.renewUnchecked) { guards = [] }
            operations = guards + [.set(.status, optime.map { .optime($0) } ?? .empty, expected: nil)]
        }
        nextAt = now + lease.terms.renewalInterval(loopWait: agent.policy.loopWait)
        let generation = handle.generation
        inFlight = (now, generation, false)
        let leadership = self.leadership
        handle.multi(operations) { [self] result in
            finished(result, sentAt: now, generation: generation, under: leadership, handle)
        }
    }

    private func note(_ handle: SimHandle) {
        let terms = LeaseTerms(
            timeout: .nanoseconds(handle.timeout),
            tickTime: world.options.tickTimeKnown ? .nanoseconds(world.options.tick) : nil)
        guard lease != nil else {
            lease = SimLease(
                AnchoredLease(
                    session: handle.session, terms: terms, generation: handle.generation, handshake: handle.handshake),
                world.options.weakness)
            return
        }
        let before = lease?.provenUntil
        lease?.reconnected(generation: handle.generation, terms: terms, handshake: handle.handshake)
        if armed, let before, let after = lease?.provenUntil, after > before {
            agent.tellKeeper { $0.extend(until: after) }
        }
    }

    private func finished(
        _ result: Result<SimResult, SimFailure>, sentAt: Instant, generation: UInt64, under leadership: Leadership?,
        _ handle: SimHandle
    ) {
        guard agent.handle === handle else { return }
        inFlight = nil
        switch result {
        case .success:
            guard handle.generation == generation,
                lease?.acknowledged(sentAt: sentAt, acknowledgedAt: agent.now, generation: generation) == true,
                armed, let end = lease?.provenUntil
            else { return }
            agent.tellKeeper { $0.extend(until: end) }
        case .failure(let failure):
            defer { agent.wake(urgent: true) }
            guard let leadership, leadership == self.leadership,
                failure.code == .noNode || failure.code == .badVersion
            else { return }
            switch failure.index {
            case 0: standDown()
            case 1:
                let wasArmed = armed
                standDown()
                if wasArmed, !agent.isPaused {
                    agent.tellKeeper { $0.fence() }
                }
            default: break
            }
        }
    }
}
