import AdminModel
import HACore
internal import LocalConfiguration
import Logging
import PostgresControl
import ZooKeeper

/// What a look makes visible to others: the member's record, `status`, `history`, slots, and the board of the doors.
///
/// Nothing here is waited for by a decision: writes run beside the loop, each with a short deadline.
actor Publisher {
    private let me: MemberID
    private let settings: ClusterSettings
    private let sessions: SessionOwner
    private let guardian: LeaseGuard
    private let lock: LockEffects
    private let monitor: PostgresMonitor
    private let keeper: KeeperLink
    private let server: LocalServer
    private let members: MemberPublisher
    private let slots: SlotMaintenance
    private let meshSlots: MeshSlotKeeper
    private let cache: DynamicConfigFile
    private let orders: OrderBook
    private let pending: PendingRestart
    private let board: StatusBoard
    private let logger: Logger
    private var cached: JSONObject?
    private var writing: Task<Void, Never>?
    /// The latest look that is not written yet.
    private var unwritten: Look?
    private var maintainedAt = Instant(nanoseconds: 0)
    private var maintained = SlotBasis()
    private var dcsLastSeen = 0
    private var wasPrimary = false

    private struct Look {
        var view: ClusterView
        var description: LocalDescription
        var tree: TreeSnapshot?
    }

    init(
        me: MemberID, settings: ClusterSettings, sessions: SessionOwner, guardian: LeaseGuard, lock: LockEffects,
        monitor: PostgresMonitor, keeper: KeeperLink, server: LocalServer, members: MemberPublisher,
        slots: SlotMaintenance, meshSlots: MeshSlotKeeper, cache: DynamicConfigFile, orders: OrderBook,
        pending: PendingRestart, board: StatusBoard, logger: Logger
    ) {
        self.cache = cache
        self.orders = orders
        self.pending = pending
        self.me = me
        self.settings = settings
        self.sessions = sessions
        self.guardian = guardian
        self.lock = lock
        self.monitor = monitor
        self.keeper = keeper
        self.server = server
        self.members = members
        self.slots = slots
        self.meshSlots = meshSlots
        self.board = board
        self.logger = logger
    }

    func publish(
        _ view: ClusterView, _ decision: Decision, tree: TreeSnapshot?, treeIsKnown: Bool, promotedAt: Instant?
    ) async {
        let local = view.local
        if local.isRunning, let sql = local.sql { wasPrimary = !sql.inRecovery }
        let description = LocalDescription(
            local, running: view.running?.effect ?? decision.effects.first, memory: decision.memory,
            wasPrimary: wasPrimary, byCommand: view.policy.hasBootstrapCommand, order: view.order?.kind)
        pending.look(local)
        if treeIsKnown, let tree {
            dcsLastSeen = Int((MomentText.now - (Instant.now - tree.view.readAt)).components.seconds)
        }
        post(view, decision, description, tree, promotedAt)
        maintainSlots(view, tree)
        // Peers that look at a record look later at the lock: what a failover begins comes first. Its end is looked at.
        guard !decision.effects.contains(where: \.isOfFailover), view.running?.effect.isOfFailover != true else {
            return
        }
        unwritten = Look(view: view, description: description, tree: tree)
        guard writing == nil else { return }
        writing = Task(executorPreference: LoopThread.shared) { await self.writeAll() }
    }

    /// One at a time, the latest last: an older look must not be what stays.
    private func writeAll() async {
        while let look = unwritten {
            unwritten = nil
            await write(look.view, look.description, look.tree)
        }
        writing = nil
    }

    /// The last word of an agent that ends: what it had led, it has let go of.
    func publishStopped() async {
        await writing?.value
        guard let session = sessions.session, let local = await LocalObserver.stopped(server) else { return }
        var description = LocalDescription(local, running: nil, memory: DecisionMemory(), wasPrimary: wasPrimary)
        description.state = .stopped
        let record = MemberRecordBuilder(settings: settings).record(
            description, local, server: nil, leadership: nil, epochVersion: nil, sessionTimeout: nil)
        await members.publish(record, through: session, exists: true)
    }

    private func post(
        _ view: ClusterView, _ decision: Decision, _ description: LocalDescription, _ tree: TreeSnapshot?,
        _ promotedAt: Instant?
    ) {
        let config = settings.local
        var dynamic = settings.dynamic
        if let problem = sessions.refusal(of: .seconds(dynamic.values.ttl)) {
            dynamic.reject(["ttl"], .int(Int64(dynamic.values.ttl)), "is not followed: \(problem)")
        }
        board.post(
            AgentStatus(
                scope: config.scope, name: me, state: description.state, role: description.role, local: view.local,
                systemIdentifier: view.local.control?.systemIdentifier, tree: tree, dcsLastSeen: dcsLastSeen,
                configuredTags: config.tags, tags: settings.tags, dynamic: dynamic,
                sessionTimeout: view.lease?.terms.timeout.milliseconds, term: view.leadership?.term,
                epochVersion: view.leadership?.epochVersion, rule: decision.rule, reason: decision.reason,
                lookedAt: view.now, isBootstrapping: decision.memory.bootstrap != nil, lostSlots: slots.lostSlots,
                usableSlots: meshSlots.usableSlots?.count,
                running: view.running?.effect.name, pendingRestart: pending.changes,
                scheduledRestart: orders.scheduled?.record, promotedAt: promotedAt))
    }

    private func write(_ view: ClusterView, _ description: LocalDescription, _ tree: TreeSnapshot?) async {
        await keepConfiguration(view, tree)
        guard let session = sessions.session, sessions.coordination == .connected else { return }
        var status: ServerStatus?
        if let pid = keeper.lastStatus?.postmasterPID { status = await monitor.lastStatus(postmaster: pid) }
        let isLeading = view.leadership != nil && view.local.isRunning && view.local.sql?.inRecovery == false
        if isLeading, let sql = view.local.sql {
            // A position from files is older than what this leader, by another process, has published before.
            let position = sql.isInferred ? max(sql.position, tree?.status?.optime ?? .zero) : sql.position
            let known = await slots.record(position: position)
            guardian.setStatus(
                StatusRecord(optime: position, slots: known.slots, retainSlots: known.retained).json.znode)
        }
        let record = MemberRecordBuilder(settings: settings).record(
            description, view.local, server: status, leadership: view.leadership,
            epochVersion: view.store?.epoch?.version, sessionTimeout: view.lease?.terms.timeout.milliseconds,
            optsOut: view.leaving || view.order != nil, pendingRestart: pending.changes,
            scheduledRestart: orders.scheduled?.record, usableSlots: meshSlots.usableSlots?.count)
        let owner = tree?.view.members[me]?.session
        await members.publish(record, through: session, exists: owner == session.connection?.session.rawValue)
        if isLeading, let term = view.leadership?.term, let tree { await writeHistory(view, term, tree) }
    }

    /// What was accepted of the cluster's configuration is there at the next start, too.
    private func keepConfiguration(_ view: ClusterView, _ tree: TreeSnapshot?) async {
        let accepted = settings.dynamic.accepted
        // Only into data of this very cluster: a directory of another is refused and left as it is.
        guard let tree, tree.config != nil, view.running == nil, cached != accepted,
            case .done(let cluster) = tree.view.initialize, view.local.control?.systemIdentifier == cluster
        else { return }
        cached = accepted
        do { try await cache.write(accepted.text(.spaced)) } catch { logger.warning("\(error)") }
    }

    private func writeHistory(_ view: ClusterView, _ term: Term, _ tree: TreeSnapshot) async {
        guard let timeline = view.local.sql?.timeline, !HistoryPublisher.isRight(tree.history, timeline) else { return }
        // Detached: a slow disk must not hold the loop's thread up.
        let (directory, me, keep) = (server.dataDirectory, me, settings.dynamic.values.maxTimelinesHistory)
        let update = await Task.detached {
            HistoryPublisher.update(
                stored: tree.history, timeline: timeline, dataDirectory: directory, me: me, keep: keep)
        }.value
        guard let updated = update else { return }
        do { try await lock.write(lock.layout.history, updated.json.znode, as: term) } catch {
            logger.warning("cannot write the history: \(error)")
        }
    }

    /// What slots are made from. While it stands they are looked at less often: only somebody else may have changed them.
    private struct SlotBasis: Equatable {
        var members: [SlotWishes.Member] = []
        var leader: MemberID?
        var status: StatusRecord?
        var position: LSN?
        var configZxid: Int64?
    }

    private static let calmPace = Duration.seconds(10)

    /// Beside everything else: slots need SQL, which may be slow.
    private func maintainSlots(_ view: ClusterView, _ tree: TreeSnapshot?) {
        guard let tree, view.local.isRunning, let sql = view.local.sql, view.running == nil else { return }
        let members = tree.members.map { member in
            var member = SlotWishes.Member(member.name, member.record)
            member.position = nil
            return member
        }
        let isLeader = view.leadership != nil && !sql.inRecovery
        // A lock of ours on a server that does not lead yet is nobody's.
        let leader = isLeader ? me : tree.view.leader.flatMap { $0.member == me ? nil : $0.member }
        let basis = SlotBasis(
            members: members, leader: leader, status: tree.status, position: sql.position, configZxid: tree.configZxid)
        let pace = basis == maintained ? max(view.policy.loopWait, Self.calmPace) : view.policy.loopWait
        // Whoever is to stream from here needs its slot at once, so that it can connect with it.
        guard members != maintained.members || Instant.now - maintainedAt >= pace else { return }
        maintainedAt = Instant.now
        maintained = basis
        Task(executorPreference: LoopThread.shared) { [slots] in
            await slots.maintain(members: tree.members, leader: leader, status: tree.status, own: sql.position)
        }
    }
}
