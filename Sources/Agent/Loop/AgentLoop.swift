import AdminModel
import HACore
internal import LocalConfiguration
import Logging
import PostgresControl
import ZooKeeper

/// Looks, decides, acts: one view at a time. Events only make it look again.
actor AgentLoop {
    private let me: MemberID
    private let settings: ClusterSettings
    private let sessions: SessionOwner
    private let reader: ClusterReader
    private let guardian: LeaseGuard
    private let observer: LocalObserver
    private let runner: EffectRunner
    private let latest: Latest
    private let orders: OrderBook
    private let meshSlots: MeshSlotKeeper
    private let publisher: Publisher
    private let callbacks: Callbacks
    private let wakeup: Wakeup
    /// Of the loop that looks after the mesh.
    private let mesh: Wakeup
    private let log: DecisionLog
    private let counts: EventCounts
    private let manager: ServiceManager?
    /// Ends the process with a code, PostgreSQL left as it is.
    private let exit: @Sendable (Int32) -> Void
    private let logger: Logger

    private var memory = DecisionMemory()
    private var leaving = false
    /// Effects that ended and that no decision has seen yet.
    private var unseen: [FinishedEffect] = []
    private var hasConfiguration = false
    /// What the mesh's loop goes by: whether this member leads, with a server that is a primary, and whether there is one.
    private var lastLead: (term: Term?, isPrimary: Bool, hasMesh: Bool) = (nil, false, false)
    private var promotion = PromotionWatch()
    private var treeReadAt: Instant?
    private var treeIsKnown = false

    init(
        me: MemberID, settings: ClusterSettings, sessions: SessionOwner, reader: ClusterReader, guardian: LeaseGuard,
        observer: LocalObserver, runner: EffectRunner, latest: Latest, orders: OrderBook, meshSlots: MeshSlotKeeper,
        publisher: Publisher,
        callbacks: Callbacks, wakeup: Wakeup, mesh: Wakeup, counts: EventCounts, manager: ServiceManager?,
        agentLog: AgentLog,
        exit: @escaping @Sendable (Int32) -> Void, logger: Logger
    ) {
        self.manager = manager
        self.exit = exit
        self.me = me
        self.settings = settings
        self.sessions = sessions
        self.reader = reader
        self.guardian = guardian
        self.observer = observer
        self.runner = runner
        self.latest = latest
        self.orders = orders
        self.meshSlots = meshSlots
        self.publisher = publisher
        self.callbacks = callbacks
        self.wakeup = wakeup
        self.mesh = mesh
        self.log = DecisionLog(agentLog, logger: logger)
        self.counts = counts
        self.logger = logger
    }

    /// How a loop that was asked to end has left things.
    enum Ending {
        /// PostgreSQL is down and nothing is owed.
        case inOrder
        /// The cluster is paused: PostgreSQL and the lock stay, and with the lock its session.
        case paused
        /// PostgreSQL runs on, and is nobody's; the session ends, and with it the lock.
        case detached
        case cancelled
    }

    /// Looks until cancelled, or after `leave()` until everything is as it has to be.
    func run() async -> Ending {
        while !Task.isCancelled {
            guard let pause = await look() else { return ending }
            await wakeup.wait(atMost: manager?.longestPause.map { min($0, pause) } ?? pause)
        }
        return .cancelled
    }

    private var ending: Ending {
        guard let local = latest.local else { return .inOrder }
        return local.isUnkept ? .detached : local.keeperPaused ? .paused : .inOrder
    }

    /// The process was asked to end: what runs is left, and from here on decisions lead there.
    func leave() {
        leaving = true
        runner.cancel()
        wakeup.signal(urgent: true)
    }

    /// As long as most effects of a failover last.
    private static let moment = Duration.milliseconds(200)

    /// One view, one decision. Returns the longest time until the next; nil when there is none.
    private func look() async -> Duration? {
        var effects = runner.take()
        effects.finished = unseen + effects.finished
        unseen = effects.finished
        // Only between effects, and not in a hand-over: none may begin in one session and end in the next.
        if hasConfiguration, effects.running == nil, !effects.unsettled, memory.handOver == nil {
            sessions.follow(timeout: .seconds(settings.dynamic.values.ttl))
        }
        // What an effect of a moment does not depend on is read after it.
        let isIdle = effects.running == nil
        let isBusy = effects.running.map { Instant.now - $0.since < Self.moment } ?? false
        async let observed = observer.observe()
        await readTree(after: isBusy ? .lock : .member)
        guard let local = await observed else {
            log.note("waiting for the keeper")
            return .milliseconds(100)
        }
        latest.local = local
        // Of a keeper that an earlier process has paused, too.
        if local.keeperPaused { guardian.setPaused(true) }
        unseen = []
        if effects.running?.effect == .askPeers { joinAnswers(&effects) }
        let view = view(of: local, effects)
        let decision = decide(view, memory)
        memory = decision.memory
        log.note(decision, view)
        counts.note(decision)
        if let times = promotion.note(view, decision.effects) { tell(times, view) }
        callbacks.look(view, decision.memory)
        let lead = (
            term: view.leadership?.term, isPrimary: local.isRunning && local.sql?.inRecovery == false,
            hasMesh: settings.mesh != nil
        )
        if lead != lastLead { mesh.signal(urgent: true) }
        lastLead = lead
        manager?.tell(.alive)
        manager?.tell(.status(decision.reason))
        runner.begin(decision)
        // What an effect that has ended meanwhile did is not in this view: the files are written by the next one.
        if decision.effects.isEmpty, isIdle { runner.configure() }
        // At the end the session closes, or what was published last stays.
        guard !decision.ends else { return nil }
        await publisher.publish(
            view, decision, tree: latest.tree, treeIsKnown: treeIsKnown, promotedAt: promotion.writableAt)
        return isBusy ? min(decision.recheckAfter, Self.moment) : decision.recheckAfter
    }

    /// What peers answered while this look was under way counts in it: it changes nothing that was looked at.
    private func joinAnswers(_ effects: inout EffectRunner.Taken) {
        let later = runner.take()
        effects.finished += later.finished.filter { $0.effect == .askPeers }
        unseen = later.finished.filter { $0.effect != .askPeers }
        (effects.running, effects.unsettled) = (later.running, later.unsettled)
    }

    private func tell(_ times: PromotionTimes, _ view: ClusterView) {
        counts.note(times)
        let (locked, ordered) = (times.locked.milliseconds, times.ordered.milliseconds)
        logger.info(
            """
            PostgreSQL takes writes, \(times.writable.milliseconds) ms after the leader lock was found free: locked after \
            \(locked) ms, promotion ordered after \(ordered) ms term=\(view.leadership?.term.description ?? "")
            """)
    }

    private func view(of local: LocalPostgres, _ effects: EffectRunner.Taken) -> ClusterView {
        var view = ClusterView(now: Instant.now, me: me, policy: settings.policy, local: local)
        view.coordination = sessions.coordination
        view.lease = guardian.lease.map(LeaseView.init)
        view.leadership = guardian.leadership
        view.store = treeIsKnown ? latest.tree?.view : nil
        view.following = latest.following
        view.peers = latest.peers
        view.upstream = latest.upstream
        view.running = effects.running
        view.finished = effects.finished
        view.unsettled = effects.unsettled
        view.leaving = leaving
        view.order = orders.current
        view.scheduledRestart = orders.scheduled?.dueAt
        view.provedSlots = meshSlots.usableSlots?.count ?? 0
        return view
    }

    /// Reads the tree when a watch, a session or a transaction of ours says so, and at the slowest each `loop_wait`.
    /// - Parameter change: what must have changed at least.
    private func readTree(after change: TreeChange) async {
        if guardian.nodeMissing { sessions.repair() }
        let policy = settings.policy
        let isDue = treeReadAt.map { Instant.now - $0 >= policy.loopWait } ?? true
        guard sessions.take(change) || isDue && change == .member || !treeIsKnown else { return }
        guard sessions.coordination == .connected, let session = sessions.session else {
            treeIsKnown = false
            return
        }
        do throws(ZooKeeperError) {
            let tree = try await reader.read(session, deadline: readDeadline(policy))
            treeReadAt = tree.view.readAt
            treeIsKnown = true
            latest.tree = tree
            if let leadership = guardian.leadership, leadership.confirmed(by: tree.view) == nil { guardian.standDown() }
            applyConfiguration(tree)
        } catch {
            treeIsKnown = false
            sessions.mark(.all)
            logger.debug("cannot read the tree: \(error)")
        }
    }

    /// Short enough that a silent ZooKeeper does not keep the loop from stepping down in time.
    private func readDeadline(_ policy: ClusterPolicy) -> Duration {
        let patience = (guardian.lease?.terms.timeout ?? .seconds(8)) / 8 + .milliseconds(100)
        guard guardian.leadership != nil, let lease = guardian.lease else { return patience }
        let left = lease.provenUntil - lease.terms.earlyStop - Instant.now
        return max(.milliseconds(20), min(patience, left))
    }

    private func applyConfiguration(_ tree: TreeSnapshot) {
        guard let document = tree.config, let zxid = tree.configZxid,
            let dynamic = settings.apply(document, zxid: zxid)
        else { return }
        refuseWhatCannotBeDone(dynamic)
        guardian.setLoopWait(.seconds(dynamic.values.loopWait))
        for rejection in dynamic.rejected {
            logger.warning("dynamic configuration: \(rejection); the last accepted value stays in force")
        }
        for notice in dynamic.notices { logger.info("dynamic configuration: \(notice)") }
        if !settings.waiting.isEmpty {
            let keys = settings.waiting.map(\.description).joined(separator: ", ")
            logger.warning("dynamic configuration: held only after a restart of the agent: \(keys)")
        }
    }

    /// Found at start: no part in this cluster. Set later: said aloud, since a primary is not given up for it.
    private func refuseWhatCannotBeDone(_ dynamic: DynamicConfig) {
        let keys = dynamic.rejected.filter(\.refusesStart).map(\.key.description)
        defer { hasConfiguration = true }
        guard !keys.isEmpty else { return }
        let what = keys.map { "\($0) is not yet supported" }.joined(separator: ", ")
        guard hasConfiguration else {
            logger.critical("the cluster's configuration cannot be followed: \(what); PostgreSQL is untouched")
            return exit(1)
        }
        logger.error("the cluster's configuration is not followed: \(what)")
    }
}
