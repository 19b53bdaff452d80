import Foundation
import HACore
import Simulation
import Testing

/// What each rule of the table is for: without it some world breaks an invariant, a promise, or stays broken.
///
/// A new rule has to be found so, or to be listed in `unmissed` with the reason, here and in docs/simulation.md.
@Suite("Rules left out are missed", .timeLimit(.minutes(10)))
struct RuleRemovalTests {
    /// Rules that no world misses, each with what stands in for it.
    static let unmissed: [RuleID: String] = [
        "bootstrap.wait": "names what is waited for; candidate.not-running says as much",
        "candidate.lease": "a promotion waits for a proved lease by itself; here the lock is not taken in vain",
        "candidate.primary-alive": "absence is proved before anybody is asked, and a promotion asks again",
        "directory.claim": "leader.initialize writes it as well; in a new tree it shortens the race of empty members",
        "fence.lock-gone": "the read that shows the lock gone ends the leadership first: fence.no-lock stops",
        "leader.restart": "leader.start-standby brings the same server back on a new timeline: slower, nothing is lost",
        "lock.cleared": "whoever took back the removed lock leads with it: not the fittest, but sound",
        "replica.foreign": "exit.system-identifier compares with `initialize` before",
        "replica.kick": "a standby that is not woken streams up to 5 s later",
        "replica.start-alone": "a standby starts once the leader is a primary: until then it serves no reads",
        "replica.starting": "names what is waited for; replica.kick does nothing to a server that does not answer",
        "replica.wait-primary": "names what is waited for; replica.compare fails there and tries again",
        "lease.unfit": "a configuration that nobody may lead with never becomes whole: no world has one",
        "leaving.hand-over": "leaving.stop and leaving.release do the same without waiting for a candidate",
        "sync.wake": "simulated commits see for themselves that they need not wait any more",
        "sync.off": "sync.enable of the next mode and sync.set put right what is left of the last",
        "leaving.opt-out":
            "the leader drops a standby that is gone; commits wait for that moment, which no world counts",
        "leaving.remains": "leaving.release and leaving.done wait for an absent process by themselves",
        "planned.linger": "what is left of a stopped server ends by itself, and nothing starts beside it",
        "planned.stop": "begun by the rule before; no simulated stop takes longer than primary_stop_timeout",
        "request.await": "nothing is done before a request is due; leader.lead says less",
        "request.refused": "request.hand-over takes back what has no candidate; a wrong leader is rare",
        "found.leave": "no simulated agent is asked to end before it has taken over what it found",
        "found.unarmed": "step-down.lease-ends stops it as well, in order",
        "found.unfit": "no invariant counts the rows that a primary lacks which was left behind",
        "leader.confirm": "leader.arm goes on without asking: no world has another primary beside one that was found",
        "order.opt-out":
            "the leader drops a standby that is gone; commits wait for that moment, which no world counts",
        "detach.done": "the order is refused instead, and the agent takes PostgreSQL back",
        "reinitialize.stop": "the copy fails while PostgreSQL runs, and the order ends with that",
        "pause.leave": "no simulated agent is asked to end in pause",
        "pause.system-identifier": "no world pauses beside foreign data",
        "wait.tree": "no rule about the lock applies without epoch; this one says so",
        "bootstrap.restore": "no simulated member has a backup to restore from",
        "candidate.refused":
            "the lock is taken and given back again until the script agrees: others get their turn later",
        "leader.refused": "the script is asked again until it agrees: others do not get their turn",
        "idle": "stands at the end so that something always decides",
    ]

    /// Where a rule was missed: looked at first, so that the search is short. Any other world will do as well.
    static let hints: [RuleID: (WorldKind, UInt64)] = [
        "bootstrap.acquire": (.failovers, 2),
        "bootstrap.cancel": (.crashes, 1),
        "bootstrap.finish": (.mixed, 1),
        "bootstrap.initdb": (.bootstraps, 0),
        "bootstrap.lost": (.bootstraps, 76),
        "bootstrap.race": (.mixed, 1),
        "bootstrap.start": (.failovers, 2),
        "candidate.absence": (.thirdParties, 0),
        "candidate.acquire": (.mixed, 0),
        "candidate.ask": (.bootstraps, 0),
        "candidate.behind": (.bootstraps, 0),
        "candidate.defer": (.planned, 137),
        "candidate.lag": (.mixed, 29),
        "candidate.nofailover": (.planned, 24),
        "candidate.not-running": (.strangers, 8),
        "candidate.stand-back": (.mixed, 26),
        "candidate.start": (.mixed, 0),
        "candidate.starting": (.mixed, 27),
        "candidate.timeline": (.mixed, 27),
        "directory.release": (.directories, 40),
        "directory.unusable": (.directories, 52),
        "exit.system-identifier": (.strangers, 4),
        "fence.no-lock": (.thirdParties, 0),
        "fence.other-leader": (.planned, 3),
        "leader.arm": (.thirdParties, 3),
        "leader.checkpoint": (.bootstraps, 0),
        "leader.config": (.mixed, 0),
        "leader.crashed": (.crashes, 73),
        "leader.initialize": (.mixed, 13),
        "leader.lead": (.mixed, 1),
        "leader.pre-promote": (.thirdParties, 7),
        "leader.promote": (.mixed, 0),
        "leader.promoting": (.mixed, 0),
        "leader.remains": (.mixed, 4),
        "leader.start-standby": (.failovers, 0),
        "leader.starting": (.mixed, 3),
        "leaving.done": (.mixed, 0),
        "leaving.release": (.planned, 0),
        "leaving.stop": (.planned, 1),
        "lock.adopt": (.bootstraps, 0),
        "found.take-over": (.found, 0),
        "lock.clear": (.mixed, 26),
        "lock.legacy": (.thirdParties, 0),
        "lock.replace": (.agentsDie, 1),
        "lock.unproved": (.thirdParties, 3),
        "pause.begin": (.pausedCuts, 4),
        "pause.end": (.pausedCuts, 1),
        "pause.no-race": (.paused, 59),
        "pause.other-leader": (.paused, 7),
        "pause.standby": (.paused, 6),
        "pause.starting": (.paused, 2),
        "pause.stopped": (.paused, 0),
        "planned.release": (.planned, 13),
        "reinitialize.copy": (.paused, 1),
        "reinitialize.done": (.paused, 1),
        "reinitialize.refused": (.orders, 0),
        "restart.done": (.orders, 0),
        "restart.scheduled": (.orders, 4),
        "restart.stop": (.orders, 0),
        "replica.clone": (.mixed, 0),
        "replica.compare": (.mixed, 0),
        "replica.diverged": (.mixed, 3),
        "replica.follow": (.mixed, 0),
        "replica.retarget": (.failovers, 0),
        "replica.start": (.mixed, 0),
        "replica.unfinished": (.failovers, 3),
        "request.fulfilled": (.planned, 0),
        "request.hand-over": (.planned, 0),
        "settle.unknown-outcome": (.bootstraps, 29),
        "step-down.lease-ends": (.bootstraps, 0),
        "sync.add": (.mixed, 0),
        "sync.before-promotion": (.mixed, 3),
        "sync.enable": (.failovers, 1),
        "sync.remove": (.paused, 307),
        "sync.set": (.mixed, 0),
        "candidate.not-synchronous": (.mixed, 3),
        "tree.prepare": (.mixed, 0),
        "wait.store": (.mixed, 0),
    ]

    private static let expected = ruleTable.map(\.id).filter { unmissed[$0] == nil }

    private static func broken(without rule: RuleID, _ kind: WorldKind, _ seed: UInt64) -> String? {
        var options = kind.options(seed: seed)
        options.removedRules = [rule]
        return SimWorld(seed: seed, options: options).run().violation
    }

    /// The first world that misses the rule, of `seeds` of each kind.
    private static func firstBroken(without rule: RuleID, _ seeds: Range<UInt64>) -> String? {
        for seed in seeds {
            for kind in WorldKind.allCases {
                if let violation = broken(without: rule, kind, seed) { return "(.\(kind), \(seed)): \(violation)" }
            }
        }
        return nil
    }

    @Test("Each is missed by some world", arguments: expected)
    func missed(rule: RuleID) {
        if let (kind, seed) = Self.hints[rule], let violation = Self.broken(without: rule, kind, seed) {
            print("without \(rule): \(kind) \(seed) \(violation)")
            return
        }
        let found = Self.firstBroken(without: rule, 0..<250)
        print("without \(rule): \(found ?? "nothing"); as a hint it would be found sooner")
        #expect(found != nil, "no world misses \(rule): is it needed? Then list it in `unmissed` with the reason")
    }

    @Test(
        "The list of those that nothing misses is not longer than it has to be",
        arguments: unmissed.keys.map(\.rawValue).sorted())
    func stillUnmissed(name: String) {
        let rule = RuleID(rawValue: name)
        let found = Self.firstBroken(without: rule, 0..<6)
        #expect(found == nil, "\(rule) is missed by a world now: take it off the list, with a hint")
    }

    @Test("The list names rules that exist, and is the one in docs/simulation.md")
    func listed() throws {
        #expect(Set(Self.unmissed.keys).isSubset(of: ruleTable.map(\.id)))
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/simulation.md"), encoding: .utf8)
        for (rule, reason) in Self.unmissed {
            #expect(text.contains("| `\(rule)` | \(reason) |"), "docs/simulation.md lacks the row of \(rule)")
        }
    }

    @Test("With all rules each kind of world keeps every invariant and promise", arguments: WorldKind.allCases)
    func holds(kind: WorldKind) async {
        for outcome in await outcomes(0..<100, { kind.options(seed: $0) }) where outcome.violation != nil {
            Issue.record("\(SimWorld.explain(seed: outcome.seed, options: kind.options(seed: outcome.seed)))")
        }
    }
}
