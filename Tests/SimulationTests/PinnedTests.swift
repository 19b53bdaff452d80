import Simulation
import Testing

/// Worlds that once broke a rule: with the faults that were left after shrinking, or with all of the seed's where the
/// exact nanosecond matters.
@Suite("Pinned worlds")
struct PinnedTests {
    struct World: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let seed: UInt64
        let faults: [Fault]

        init(_ description: String, seed: UInt64, _ faults: Fault...) {
            testDescription = description
            self.seed = seed
            self.faults = faults
        }
    }

    private static func fault(
        _ kind: Fault.Kind, at: Int64, for duration: Int64, target: Int = -1, other: Int = 0, isTrap: Bool = false
    ) -> Fault {
        Fault(
            kind: kind, at: at * 1_000_000, duration: duration * 1_000_000, target: target, other: other,
            isTrap: isTrap)
    }

    @Test(
        "Each keeps every invariant and becomes whole",
        arguments: [
            World(
                "the holder whose proof ended with epoch makes it anew", seed: 8,
                fault(.epochDeleted, at: 15948, for: 4226, other: 3)),
            World("a leader promoted twice under one lock is compared with its newer timeline", seed: 53),
            World(
                "a removed lock reserved for a member that must not lead is opened", seed: 148,
                fault(.leaderDeleted, at: 8286, for: 4170, target: 0, other: 2)),
            World("no clone over sound data by an old history of the leader", seed: 1282),
            World(
                "a latched keeper in a bootstrap gets a newer epoch", seed: 725,
                fault(.leaderIsolated, at: 1244, for: 2538, other: 4),
                fault(.leaderIsolated, at: 3336, for: 2269, isTrap: true)),
            World(
                "a bootstrap cut off from ZooKeeper before its first start ends", seed: 477,
                fault(.nodeFromStore, at: 1234, for: 3515)),
        ])
    func pinned(world: World) {
        let outcome = SimWorld(seed: world.seed, faults: world.faults.isEmpty ? nil : world.faults).run()
        #expect(outcome.violation == nil)
        #expect(outcome.recovery != nil)
    }
}
