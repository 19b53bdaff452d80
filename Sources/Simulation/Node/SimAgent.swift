import HACore

/// The agent's process: the client of ZooKeeper, the lease guard and the loop that looks, decides and acts.
final class SimAgent {
    let node: SimNode
    let number: Int
    let world: SimWorld
    var isAlive = true
    private(set) var handle: SimHandle?
    var change = SimTimeoutChange()
    private(set) var renewals: SimGuard!
    private(set) var isPrepared = false
    private(set) var startedAt: Nanoseconds = 0
    private var coordination = Coordination.never
    var policy: ClusterPolicy { node.policy }

    // The loop.
    private var memory = DecisionMemory()
    var store: StoreView?
    var isDirty = true
    private var isLooking = false
    private var looksAgain = false
    private var looks = 0
    private(set) var lastDecision: Decision?
    /// The keeper was last seen to enforce no deadline.
    private(set) var isPaused = false
    /// Decisions with effects, for the check that a calm cluster does nothing.
    private(set) var lastEffectAt: Nanoseconds = 0

    // What effects left.
    var running: RunningEffect?
    var finished: [FinishedEffect] = []
    var unsettled = false
    private(set) var leaving = false
    /// What an operator wants of this node's PostgreSQL.
    var order: MemberOrder?
    var scheduledRestart: Instant?
    var following: Following?
    var peers: PeerRound?
    var upstream: UpstreamView?
    var highestEpochSeen: Int64 = 0
    /// When each member's record was last read.
    private(set) var seenAt: [MemberID: Instant] = [:]
    var nonces = 0
    var written: SimData?
    var isWritingMember = false

    init(_ node: SimNode, _ world: SimWorld, number: Int) {
        self.node = node
        self.world = world
        self.number = number
        renewals = SimGuard(self, world)
    }

    var now: Instant { node.now }
    var isHandingOver: Bool { memory.handOver != nil }

    // MARK: Threads: nothing happens while the process is stopped, everything happens once it goes on

    func network(_ action: @escaping () -> Void) {
        guard isAlive else { return }
        if node.isPaused {
            node.deferNetwork { [self] in if isAlive { action() } }
        } else {
            action()
        }
    }

    func timer(_ action: @escaping () -> Void) {
        guard isAlive else { return }
        if node.isPaused {
            node.deferTimer { [self] in if isAlive { action() } }
        } else {
            action()
        }
    }

    /// A message to the keeper: delivered even if this process is stopped meanwhile, unless another agent attached.
    func tellKeeper(_ action: @escaping (SimKeeper) -> Void) {
        let keeper = node.keeper!
        world.after(world.dice.between(10_000, 300_000)) { [number] in
            guard keeper.isAlive, keeper.attached == number else { return }
            action(keeper)
        }
    }

    /// The same, with an answer.
    func askKeeper(_ action: @escaping (SimKeeper) -> String?, _ completion: @escaping (String?) -> Void) {
        let keeper = node.keeper!
        world.after(world.dice.between(10_000, 300_000)) { [self] in
            let refusal = keeper.isAlive && keeper.attached == number ? action(keeper) : "the keeper is gone"
            world.after(world.dice.between(10_000, 300_000)) { [self] in network { completion(refusal) } }
        }
    }

    var renewalPoll: Nanoseconds { max(10 * millisecond, timeout / 64) }

    // MARK: The session

    /// Of the present session.
    var timeout: Nanoseconds { handle?.timeout ?? world.sessionTimeout }

    func start() {
        startedAt = world.now
        // Never with another timeout than the one it was opened with (lock.md 2.4).
        openSession(node.sessionFileTimeout == world.sessionTimeout ? node.sessionFile : 0)
        renewals.run()
        wake(urgent: true)
    }

    private func openSession(_ session: Int64) {
        isPrepared = false
        let handle = makeHandle(session: session)
        self.handle = handle
        handle.open()
    }

    func makeHandle(session: Int64) -> SimHandle {
        var made: SimHandle?
        let handle = SimHandle(
            agent: self, world: world, node: node.index, timeout: world.sessionTimeout, session: session
        ) { [self] event in
            guard let made else { return }
            if made === self.handle { sessionEvent(event) } else { otherSessionEvent(event, of: made) }
        }
        made = handle
        return handle
    }

    /// Another prepared session takes the place of the present one.
    func use(_ other: SimHandle) {
        handle = other
        keepSession()
        coordination = other.isConnected ? .connected : .uncertain
        store = nil
        isDirty = true
        written = nil
        renewals.use(other)
    }

    private func keepSession() {
        node.sessionFile = handle?.session ?? 0
        node.sessionFileTimeout = timeout
    }

    private func sessionEvent(_ event: SimHandle.Event) {
        switch event {
        case .connected:
            isDirty = true
            keepSession()
            if isPrepared { coordination = .connected } else { prepare() }
        case .disconnected:
            coordination = .uncertain
        case .expired where fallBack(): break
        case .expired:
            coordination = .expired
            node.sessionFile = 0
            isPrepared = false
            renewals.sessionEnded()
            // What the old session had in flight is settled: a dead session's requests are refused.
            unsettled = false
            written = nil
            let old = handle
            world.after(world.dice.milliseconds(5, 200)) { [self] in
                timer { [self] in if handle === old { openSession(0) } }
            }
        case .node:
            isDirty = true
        }
        wake(urgent: true)
    }

    /// The session's own znode, which also carries a candidate's renewals.
    private func prepare() {
        guard let handle else { return }
        let path = SimPath.lease(node.index, handle.session)
        handle.multi([.create(path, .empty, ephemeral: true)]) { [self] result in
            guard self.handle === handle, !isPrepared else { return }
            switch result {
            case .success: break
            case .failure(let failure) where failure.code == .nodeExists: break
            case .failure:
                world.after(50 * millisecond) { [self] in
                    timer { [self] in if self.handle === handle, handle.isConnected, !isPrepared { prepare() } }
                }
                return
            }
            withdrawBootstrap(handle)
            isPrepared = true
            coordination = handle.isConnected ? .connected : .uncertain
            isDirty = true
            renewals.use(handle)
            wake(urgent: true)
        }
    }

    /// A session that was taken up may still say that a dead process is making a cluster: nobody is.
    private func withdrawBootstrap(_ handle: SimHandle) {
        guard memory.bootstrap == nil else { return }
        handle.read(watches: []) { tree in
            guard tree?[.bootstrap]?.owner == handle.session else { return }
            handle.multi([.delete(.bootstrap, expected: nil)]) { _ in }
        }
    }

    /// The highest version of `epoch` that a request of this agent's living session may still expect.
    var rememberedEpoch: Int64? {
        guard let session = handle?.session, world.zookeeper.sessions[session] != nil else { return nil }
        return highestEpochSeen
    }

    func postmasterExited() { network { [self] in wake(urgent: true) } }

    func markDirty() { isDirty = true }

    // MARK: The loop

    func wake(urgent: Bool = false) {
        guard isAlive else { return }
        if isLooking {
            looksAgain = true
            return
        }
        isLooking = true
        world.after(urgent ? world.dice.between(50_000, 400_000) : 20 * millisecond) { [self] in
            timer { [self] in look() }
        }
    }

    private func look() {
        looksAgain = false
        followTimeout()
        let runningBefore = running
        let localBefore = world.dice.chance(50) ? node.keeper.view() : nil
        let mustRead = isDirty || store.map { now - $0.readAt >= policy.loopWait } ?? true
        guard let handle, handle.isConnected, isPrepared else {
            store = nil
            isDirty = true
            conclude(running: runningBefore, local: localBefore)
            return
        }
        guard mustRead else {
            conclude(running: runningBefore, local: localBefore)
            return
        }
        isDirty = false
        readTree(handle) { [self] read in
            if let read {
                store = read
                if let leadership = renewals.leadership, leadership.confirmed(by: read) == nil { renewals.standDown() }
            } else {
                store = nil
                isDirty = true
            }
            conclude(running: runningBefore, local: localBefore)
        }
    }

    private func conclude(running before: RunningEffect?, local: LocalPostgres?) {
        let ended = finished
        finished = []
        var view = ClusterView(now: now, me: node.name, local: local ?? node.keeper.view())
        view.policy = policy
        view.coordination = coordination
        view.store = store.flatMap { $0.session == handle?.session ? $0 : nil }
        view.lease = renewals.lease?.view
        view.leadership = renewals.leadership
        view.following = following
        view.peers = peers
        view.upstream = upstream
        view.running = before ?? running
        view.finished = ended
        view.unsettled = unsettled
        view.leaving = leaving
        view.order = order
        view.scheduledRestart = scheduledRestart
        isPaused = view.local.keeperPaused
        world.weaken(&view)
        let decision = decide(view, memory, by: world.table)
        if world.options.checksPurity { world.invariants.pure(view, memory, decision) }
        memory = decision.memory
        let changed = lastDecision?.rule != decision.rule
        lastDecision = decision
        renewals.optime = view.local.sql?.written ?? renewals.optime
        world.decided(self, decision, changed: changed)
        if !decision.effects.isEmpty { lastEffectAt = world.now }
        writeMember(view)
        begin(decision)
        isLooking = false
        if decision.ends { return end() }
        looks += 1
        let looks = self.looks
        if looksAgain { wake() }
        let pause = max(decision.recheckAfter.nanoseconds, millisecond)
        world.after(pause) { [self] in timer { [self] in if looks == self.looks { wake(urgent: true) } } }
    }

    /// `POST /restart`, `POST /reinitialize`: one order at a time.
    func obey(_ kind: MemberOrder.Kind) {
        guard order == nil else { return }
        world.orders += 1
        order = MemberOrder(id: world.orders, kind: kind, since: now)
        wake(urgent: true)
    }

    /// SIGTERM: what runs is left, and decisions lead to the end.
    func leave() {
        leaving = true
        wake(urgent: true)
    }

    /// An orderly end: the session is closed, its file removed before.
    private func end() {
        world.note(node.index, "agent: ended")
        node.sessionFile = 0
        if let session = handle?.session { world.zookeeper.close(session) }
        node.killAgent()
    }

    // MARK: Reading

    private func readTree(_ handle: SimHandle, _ completion: @escaping (StoreView?) -> Void) {
        let readAt = now
        var isDone = false
        let once: (StoreView?) -> Void = { view in
            guard !isDone else { return }
            isDone = true
            completion(view)
        }
        world.after(readDeadline) { [self] in timer { once(nil) } }
        // `leader` first: sessions that are read after it and are gone prove its absence.
        handle.read(watches: [.node(.leader)]) { [self] first in
            guard let first else { return once(nil) }
            var watches: Set<SimWatch> = [.members, .node(.initialize), .node(.config), .node(.failover)]
            if case .name(let name)? = first[.leader]?.data, let index = world.index(of: name) {
                watches.insert(.node(.member(index)))
            }
            handle.read(watches: watches) { [self] second in
                guard let second else { return once(nil) }
                if self.handle === handle { retire(second) }
                once(view(handle.session, readAt, leader: first[.leader], rest: second))
            }
        }
    }

    /// Short enough that a silent ZooKeeper does not keep the loop from stepping down in time.
    private var readDeadline: Nanoseconds {
        let patience = timeout / 8 + 100 * millisecond
        guard renewals.leadership != nil, let lease = renewals.lease else { return patience }
        return max(20 * millisecond, min(patience, (lease.provenUntil - lease.terms.earlyStop - now).nanoseconds))
    }

    var deadline: Nanoseconds { min(2 * second, timeout / 2) }

    private func view(_ session: Int64, _ readAt: Instant, leader: SimZNode?, rest: SimTree) -> StoreView {
        var view = StoreView(session: session, readAt: readAt)
        if let leader, case .name(let name) = leader.data {
            view.leader = StoreView.Leader(
                member: name, term: Term(leader.czxid), session: leader.owner, version: leader.version)
        }
        if let epoch = rest[.epoch] {
            var holder = StoreView.Epoch.Holder.nobody
            if case .holder(let stored) = epoch.data { holder = stored }
            view.epoch = StoreView.Epoch(version: epoch.version, zxid: epoch.mzxid, holder: holder)
            highestEpochSeen = max(highestEpochSeen, epoch.version)
        }
        for other in world.nodes {
            guard case .member(let member, let seen)? = rest[.member(other.index)]?.data else { continue }
            view.members[other.name] = member
            seenAt[other.name] = readAt
            view.highestEpochVersion = max(view.highestEpochVersion, seen)
        }
        view.highestEpochVersion = max(view.highestEpochVersion, highestEpochSeen)
        view.livingSessions = rest.livingSessions
        switch rest[.initialize]?.data {
        case nil: view.initialize = .absent
        case .system(let system)?: view.initialize = .done(system)
        default: view.initialize = rest[.bootstrap] == nil ? .abandoned : .inProgress
        }
        view.hasConfig = rest[.config] != nil
        if case .optime(let lsn)? = rest[.status]?.data { view.optime = lsn }
        if case .timeline(let timeline)? = rest[.history]?.data { view.historyTimeline = timeline }
        if let sync = rest[.sync] {
            view.sync.version = sync.version
            if case .synchronous(let leader, let standbys) = sync.data {
                view.sync.leader = leader
                view.sync.standbys = standbys
            }
        }
        switch rest[.failover].map({ ($0.data, $0.version) }) {
        case (.request(let leader, let candidate, let due), let version)?:
            view.request = StoreView.Request(
                leader: leader, candidate: candidate, dueAt: due.map { node.clock.local($0) }, version: version)
        case (.fulfilled, let version)?: view.request = StoreView.Request(version: version, isFulfilled: true)
        default: break
        }
        return view
    }
}
