import HACore
import Simulation
import Testing

/// Zones that write, replicate to each other and lose their primaries: no row is lost or skipped in silence.
@Suite("Simulated meshes", .timeLimit(.minutes(10)))
struct MeshTests {
    private static func run(_ kind: MeshOptions.Kind, _ seed: UInt64) -> MeshWorld.Outcome {
        MeshWorld(seed: seed, options: MeshOptions(kind)).run()
    }

    @Test("Each kind of world keeps every row or names it, and comes to rest", arguments: MeshOptions.Kind.allCases)
    func holds(kind: MeshOptions.Kind) async {
        let outcomes = await withTaskGroup(of: [MeshWorld.Outcome].self) { group in
            for start in stride(from: UInt64(0), to: 20, by: 10) {
                group.addTask { (start..<start + 10).map { Self.run(kind, $0) } }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(outcomes.map(\.rows).reduce(0, +) > 20 * 500)
        for outcome in outcomes {
            guard let violation = outcome.violation else { continue }
            Issue.record("\(kind) \(outcome.seed): \(violation)\n\(outcome.trace.suffix(80).joined(separator: "\n"))")
        }
    }

    @Test("The same seed gives the same run")
    func deterministic() {
        let (first, second) = (Self.run(.mixed, 7), Self.run(.mixed, 7))
        #expect(first.trace == second.trace)
        #expect(first.steps == second.steps)
    }

    @Test("What is guarded against does happen: slots go back, peers are ahead, answers are late")
    func happens() {
        let heavy = (0..<12).map { Self.run(.heavy, $0) }
        #expect(heavy.contains { $0.rewinds > 0 })
        #expect(heavy.contains { $0.findings[.ahead] != nil })
        #expect(heavy.contains { $0.findings[.aheadOfPeer] != nil })
        #expect(Self.run(.noHold, 1).findings[.gap] != nil)
    }
}
