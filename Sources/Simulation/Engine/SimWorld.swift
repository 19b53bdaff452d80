public import HACore

/// One deterministic run of a cluster: a seed, its options and a list of faults.
public final class SimWorld {
    /// What came of a run.
    public struct Outcome: Sendable {
        public var seed: UInt64
        public var faults: [Fault]
        /// The first broken invariant, or what was missing at the end; nil = everything held.
        public var violation: String?
        public var trace: [String]
        /// How often each rule decided.
        public var rules: [RuleID: Int]
        public var promotions: Int
        public var acknowledgedWrites: Int
        /// Virtual time from the last fault until the cluster was whole.
        public var recovery: Duration?
        public var steps: Int
    }

    let options: SimOptions
    public let seed: UInt64
    let faults: [Fault]
    let dice: Dice
    private var queue = EventQueue()
    private(set) var now: Nanoseconds = 0
    private(set) var zookeeper: SimZooKeeper!
    private(set) var network: SimNetwork!
    private(set) var nodes: [SimNode] = []
    private(set) var invariants: Invariants!
    private(set) var promises: Promises!
    private var identities = 0
    private var trace = Trace()
    private var violation: String?
    private var rules: [RuleID: Int] = [:]
    /// What the agents decide by.
    let table: [Rule]
    private var steps = 0
    private var recovery: Nanoseconds?
    private var isOver = false

    // What faults change.
    var replyLoss = 0
    var slowNetworks = 0
    var startFailures = 0
    var pauses = 0
    var pausedAt: Nanoseconds = 0
    /// How many orders operators have given.
    var orders = 0
    /// `ttl` as the cluster's configuration has it now.
    var sessionTimeout: Nanoseconds
    var traps: [Fault] = []

    public init(seed: UInt64, options: SimOptions? = nil, faults: [Fault]? = nil) {
        let options = options ?? SimOptions(seed: seed)
        self.options = options
        sessionTimeout = options.sessionTimeout
        self.seed = seed
        self.faults = faults ?? Fault.list(seed: seed, options)
        dice = Dice(seed: seed)
        table = ruleTable.filter { !options.removedRules.contains($0.id) }
        invariants = Invariants(self)
        promises = Promises(self)
        zookeeper = SimZooKeeper(self, tick: options.tick)
        network = SimNetwork(self, nodes: options.nodes)
        let prefers = dice.below(options.nodes * 3)
        let excluded = dice.below(options.nodes * 6)
        nodes = (0..<options.nodes).map { index in
            var policy = options.policy
            policy.failoverPriority = index == prefers ? 2 : 1
            policy.nofailover = index == excluded && index > 0
            return SimNode(self, index: index, policy: policy)
        }
    }

    // MARK: Time

    func at(_ time: Nanoseconds, _ action: @escaping () -> Void) { queue.add(at: max(time, now), action) }

    func after(_ delay: Nanoseconds, _ action: @escaping () -> Void) { queue.add(at: now + delay, action) }

    /// Runs to the end, or to the first broken invariant.
    public func run() -> Outcome {
        setUp()
        while !isOver, violation == nil, let event = queue.next() {
            now = event.time
            steps += 1
            event.action()
        }
        for node in nodes { node.killAgent() }
        return Outcome(
            seed: seed, faults: faults, violation: violation, trace: trace.lines, rules: rules,
            promotions: invariants.promotions, acknowledgedWrites: invariants.acknowledged,
            recovery: recovery.map { .nanoseconds($0) }, steps: steps)
    }

    private func setUp() {
        zookeeper.start()
        if options.hasData {
            nodes[0].postgres.initialize(system: "7000000000000000001")
            nodes[0].postgres.contents = .ready
        }
        if options.foundPrimary { leavePatroni() }
        for node in nodes {
            // Data that exist come first: an empty member would make a cluster of its own.
            let isLate = options.hasData && node.index > 0
            after(dice.milliseconds(isLate ? 1500 : 0, isLate ? 2500 : 1000)) { node.powerOn() }
        }
        for fault in faults { schedule(fault) }
        for node in nodes {
            write(to: node)
            replicate(node)
        }
        at(options.chaosEnd) { [self] in watchRecovery() }
        if options.calm != nil { at(options.chaosStart) { [self] in if missing() == nil { promises.whole() } } }
        watchPromises()
    }

    /// What a killed Patroni leaves: a running primary, standbys that are down, and its lock for a while.
    private func leavePatroni() {
        for node in nodes.dropFirst() { node.postgres.copy(nodes[0].postgres) }
        nodes[0].found = .primary
        // Sometimes the cluster has gone on without it.
        if dice.chance(15), !options.policy.checkTimeline {
            zookeeper.commitByThirdParty([.create(.history, .timeline(Timeline(2)), ephemeral: false)])
        }
        guard dice.chance(60) else { return }
        let session: Int64 = 0x2_0000
        zookeeper.commitByThirdParty([.create(.leader, .name(nodes[0].name), ephemeral: true)], session: session)
        after(dice.between(0, options.sessionTimeout)) { [self] in zookeeper.closeThirdParty(session: session) }
    }

    // MARK: Chance

    var latency: Nanoseconds { dice.between(100_000, 2_000_000) * (slowNetworks > 0 ? 12 : 1) }

    var watchLatency: Nanoseconds { dice.chance(10) ? dice.milliseconds(1, 150) : latency }

    /// Answers about the lock are rare: they get lost more often, or nothing would be learnt of their loss.
    func losesReply(aboutLock: Bool = false) -> Bool {
        replyLoss > 0 && dice.chance(aboutLock ? 40 : replyLoss)
    }

    func killTime() -> Nanoseconds { dice.milliseconds(5, weakened(.slowKill) ? 1500 : dice.chance(20) ? 295 : 60) }

    func startFails() -> Bool { startFailures > 0 && dice.chance(60) }

    func toolFails() -> Bool { now < options.chaosEnd && dice.chance(8) }

    func newIdentity() -> Int {
        identities += 1
        return identities
    }

    // MARK: Weak guards

    func weakened(_ weakness: Weakness) -> Bool { options.weakness == weakness }

    func weaken(_ view: inout ClusterView) {
        switch options.weakness {
        case .absenceUnproved: view.store?.epoch?.holder = .released
        default: break
        }
    }

    // MARK: Names

    func node(_ member: MemberID) -> SimNode? { nodes.first { $0.name == member } }

    func index(of member: MemberID) -> Int? { node(member)?.index }

    // MARK: Clients and replication

    private func write(to node: SimNode) {
        let sent = now
        after(latency) { [self] in
            guard let commit = node.postgres.commit() else { return }
            acknowledge(commit, by: node.postgres, sent: sent)
        }
        after(dice.milliseconds(10, 40)) { [self] in write(to: node) }
    }

    private func acknowledge(_ commit: SimPostgres.Commit, by postgres: SimPostgres, sent: Nanoseconds) {
        guard let stands = postgres.acknowledges(commit) else { return }
        if stands {
            after(latency) { [self] in invariants.acknowledged(commit, sent: sent) }
        } else {
            after(20 * millisecond) { [self] in acknowledge(commit, by: postgres, sent: sent) }
        }
    }

    private func replicate(_ node: SimNode) {
        if let upstream = node.postgres.upstream {
            if network.reaches(node.index, upstream) {
                node.postgres.stream(from: nodes[upstream].postgres, all: dice.chance(60))
            } else {
                node.postgres.loseUpstream()
            }
        }
        after(dice.milliseconds(10, 60)) { [self] in replicate(node) }
    }

    /// The end of a clean stop reaches the standbys that stream.
    func shipLastRecords(of node: Int) {
        for other in nodes where other.postgres.upstream == node && other.postgres.isStreaming {
            if network.reaches(node, other.index), dice.chance(90) {
                other.postgres.receive(from: nodes[node].postgres, upTo: nodes[node].postgres.wal)
            }
        }
    }

    // MARK: Results

    func violated(_ what: String) {
        guard violation == nil else { return }
        violation = "at \(now / millisecond) ms: \(what)"
        note(-1, "VIOLATED: \(what)")
    }

    func note(_ node: Int, _ text: @autoclosure () -> String) {
        guard options.keepsTrace else { return }
        trace.add(now, node < 0 ? "--" : "n\(node + 1)", text())
    }

    private func watchPromises() {
        promises.watch()
        after(100 * millisecond) { [self] in watchPromises() }
    }

    func decided(_ agent: SimAgent, _ decision: Decision, changed: Bool) {
        promises.decided(agent.node, decision)
        rules[decision.rule, default: 0] += 1
        if changed || !decision.effects.isEmpty {
            note(
                agent.node.index,
                "\(decision.rule): \(decision.reason)"
                    + (decision.effects.isEmpty ? "" : " -> \(decision.effects.map(\.name).joined(separator: ", "))"))
        }
    }

    // MARK: Liveness

    private var wholeSince: Nanoseconds?

    /// From the end of the faults: a leader, everybody streaming from it, then nothing left to do.
    private func watchRecovery() {
        if missing() == nil {
            wholeSince = wholeSince ?? now
            recovery = recovery ?? now - options.chaosEnd
            // Whole and at rest: nobody has acted for a while either.
            let lastEffect = nodes.compactMap { $0.agent?.lastEffectAt }.max() ?? 0
            isOver = now - max(wholeSince ?? now, lastEffect) > 3 * second
        } else {
            wholeSince = nil
            recovery = nil
        }
        if !isOver, now > options.chaosEnd + options.patience {
            violated(
                "the cluster is not whole \((now - options.chaosEnd) / second) s after the last fault: \(missing() ?? "unstable")"
            )
        }
        after(100 * millisecond) { [self] in watchRecovery() }
    }

    /// What keeps the cluster from being whole; nil = nothing.
    private func missing() -> String? {
        if let node = nodes.first(where: { $0.agent?.leaving == true }) {
            return "the agent of \(node.name) does not end"
        }
        // One that waits for a person, with PostgreSQL down, waits with its order.
        if let node = nodes.first(where: {
            $0.postgres.phase == .running && ($0.agent?.order != nil || $0.agent?.scheduledRestart != nil)
        }) {
            return "\(node.name) has an order that nobody carries out"
        }
        if nobodyMayLead { return nil }
        guard let primary = nodes.first(where: { $0.postgres.isWritable }) else {
            return "no primary; "
                + nodes.map { "\($0.name): \($0.agent?.lastDecision?.rule.rawValue ?? "no agent")" }.joined(
                    separator: ", ")
        }
        switch zookeeper.tree[.failover]?.data {
        case .request, .fulfilled: return "a request for another leader is left"
        default: break
        }
        if let what = missingInSync(primary) { return what }
        guard zookeeper.tree[.leader]?.data == .name(primary.name) else { return "\(primary.name) has no lock" }
        if zookeeper.tree[.config] == nil { return "there is no config" }
        if case .system? = zookeeper.tree[.initialize]?.data {} else { return "initialize names no cluster" }
        for node in nodes where node !== primary {
            // What it made of an interrupted bootstrap is not this cluster, and never was: a person decides.
            let isStranger =
                node.postgres.contents == .ready && !invariants.wasMade(node.postgres.systemIdentifier)
            guard let agent = node.agent, let rule = agent.lastDecision?.rule else {
                if isStranger { continue }
                return "\(node.name) has no agent"
            }
            if isStranger { continue }
            let streams = node.postgres.isStreaming && node.postgres.upstream == primary.index
            if streams, node.postgres.isPrefix(of: primary.postgres) { continue }
            if isExcused(node, rule, primary) { continue }
            return "\(node.name) does not stream: \(rule)"
        }
        return nil
    }

    /// `sync` says what is, in the mode that is wanted.
    private func missingInSync(_ primary: SimNode) -> String? {
        var (leader, standbys): (MemberID?, Set<MemberID>) = (nil, [])
        if case .synchronous(let name, let names)? = zookeeper.tree[.sync]?.data { (leader, standbys) = (name, names) }
        guard primary.policy.synchronous else { return leader == nil ? nil : "sync is not off" }
        guard leader == primary.name else { return "sync does not name \(primary.name) as leader" }
        let someone = nodes.contains { $0.postgres.isStreaming && $0.postgres.upstream == primary.index }
        return someone && standbys.isEmpty ? "sync names no standby" : nil
    }

    /// A person has to help: the data that others are measured by are lost.
    private var nobodyMayLead: Bool {
        let barred: Set<RuleID> = [
            "candidate.not-synchronous", "candidate.lag", "candidate.timeline", "candidate.nofailover",
        ]
        let left = nodes.filter { $0.postgres.contents != .empty }
        return !left.isEmpty && left.count < nodes.count
            && left.allSatisfy { $0.agent?.lastDecision.map { barred.contains($0.rule) } ?? false }
    }

    /// A person has to help by policy: the data diverged and neither a rewind nor a clone is allowed.
    private func isExcused(_ node: SimNode, _ rule: RuleID, _ primary: SimNode) -> Bool {
        let postgres = node.postgres
        switch rule {
        case "replica.diverged": return postgres.phase == .absent && !postgres.isPrefix(of: primary.postgres)
        case "replica.unfinished":
            if case .unfinished = postgres.contents { return true }
            return false
        default: return false
        }
    }
}
