import Simulation
import Testing

/// Each guard of the mesh is there for something: left out, some world loses a row in silence, or breaks what the guard
/// stands for.
@Suite("Guards of the mesh left out are missed", .timeLimit(.minutes(10)))
struct MeshWeaknessTests {
    struct Guard: Sendable, CustomTestStringConvertible {
        let weakness: MeshWeakness
        let kind: MeshOptions.Kind
        /// What the violation says.
        let word: String
        /// Where it was missed: looked at first.
        let hint: UInt64
        var testDescription: String { "\(weakness)" }
    }

    static let guards = [
        Guard(weakness: .noBurn, kind: .failOvers, word: "silently missing", hint: 3),
        Guard(weakness: .noWaiting, kind: .mixed, word: "without waiting", hint: 3),
        Guard(weakness: .workerStays, kind: .sockets, word: "has answered", hint: 10),
        Guard(weakness: .noRewind, kind: .failOvers, word: "silently missing", hint: 4),
        Guard(weakness: .holdUnproved, kind: .heavy, word: "silently missing", hint: 3),
        Guard(weakness: .openEarly, kind: .mixed, word: "before the tree says so", hint: 0),
        Guard(weakness: .kickUnrecorded, kind: .budgets, word: "left disabled", hint: 2),
        Guard(weakness: .noSettingBack, kind: .heavy, word: "silently missing", hint: 10),
        Guard(weakness: .senderStays, kind: .sockets, word: "silently missing", hint: 29),
        Guard(weakness: .copyTrusted, kind: .silent, word: "silently missing", hint: 9),
        Guard(weakness: .forksForgotten, kind: .heavy, word: "row", hint: 113),
    ]

    private static func violation(_ missed: Guard, _ seed: UInt64) -> String? {
        var options = MeshOptions(missed.kind)
        options.weakness = missed.weakness
        let violation = MeshWorld(seed: seed, options: options).run().violation
        return violation?.contains(missed.word) == true ? violation : nil
    }

    @Test("Each is missed by some world", arguments: guards)
    func missed(missed: Guard) {
        if Self.violation(missed, missed.hint) != nil { return }
        let seed = (0..<300).first { Self.violation(missed, $0) != nil }
        print("without \(missed.weakness): \(seed.map(String.init) ?? "nothing"); as a hint it would be found sooner")
        #expect(seed != nil, "no world misses \(missed.weakness)")
    }

    @Test("The list is whole")
    func whole() {
        #expect(Set(Self.guards.map(\.weakness)) == Set(MeshWeakness.allCases))
    }
}
