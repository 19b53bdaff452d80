import HACore

/// What operators are promised beside safety: nobody less fit leads, nothing is stopped for nothing, a stop comes in
/// order while the agent runs, and every situation has a rule that names it.
///
/// Each is checked only where nothing stands in the way that the rules cannot see, so that none is broken by bad luck.
final class Promises {
    private unowned let world: SimWorld
    /// Since when each node's PostgreSQL has been writable without its lock, while its agent could see that.
    private var withoutLock: [Nanoseconds?]
    private var wasWhole = false
    private var release: (node: Int, at: Nanoseconds)?
    /// Since when an operator's request has been due.
    private var requestedAt: Nanoseconds?
    /// When the last one was fulfilled or taken back.
    private var withdrawnAt: Nanoseconds?

    init(_ world: SimWorld) {
        self.world = world
        withoutLock = Array(repeating: nil, count: world.options.nodes)
    }

    private func broken(_ what: String) {
        if world.options.checksPromises { world.violated(what) }
    }

    func decided(_ node: SimNode, _ decision: Decision) {
        if decision.rule == "idle" { broken("no rule of \(node.name) names what it sees") }
    }

    // MARK: Who leads

    /// `leader` was created by this node.
    func acquired(_ node: SimNode, _ tree: SimTree) {
        guard node.agent?.lastDecision?.rule == "candidate.acquire" else { return }
        if case .request(_, let candidate, _)? = tree[.failover]?.data {
            // An operator may choose whom he likes, and nobody else.
            if let wanted = candidate.flatMap(world.node), wanted !== node, let requestedAt,
                world.now - requestedAt > second, mayTakeOver(wanted, from: node)
            {
                broken("\(node.name) takes the lock, an operator wants \(wanted.name), who can be asked")
            }
            return
        }
        let postgres = node.postgres
        if case .optime(let lsn)? = tree[.status]?.data,
            lsn.rawValue > postgres.wal + node.policy.maximumLagOnFailover
        {
            broken("\(node.name) takes the lock, too far behind the last known position")
        }
        if node.policy.checkTimeline, case .timeline(let last)? = tree[.history]?.data,
            let own = postgres.timeline, Timeline(own.number) < last
        {
            broken("\(node.name) takes the lock on an older timeline than the cluster's, with check_timeline")
        }
        // A process that was started since knows nothing of it.
        if let release, release.node == node.index, node.agent?.startedAt ?? 0 < release.at,
            world.network.reachesStore(node.index, since: world.now - 4 * second),
            world.now - release.at < 1500 * millisecond,
            world.nodes.contains(where: { $0 !== node && mayTakeOver($0, from: node) })
        {
            broken("\(node.name) takes back the lock that it has just given away")
        }
        for other in world.nodes where other !== node && isFitter(other, than: node) {
            broken("\(node.name) takes the lock, \(other.name) can be asked and has more WAL")
        }
    }

    func released(by node: Int) { release = (node, world.now) }

    /// It has what this node has and more.
    private func isFitter(_ other: SimNode, than node: SimNode) -> Bool {
        !node.policy.checkTimeline && mayTakeOver(other, from: node) && other.postgres.wal > node.postgres.wal
            && node.postgres.isPrefix(of: other.postgres)
    }

    /// It may lead, and has been there to be asked for a while.
    private func mayTakeOver(_ other: SimNode, from node: SimNode) -> Bool {
        guard let agent = other.agent, !other.isPaused, !other.policy.nofailover,
            world.network.reaches(node.index, other.index), agent.handle?.isConnected == true, isEligible(other)
        else { return false }
        let quiet = world.now - 3 * second
        return other.postgres.isAccepting && other.postgres.inRecovery && other.postgres.startedAt < quiet
            && other.resumedAt < quiet && agent.startedAt < quiet && other.postgres.receivedAt < quiet
            && world.network.changedAt < quiet && world.slowNetworks == 0 && world.replyLoss == 0
            && world.zookeeper.tree[.member(other.index)]?.owner == agent.handle?.session
    }

    /// In synchronous mode only a synchronous standby; what the former leader has beyond these was never acknowledged.
    private func isEligible(_ node: SimNode) -> Bool {
        guard node.policy.synchronous, case .synchronous(_?, let standbys)? = world.zookeeper.tree[.sync]?.data else {
            return true
        }
        return standbys.contains(node.name)
    }

    func promoted(_ node: SimNode) {
        if world.options.calm == .nobodyIsPromoted, wasWhole {
            broken("\(node.name) is promoted, where the primary only crashed and had time to start again")
        }
        if world.pauses > 0, node.policy.paused, world.now - world.pausedAt > 2 * second,
            node.agent?.lastDecision?.effects.isEmpty == true, requestedAt == nil,
            world.now - (withdrawnAt ?? 0) > 30 * second
        {
            broken("\(node.name) is promoted in pause, and nobody asked for it")
        }
        if node.policy.nofailover { broken("\(node.name) is promoted, tagged nofailover") }
        if case .system(let system)? = world.zookeeper.tree[.initialize]?.data,
            system.rawValue != node.postgres.systemIdentifier
        {
            broken("\(node.name) is promoted with another cluster's data")
        }
    }

    // MARK: How it is stopped

    /// The keeper's deadline has come.
    func deadlineCame(_ node: SimNode) {
        guard isAwake(node), node.postgres.isWritable else { return }
        broken("the keeper of \(node.name) has to stop PostgreSQL, its agent runs and did not")
    }

    private func isAwake(_ node: SimNode) -> Bool {
        guard let agent = node.agent, !node.isPaused else { return false }
        let since = world.now - 2 * second
        return node.resumedAt < since && agent.startedAt < since
    }

    /// Each 100 ms.
    func watch() {
        if case .request(_, _, let dueAt)? = world.zookeeper.tree[.failover]?.data, dueAt ?? 0 <= world.now {
            requestedAt = requestedAt ?? world.now
        } else {
            if requestedAt != nil { withdrawnAt = world.now }
            requestedAt = nil
        }
        for node in world.nodes {
            let holds = world.zookeeper.tree[.leader]?.data == .name(node.name)
            let sees = isAwake(node) && node.agent?.handle?.isConnected == true && node.agent?.isPrepared == true
            let isConnected = world.network.reachesStore(node.index, since: world.now)
            let isPaused = node.policy.paused || node.keeper?.isPaused == true
            guard node.postgres.isWritable, !holds, sees, isConnected, world.slowNetworks == 0, !isPaused else {
                withoutLock[node.index] = nil
                continue
            }
            let since = withoutLock[node.index] ?? world.now
            withoutLock[node.index] = since
            if world.now - since > 2 * second {
                broken("\(node.name) stays writable without the lock, its agent is connected")
            }
        }
    }

    /// The cluster came up: from here on a calm world is calm.
    func whole() { wasWhole = true }

    func ended(_ node: Int) {
        guard world.options.calm == .nothingEnds, wasWhole else { return }
        broken("PostgreSQL of \(world.nodes[node].name) ends, only agents died")
    }
}
