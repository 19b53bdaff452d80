import HACore

/// A PostgreSQL data directory and what runs on it.
///
/// Each promotion makes a timeline with an identity of its own beside the number that PostgreSQL gives it, so that
/// two timelines of one number are told apart by the checks although PostgreSQL cannot.
final class SimPostgres {
    struct Branch: Hashable {
        let number: UInt32
        let identity: Int
        let start: UInt64
    }

    enum Contents: Hashable {
        case empty, ready, unusable
        case unfinished(String)
    }

    enum Phase: Hashable {
        case absent
        /// Started, not accepting yet.
        case starting
        case running
        /// Clients are gone, the shutdown checkpoint is being written.
        case stopping
        /// The postmaster is dead, its backends are not.
        case remains
    }

    private unowned let world: SimWorld
    let node: Int
    var contents: Contents = .empty
    var systemIdentifier = ""
    private(set) var lineage: [Branch] = []
    private(set) var wal: UInt64 = 0
    private(set) var controlState = ControlFile.State.shutDown
    private var checkpointAt: UInt64 = 0
    private var checkpointTimeline: UInt32 = 1
    private var minRecovery: UInt64 = 0
    let allowsRewind: Bool

    private(set) var phase = Phase.absent
    private(set) var role = StartRole.standby
    private(set) var inRecovery = true
    private(set) var acceptsClients = false
    private var generation = 0
    /// `synchronous_standby_names`, likewise.
    var synchronous = SynchronousNames.unmanaged
    /// Configured upstream: survives restarts, like the file it stands for.
    var upstream: Int?
    private(set) var isStreaming = false
    private var nextTry: Nanoseconds = 0
    private(set) var startedAt: Nanoseconds = 0
    /// When WAL last arrived from the upstream.
    private(set) var receivedAt: Nanoseconds = 0
    /// The postmaster ended: the keeper is told.
    var onExit: (_ requested: Bool) -> Void = { _ in }

    init(_ world: SimWorld, node: Int, allowsRewind: Bool) {
        self.world = world
        self.node = node
        self.allowsRewind = allowsRewind
    }

    /// A commit would be acknowledged at this instant.
    var isWritable: Bool { acceptsClients && !inRecovery && phase != .absent }

    var timeline: Branch? { lineage.last }

    var isAccepting: Bool { phase == .running }

    var history: TimelineHistory {
        TimelineHistory(
            timeline: Timeline(lineage.last?.number ?? 1),
            forks: zip(lineage, lineage.dropFirst()).map {
                TimelineHistory.Fork(parent: Timeline($0.number), switchLSN: LSN($1.start))
            })
    }

    var control: ControlFile {
        ControlFile(
            systemIdentifier: SystemIdentifier(rawValue: systemIdentifier), state: controlState,
            timeline: Timeline(checkpointTimeline), checkpoint: LSN(checkpointAt), redo: LSN(checkpointAt),
            minRecoveryPoint: LSN(minRecovery),
            minRecoveryTimeline: Timeline(minRecovery > 0 ? lineage.last?.number ?? 0 : 0),
            allowsRewind: allowsRewind)
    }

    func status(at instant: Instant) -> SQLStatus? {
        guard phase == .running, let timeline else { return nil }
        var sql = SQLStatus(
            at: instant, inRecovery: inRecovery, timeline: Timeline(timeline.number),
            written: inRecovery ? nil : LSN(wal), received: inRecovery ? LSN(wal) : .zero, replayed: LSN(wal),
            streaming: isStreaming)
        sql.synchronousNames = synchronous.setting ?? ""
        guard !inRecovery else { return sql }
        let names = synchronous.members
        sql.senders = world.nodes.filter { $0.postgres.upstream == node && $0.postgres.isStreaming }.map {
            SQLStatus.Sender(
                name: $0.name.rawValue, part: names.contains($0.name) ? .sync : .async, flushed: LSN($0.postgres.wal))
        }
        return sql
    }

    // MARK: Processes

    func start(_ role: StartRole) {
        generation += 1
        let generation = self.generation
        self.role = role
        let crashed = controlState == .inProduction || controlState == .shuttingDown
        phase = .starting
        inRecovery = true
        acceptsClients = false
        isStreaming = false
        startedAt = world.now
        controlState = role == .primary ? .startingUp : .inArchiveRecovery
        if role == .standby { minRecovery = max(minRecovery, checkpointAt) }
        world.after(world.dice.milliseconds(30, crashed ? 1500 : 300)) { [self] in
            guard generation == self.generation, phase == .starting else { return }
            phase = .running
            acceptsClients = true
            if role == .primary {
                controlState = .inProduction
                inRecovery = false
                checkpoint()
                world.invariants.becameWritable(node)
            }
        }
    }

    /// A fast stop: clients end at once, the shutdown checkpoint follows.
    func stop() {
        guard phase == .running || phase == .starting else { return }
        generation += 1
        let generation = self.generation
        let slow = world.dice.chance(10)
        world.after(world.dice.milliseconds(5, 40)) { [self] in
            guard generation == self.generation else { return }
            acceptsClients = false
            phase = .stopping
            if !inRecovery { controlState = .shuttingDown }
        }
        world.after(world.dice.milliseconds(60, slow ? 4000 : 300)) { [self] in
            guard generation == self.generation else { return }
            if inRecovery {
                controlState = .shutDownInRecovery
                minRecovery = wal
            } else {
                checkpoint()
                controlState = .shutDown
                world.shipLastRecords(of: node)
            }
            // An archiver or a dead peer's walsender may stay on.
            guard world.dice.chance(20) else { return end(requested: true) }
            world.after(world.dice.milliseconds(10, 4000)) { [self] in
                if generation == self.generation { end(requested: true) }
            }
        }
    }

    /// The shutdown checkpoint is written and no client is left, whatever else still runs.
    var isShutDown: Bool { phase == .stopping && !acceptsClients && controlState == .shutDown }

    func stopAtOnce() {
        guard phase != .absent, phase != .remains else { return }
        generation += 1
        end(requested: true)
    }

    /// The postmaster dies; the rest goes on until somebody kills it.
    func killPostmaster() {
        guard phase != .absent, phase != .remains else { return }
        generation += 1
        phase = .remains
        isStreaming = false
        onExit(false)
    }

    /// Every process of the directory is dead.
    func killAll() {
        guard phase != .absent else { return }
        generation += 1
        end(requested: false)
    }

    private func end(requested: Bool) {
        phase = .absent
        world.promises.ended(node)
        acceptsClients = false
        isStreaming = false
        inRecovery = true
        onExit(requested)
    }

    /// The promote file stands: recovery ends after a while, whatever anybody wants by then.
    func promote(to number: UInt32) {
        let generation = self.generation
        world.after(world.dice.milliseconds(15, 120)) { [self] in
            guard generation == self.generation, phase == .running, inRecovery, let last = lineage.last else { return }
            let branch = Branch(number: max(number, last.number + 1), identity: world.newIdentity(), start: wal)
            lineage.append(branch)
            wal += 100
            minRecovery = 0
            inRecovery = false
            isStreaming = false
            controlState = .inProduction
            world.invariants.promoted(node, branch, over: last)
            world.invariants.becameWritable(node)
        }
    }

    /// The record stands at the location that the control file names, and ends behind it.
    func checkpoint() {
        checkpointAt = wal
        wal += 120
        checkpointTimeline = lineage.last?.number ?? 1
        minRecovery = 0
    }

    /// A commit that was written here: who sent it waits for it.
    struct Commit {
        let branch: Branch
        let end: UInt64
        fileprivate let generation: Int
    }

    /// A client's commit; nil when refused.
    func commit() -> Commit? {
        guard isWritable, let branch = lineage.last else { return nil }
        wal += UInt64(world.dice.between(60, 200))
        return Commit(branch: branch, end: wal, generation: generation)
    }

    /// Whether the server tells its client that a commit stands; nil: never, its backend is gone.
    func acknowledges(_ commit: Commit) -> Bool? {
        guard generation == commit.generation, acceptsClients else { return nil }
        switch synchronous {
        case .unmanaged, .none: return true
        case .blocked: return false
        case .all(let members):
            return members.allSatisfy { member in
                guard let other = world.node(member)?.postgres, other.lineage.contains(commit.branch) else {
                    return false
                }
                return other.lineage.last == commit.branch && other.wal >= commit.end
            }
        }
    }

    // MARK: Replication

    /// Whether the walreceiver would get WAL from `other`, judged by numbers as PostgreSQL does.
    private func mayStream(from other: SimPostgres) -> Bool {
        // A walsender goes on until the last record is shipped; a standby without an upstream sends what it has, too.
        guard let own = lineage.last, other.phase == .running || other.phase == .stopping else { return false }
        if let index = other.lineage.lastIndex(where: { $0.number == own.number }) {
            let end = index + 1 < other.lineage.count ? other.lineage[index + 1].start : other.wal
            return wal <= end
        }
        return false
    }

    /// One exchange with the configured upstream.
    func stream(from other: SimPostgres, all: Bool) {
        guard phase == .running, inRecovery, isStreaming || world.now >= nextTry else { return }
        guard mayStream(from: other) else {
            isStreaming = false
            nextTry = world.now + world.dice.milliseconds(100, 5000)
            return
        }
        guard isPrefix(of: other) else {
            world.invariants.corrupted(node, from: other.node)
            return
        }
        isStreaming = true
        receive(from: other, upTo: all ? other.wal : wal + UInt64(world.dice.between(0, Int64(other.wal - wal))))
    }

    func loseUpstream() { isStreaming = false }

    /// Wakes the startup process from its sleep between two tries to connect.
    func kick() { nextTry = 0 }

    /// A standby that received the end of its primary's WAL.
    func receive(from other: SimPostgres, upTo position: UInt64) {
        guard position >= wal else { return }
        if position > wal { receivedAt = world.now }
        wal = position
        lineage = other.lineage.filter { $0.start <= position }
        if world.dice.chance(20) { minRecovery = wal }
    }

    /// What is here is part of what `other` has, by identity.
    func isPrefix(of other: SimPostgres) -> Bool { hasPrefix(in: other.lineage, end: other.wal) }

    func hasPrefix(in branches: [Branch], end: UInt64) -> Bool {
        guard lineage.count <= branches.count else { return false }
        for (own, theirs) in zip(lineage, branches) where own != theirs { return false }
        let limit = lineage.count < branches.count ? branches[lineage.count].start : end
        return wal <= limit
    }

    // MARK: Writing the directory

    func initialize(system: String) {
        systemIdentifier = system
        lineage = [Branch(number: 1, identity: world.newIdentity(), start: 0)]
        wal = 0x100_0000
        checkpoint()
        controlState = .shutDown
        minRecovery = 0
    }

    func clear() {
        contents = .empty
        lineage = []
        wal = 0
        controlState = .shutDown
        minRecovery = 0
        checkpointAt = 0
    }

    /// The result of a base backup or a rewind.
    func copy(_ other: SimPostgres) {
        systemIdentifier = other.systemIdentifier
        lineage = other.lineage
        wal = other.wal
        checkpointAt = other.checkpointAt
        checkpointTimeline = other.checkpointTimeline
        minRecovery = wal
        controlState = .inArchiveRecovery
        contents = .ready
    }
}
