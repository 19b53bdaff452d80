/// The one source of randomness of a simulated world: the same seed gives the same run on every machine.
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Random choices, shared by everything in one world.
final class Dice {
    private var generator: SplitMix64

    init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    func below(_ bound: Int) -> Int { Int(generator.next() % UInt64(max(1, bound))) }

    func chance(_ percent: Int) -> Bool { below(100) < percent }

    /// Nanoseconds between two numbers of milliseconds.
    func milliseconds(_ low: Int64, _ high: Int64) -> Int64 { between(low * millisecond, high * millisecond) }

    func between(_ low: Int64, _ high: Int64) -> Int64 {
        guard high > low else { return low }
        return low + Int64(generator.next() % UInt64(high - low + 1))
    }

    func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}

/// Nanoseconds of the reference clock, which is the one of the ZooKeeper servers.
typealias Nanoseconds = Int64

let millisecond: Nanoseconds = 1_000_000
let second: Nanoseconds = 1_000_000_000
