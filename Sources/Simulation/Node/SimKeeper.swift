import HACore

/// The parent of PostgreSQL: enforces the lease's deadline while the agent is frozen, dead or cut off
/// (design/lock.md 4.A5, 4.A6, 4.E).
final class SimKeeper {
    private unowned let world: SimWorld
    private unowned let node: SimNode
    private var postgres: SimPostgres { node.postgres }
    private(set) var isAlive = true
    /// The agent it listens to.
    private(set) var attached = 0
    private(set) var armedUntil: Instant?
    private var armedZxid: Int64 = 0
    private(set) var latch: Int64?
    private(set) var promoteRequested = false
    /// The postmaster is this keeper's child, or was taken over.
    private var watches = false
    private(set) var takenOver = false
    private var found = false
    private var givenBack = false
    /// No deadline is enforced.
    private(set) var isPaused = false
    private var stopRequested = false
    private var isShutDown = false
    private(set) var ending = LocalPostgres.Ending.neverStarted
    private var isKilling = false
    private var alarm = 0
    /// A tool writes the directory: initdb, rewind, clone.
    private(set) var tool: Int?
    private var nextTool = 0

    init(_ world: SimWorld, _ node: SimNode) {
        self.world = world
        self.node = node
        postgres.onExit = { [weak self] requested in self?.exited(requested: requested) }
    }

    func attach(_ agent: Int) {
        attached = agent
        abandonTool()
    }

    // MARK: The deadline

    func arm(until end: Instant, zxid: Int64) -> String? {
        if let latch, latch >= zxid { return "latched under a newer epoch" }
        guard end > node.now else { return "the deadline has passed" }
        armedUntil = end
        armedZxid = zxid
        setAlarm()
        return nil
    }

    func extend(until end: Instant) {
        guard let armedUntil, end > armedUntil else { return }
        self.armedUntil = end
        setAlarm()
    }

    func lower(to end: Instant) {
        guard let armedUntil, end < armedUntil else { return }
        self.armedUntil = end
        setAlarm()
    }

    private func setAlarm() {
        alarm += 1
        let alarm = self.alarm
        guard let armedUntil, !world.weakened(.keeperDeadline) else { return }
        world.at(node.clock.reference(of: armedUntil)) { [self] in
            guard isAlive, alarm == self.alarm, !isPaused else { return }
            world.note(node.index, "keeper: the deadline has come")
            world.promises.deadlineCame(node)
            fence()
        }
    }

    /// Refused at the end of a pause while nothing bounds a writable PostgreSQL.
    func pause(_ paused: Bool) -> String? {
        if !paused, armedUntil == nil, view().mayBeWritable { return "not armed" }
        isPaused = paused
        if !paused { setAlarm() }
        return nil
    }

    /// Refused while PostgreSQL may be writable.
    func disarm() -> String? {
        // Checkpointed, no client left: what remains writes nothing (rulings, Lock 10).
        isShutDown = postgres.isShutDown
        if view().mayBeWritable { return "PostgreSQL may be writable" }
        armedUntil = nil
        alarm += 1
        return nil
    }

    /// Stops PostgreSQL at once and refuses to act again under this move of `epoch`.
    func fence() {
        if armedUntil != nil { latch = max(latch ?? 0, armedZxid) }
        armedUntil = nil
        alarm += 1
        kill(after: world.killTime())
    }

    private func kill(after delay: Nanoseconds) {
        guard postgres.phase != .absent, !isKilling else { return }
        isKilling = true
        world.after(delay) { [self] in
            isKilling = false
            postgres.killAll()
        }
    }

    private var mayPromote: String? {
        guard let armedUntil else { return "not armed" }
        if armedUntil - node.now <= .milliseconds(100) { return "too close to the deadline" }
        return nil
    }

    // MARK: PostgreSQL

    func start(_ role: StartRole) -> String? {
        guard postgres.phase == .absent, tool == nil else { return "something of this directory runs" }
        guard postgres.contents == .ready else { return "there is no usable data directory" }
        if role == .primary, let refusal = mayPromote { return refusal }
        if world.startFails() { return "could not start" }
        promoteRequested = false
        stopRequested = false
        isShutDown = false
        watches = true
        takenOver = false
        found = false
        givenBack = false
        postgres.start(role)
        return nil
    }

    /// Watches a server that somebody else started; a primary is armed in the same step.
    func takeOver(as role: StartRole, until end: Instant?) -> String? {
        guard !watches, postgres.phase != .absent, postgres.phase != .remains, postgres.role == role else {
            return "it has changed"
        }
        promoteRequested = false
        stopRequested = false
        isShutDown = false
        watches = true
        found = true
        // What was given back is a child still.
        takenOver = takenOver || !givenBack
        givenBack = false
        return end.flatMap { arm(until: $0, zxid: 0) }
    }

    /// PostgreSQL runs on, and nothing stops it.
    func detach() -> String? {
        guard watches, postgres.phase != .absent, postgres.phase != .remains else { return "no PostgreSQL runs" }
        watches = false
        givenBack = true
        isPaused = false
        armedUntil = nil
        armedZxid = 0
        latch = nil
        alarm += 1
        return nil
    }

    func promote(to timeline: UInt32) -> String? {
        guard postgres.phase == .running, postgres.role == .standby else { return "no standby runs" }
        if promoteRequested { return nil }
        if let refusal = mayPromote { return refusal }
        promoteRequested = true
        // A forked child looks at the deadline again before it makes the file.
        world.after(world.dice.milliseconds(0, 3)) { [self] in
            guard isAlive, mayPromote == nil, !isKilling else { return }
            postgres.promote(to: timeline)
        }
        return nil
    }

    func stop() {
        stopRequested = true
        postgres.stop()
    }

    func stopAtOnce() {
        stopRequested = true
        world.after(world.dice.milliseconds(5, 100)) { [self] in
            if isAlive { postgres.stopAtOnce() }
        }
    }

    private func exited(requested: Bool) {
        guard isAlive else { return }
        if postgres.phase != .remains { watches = false }
        if postgres.phase == .remains {
            // Seen by its wait status; every process that is left is killed.
            world.after(world.dice.milliseconds(1, 30)) { [self] in
                if isAlive { kill(after: world.killTime()) }
            }
        } else {
            ending = requested ? .requested : .crashed(at: node.now)
            promoteRequested = false
        }
        node.agent?.postmasterExited()
    }

    /// The keeper dies: the kernel signals the postmaster; a new one finds what is left.
    func die() {
        isAlive = false
        alarm += 1
    }

    /// What a new keeper finds is ended soon by the kernel, unless the one before was not its parent.
    func follow(_ former: SimKeeper) {
        guard postgres.phase != .absent, !former.takenOver else { return }
        kill(after: world.dice.milliseconds(5, 50))
    }

    // MARK: Tools

    func begin() -> Int? {
        guard tool == nil, postgres.phase == .absent else { return nil }
        nextTool += 1
        tool = nextTool
        return nextTool
    }

    func end(_ id: Int) -> Bool {
        guard isAlive, tool == id else { return false }
        tool = nil
        return true
    }

    private func abandonTool() { tool = nil }

    // MARK: Its answer to "status"

    func view() -> LocalPostgres {
        let process: LocalPostgres.Process
        switch postgres.phase {
        case .absent: process = .absent
        case .remains: process = world.weakened(.remainsUnseen) ? .absent : .remains
        case .starting, .running, .stopping:
            process = watches ? .running(as: postgres.role) : .unkept(as: postgres.role)
        }
        let directory: DataDirectory
        switch postgres.contents {
        case .empty: directory = .empty
        case .ready: directory = .ready(postgres.control)
        case .unusable: directory = .unusable("not a data directory")
        case .unfinished(let what): directory = .unfinished(what, what == "clone" ? .clone : .rewind)
        }
        var local = LocalPostgres(
            directory: directory, process: process, ending: ending,
            startedAt: postgres.phase == .absent ? nil : node.clock.local(postgres.startedAt),
            promoteRequested: promoteRequested, stopRequested: stopRequested,
            isShutDown: isShutDown && postgres.phase != .absent, armedUntil: armedUntil,
            armedZxid: armedUntil == nil ? nil : armedZxid, latch: latch,
            sql: postgres.status(at: node.now))
        local.takenOver = found && postgres.phase != .absent
        local.keeperPaused = isPaused
        return local
    }
}
