import HACore
import Simulation
import Testing

@Suite("Seeds of the simulation", .timeLimit(.minutes(10)))
struct SeedTests {
    /// Rules that cannot decide in the simulated world, each with the reason.
    static let unreachable: [RuleID: String] = [
        "fence.lock-gone":
            "the edge clears leadership with the read that shows the lock gone; the next fence rule acts",
        "candidate.primary-alive": "needs a primary without a keeper: absence is proved before anybody is asked",
        "replica.foreign": "needs a leader whose data differ from `initialize`: operators only",
        "lease.unfit": "a configuration that nobody may lead with never becomes whole",
        "bootstrap.restore": "no simulated member has a backup to restore from",
        "found.leave": "needs an agent that ends in the moment before it takes over what it found",
        "pause.leave": "no simulated agent is asked to end in pause",
        "pause.system-identifier": "no world pauses beside foreign data",
        "idle": "stands at the end so that something always decides",
    ]

    @Test("Two thousand worlds keep every invariant and become whole; every rule has decided somewhere")
    func manyWorlds() async {
        let kinds = [WorldKind.found, .orders, .paused, .pausedCuts]
        var special: [SimWorld.Outcome] = []
        for kind in kinds { special += await outcomes(0..<100) { kind.options(seed: $0) } }
        let outcomes = await outcomes(0..<2000)
        for outcome in outcomes where outcome.violation != nil {
            Issue.record("\(SimWorld.explain(seed: outcome.seed))")
        }
        var rules: Set<RuleID> = []
        for outcome in outcomes + special { rules.formUnion(outcome.rules.keys) }
        for rule in ruleTable where !rules.contains(rule.id) && Self.unreachable[rule.id] == nil {
            Issue.record("rule \(rule.id) never decided: a fault is missing, or the rule is not needed")
        }
        #expect(outcomes.reduce(0) { $0 + $1.promotions } > 2000, "the faults are too weak to cause failovers")
        #expect(outcomes.reduce(0) { $0 + $1.acknowledgedWrites } > 1_000_000)
    }

    @Test("Long freezes and cuts of the follower beside them: no primary outlives its session")
    func leaseWorlds() async {
        for outcome in await outcomes(0..<400, { SimOptions.lease(seed: $0) }) where outcome.violation != nil {
            Issue.record("\(SimWorld.explain(seed: outcome.seed, options: .lease(seed: outcome.seed)))")
        }
    }

    @Test("Agents that are killed again and again come back into their sessions, whatever the dead had under way")
    func restarts() async {
        for outcome in await outcomes(0..<200, { SimOptions.restarts(seed: $0, alone: false) })
        where outcome.violation != nil {
            Issue.record(
                "\(SimWorld.explain(seed: outcome.seed, options: .restarts(seed: outcome.seed, alone: false)))")
        }
    }

    /// How often a rule decided in worlds in which the first leader has to stay.
    private func decisions(of rule: RuleID, in world: @escaping @Sendable (UInt64) -> SimOptions) async -> Int {
        let alone = await outcomes(0..<60) { seed in
            var options = world(seed)
            options.hasData = true
            options.chaosStart = 8_000_000_000
            return options
        }
        for outcome in alone {
            #expect(outcome.violation == nil, "seed \(outcome.seed)")
            #expect(outcome.promotions == 1, "seed \(outcome.seed)")
        }
        return alone.reduce(0) { $0 + ($1.rules[rule] ?? 0) }
    }

    @Test("When nothing else fails, a killed agent is no event: the first leader stays")
    func restartsAlone() async {
        #expect(await decisions(of: "lock.adopt") { .restarts(seed: $0, alone: true) } > 200)
    }

    @Test("A changed ttl moves the lock to another session, whatever else fails")
    func timeouts() async {
        var moved = 0
        for outcome in await outcomes(0..<200, { SimOptions.timeouts(seed: $0, alone: false) }) {
            moved += outcome.rules["lock.replace"] ?? 0
            guard outcome.violation != nil else { continue }
            Issue.record(
                "\(SimWorld.explain(seed: outcome.seed, options: .timeouts(seed: outcome.seed, alone: false)))")
        }
        #expect(moved > 200)
    }

    @Test("When nothing else fails, a changed ttl is no event: the first leader stays")
    func timeoutsAlone() async {
        #expect(await decisions(of: "lock.replace") { .timeouts(seed: $0, alone: true) } > 60)
    }

    @Test("The same seed gives the same run", arguments: [7, 42, 1178] as [UInt64])
    func repeats(seed: UInt64) {
        var options = SimOptions(seed: seed)
        options.keepsTrace = true
        let first = SimWorld(seed: seed, options: options).run()
        let second = SimWorld(seed: seed, options: options).run()
        #expect(first.trace == second.trace)
        #expect(first.steps == second.steps)
        #expect(!first.trace.isEmpty)
    }

    @Test("Without faults a cluster comes up and stays", arguments: [false, true])
    func calm(hasData: Bool) throws {
        var options = SimOptions()
        options.hasData = hasData
        options.faultCount = 0
        let outcome = SimWorld(seed: 1, options: options).run()
        #expect(outcome.violation == nil)
        #expect(try #require(outcome.recovery) == .zero)
        #expect(outcome.promotions == (hasData ? 1 : 0))
    }

    @Test("The postmaster's death makes another member the leader within the time of a failover")
    func failover() throws {
        var options = SimOptions()
        options.policy.primaryStartTimeout = .zero
        options.chaosEnd = options.chaosStart + 1_000_000_000
        let fault = Fault(kind: .postmasterKill, at: options.chaosStart, duration: 0, target: -1, other: 0)
        let outcome = SimWorld(seed: 3, options: options, faults: [fault]).run()
        #expect(outcome.violation == nil)
        #expect(outcome.promotions == 1)
        #expect(try #require(outcome.recovery) < .seconds(10))
    }
}
