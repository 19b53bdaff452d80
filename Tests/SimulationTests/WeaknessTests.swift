import Simulation
import Testing

/// The simulation is worth what it finds: each guard made weak has to be missed by some seed.
@Suite("Weak guards are found", .timeLimit(.minutes(10)))
struct WeaknessTests {
    @Test(
        "Formulas of the lease that look right",
        arguments: [Weakness.countFromAcknowledgement, .countFromSending, .noGap, .noThirdLeg])
    func lease(weakness: Weakness) throws {
        let broken = try #require(
            firstBroken(0..<800) { seed in
                var options = SimOptions.lease(seed: seed)
                options.weakness = weakness
                return options
            }, "no seed shows what is wrong with \(weakness)")
        #expect(broken.violation?.contains("writable") == true, "\(broken.violation ?? "")")
    }

    @Test(
        "Guards of the lock, the keeper and the promotion",
        arguments: [
            Weakness.keeperDeadline, .slowKill, .remainsUnseen, .renewUnchecked, .deleteThenCreate, .absenceUnproved,
            .timelineUnreserved,
        ])
    func guards(weakness: Weakness) {
        let broken = firstBroken(0..<1500) { seed in
            var options = SimOptions(seed: seed)
            options.weakness = weakness
            return options
        }
        #expect(broken != nil, "no seed shows why \(weakness) matters")
    }

    @Test("A deadline that outlasts the session to which the lock has moved")
    func deadlineKept() throws {
        let broken = try #require(
            firstBroken(0..<1500) { seed in
                var options = SimOptions.timeouts(seed: seed, alone: false)
                options.weakness = .deadlineKept
                options.checksPromises = false
                return options
            }, "no seed shows why the deadline is lowered before the lock moves")
        #expect(broken.violation?.contains("writable") == true, "\(broken.violation ?? "")")
    }

    @Test("What remains of the faults after shrinking still breaks the same world")
    func shrinks() throws {
        let broken = try #require(
            firstBroken(0..<300) { seed in
                var options = SimOptions(seed: seed)
                options.weakness = .keeperDeadline
                return options
            })
        var options = SimOptions(seed: broken.seed)
        options.weakness = .keeperDeadline
        let fewer = SimWorld.shrink(seed: broken.seed, options: options, faults: broken.faults)
        #expect(fewer.count <= broken.faults.count)
        #expect(SimWorld(seed: broken.seed, options: options, faults: fewer).run().violation != nil)
        #expect(SimWorld.explain(seed: broken.seed, options: options).contains("VIOLATED"))
    }
}
