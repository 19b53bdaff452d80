import HACore

/// What must hold after every step (design/reliability.md 2.2, design/lock.md).
final class Invariants {
    private unowned let world: SimWorld
    private var lastTerm: Int64 = 0
    /// First acknowledgement on each timeline, by identity.
    private var firstAcknowledged: [Int: Nanoseconds] = [:]
    func wasMade(_ system: String) -> Bool { clusters.contains(system) }

    /// System identifiers that stood in `initialize`.
    private var clusters: Set<String> = []
    private var creators: [UInt32: Int] = [:]
    /// Up to where each timeline has rows that were acknowledged by a primary and its synchronous standbys.
    private var protected: [SimPostgres.Branch: UInt64] = [:]
    private(set) var promotions = 0
    private(set) var acknowledged = 0

    private var promises: Bool

    init(_ world: SimWorld) {
        self.world = world
        promises = world.options.policy.synchronousStrict
    }

    /// Somebody changes the mode: from here on it is the last primary's word that counts, which clients cannot know.
    func promisesEnd() {
        promises = false
        protected = [:]
    }

    private func violated(_ what: String) { world.violated(what) }

    // MARK: PostgreSQL

    func becameWritable(_ node: Int) {
        for other in world.nodes where other.index != node && other.postgres.isWritable {
            violated("two writable servers: \(world.nodes[node].name) beside \(other.name)")
        }
    }

    func promoted(_ node: Int, _ branch: SimPostgres.Branch, over parent: SimPostgres.Branch) {
        promotions += 1
        world.promises.promoted(world.nodes[node])
        if world.options.timelinesUnique, let earlier = creators[branch.number], earlier != branch.identity {
            violated("timeline \(branch.number) was made twice, the second time by \(world.nodes[node].name)")
        }
        creators[branch.number] = branch.identity
        keepsAcknowledged(node)
    }

    /// I-1: in strict synchronous mode a new primary has every row that was acknowledged.
    private func keepsAcknowledged(_ node: Int) {
        let postgres = world.nodes[node].postgres
        for (branch, end) in protected {
            guard let index = postgres.lineage.firstIndex(of: branch) else {
                return violated(
                    "\(world.nodes[node].name) lacks timeline \(branch.number), on which rows were acknowledged")
            }
            let limit = index + 1 < postgres.lineage.count ? postgres.lineage[index + 1].start : postgres.wal
            if limit < end {
                violated(
                    "\(world.nodes[node].name) lacks \(end - limit) bytes of rows acknowledged on timeline \(branch.number)"
                )
            }
        }
    }

    func corrupted(_ node: Int, from upstream: Int) {
        violated("\(world.nodes[node].name) streams foreign WAL of the same timeline number from n\(upstream + 1)")
    }

    /// A clone over existing data is only for data that cannot follow.
    func replaces(_ node: Int, by source: SimPostgres) {
        let postgres = world.nodes[node].postgres
        if postgres.isWritable { violated("the directory of a writable server is replaced") }
    }

    func cloned(_ node: Int, over contents: SimPostgres.Contents) {
        let postgres = world.nodes[node].postgres
        guard contents == .ready, let primary = world.nodes.first(where: { $0.postgres.isWritable }) else { return }
        if postgres.isPrefix(of: primary.postgres) {
            violated("sound data of \(world.nodes[node].name) are replaced by a clone")
        }
    }

    func earlyRewind(_ node: Int) {
        violated("\(world.nodes[node].name) rewinds from a primary that has not checkpointed since its promotion")
    }

    /// A bootstrap is taken back: it must not have become the cluster.
    func discarded(_ node: Int) {
        let postgres = world.nodes[node].postgres
        guard clusters.contains(postgres.systemIdentifier), !postgres.lineage.isEmpty else { return }
        violated("\(world.nodes[node].name) discards the data of a cluster that was made")
    }

    // MARK: Clients

    /// The form that a client can check: nothing sent after the first acknowledgement on a newer timeline is
    /// acknowledged on an older one.
    func acknowledged(_ commit: SimPostgres.Commit, sent: Nanoseconds) {
        let branch = commit.branch
        acknowledged += 1
        if promises {
            protected[branch, default: 0] = max(protected[branch, default: 0], commit.end)
        }
        if firstAcknowledged[branch.identity] == nil { firstAcknowledged[branch.identity] = world.now }
        for (identity, first) in firstAcknowledged where identity > branch.identity && sent > first {
            violated("a write was acknowledged on timeline \(branch.number) after one on a newer timeline")
        }
    }

    // MARK: ZooKeeper

    func sessionEnded(_ session: SimZooKeeper.Session, before: SimTree) {
        let node = world.nodes[session.node]
        // In pause nothing is stopped (contract 4.18).
        guard node.postgres.isWritable, !node.policy.paused, !node.keeper.isPaused else { return }
        if let leader = world.zookeeper.tree[.leader], leader.data == .name(node.name) { return }
        // Of a lock that somebody removed, `epoch` says whose it was: an older session of the node may end.
        if case .holder(.taken(_, let holder, _))? = before[.epoch]?.data, before[.leader] == nil, holder != session.id
        {
            return
        }
        guard before[.leader]?.owner == session.id || before[.leader] == nil else { return }
        violated("\(node.name) is writable past the end of its session")
    }

    func committed(_ operations: [SimOperation], by node: Int, session: Int64, before: SimTree, after: SimTree) {
        if let epoch = after[.epoch]?.version {
            // Requests of sessions that are over are refused: only what a living one remembers can come back.
            if before[.epoch] == nil, let known = world.nodes.compactMap({ $0.agent?.rememberedEpoch }).max(),
                epoch < known
            {
                violated("the version of epoch restarted at \(epoch), somebody knows \(known)")
            }
        }
        if case .system(let system)? = after[.initialize]?.data { clusters.insert(system.rawValue) }
        guard let leader = after[.leader] else {
            if before[.leader] != nil {
                released(by: node)
                world.promises.released(by: node)
            }
            return
        }
        guard before[.leader]?.czxid != leader.czxid else { return }
        if leader.czxid <= lastTerm { violated("term \(leader.czxid) does not follow \(lastTerm)") }
        lastTerm = leader.czxid
        if world.nodes.indices.contains(node) { world.promises.acquired(world.nodes[node], before) }
        world.springTraps()
    }

    private func released(by node: Int) {
        let postgres = world.nodes[node].postgres
        let keeper = world.nodes[node].keeper!
        // What a crash leaves of a server that was shut down has no more to write.
        let isShutDown = postgres.phase == .remains && postgres.control.state == .shutDown
        if postgres.isShutDown || isShutDown { return handedOver(by: node) }
        let isQuietStandby = postgres.role == .standby && postgres.inRecovery && !keeper.promoteRequested
        // What a dead standby leaves writes no more than it did.
        if postgres.phase != .absent, !isQuietStandby {
            violated("\(world.nodes[node].name) released the lock while processes of its directory were left")
        }
    }

    /// A planned change loses nothing: somebody has the last record (unless the member ends in any case).
    private func handedOver(by node: Int) {
        let agent = world.nodes[node].agent
        guard agent?.lastDecision?.rule == "planned.release", agent?.leaving == false else { return }
        let postgres = world.nodes[node].postgres
        guard !world.nodes.contains(where: { $0.index != node && postgres.isPrefix(of: $0.postgres) }) else { return }
        violated("\(world.nodes[node].name) handed over while nobody has all of its records")
    }

    // MARK: Decisions

    func pure(_ view: ClusterView, _ memory: DecisionMemory, _ decision: Decision) {
        if decide(view, memory, by: world.table) != decision { violated("the same view gave two decisions") }
    }
}
