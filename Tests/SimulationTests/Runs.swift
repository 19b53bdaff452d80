import HACore
import Simulation

/// Many runs at once, on all cores.
func outcomes(
    _ seeds: Range<UInt64>, _ options: @escaping @Sendable (UInt64) -> SimOptions = { SimOptions(seed: $0) }
) async -> [SimWorld.Outcome] {
    await withTaskGroup(of: [SimWorld.Outcome].self) { group in
        let step: UInt64 = 50
        for start in stride(from: seeds.lowerBound, to: seeds.upperBound, by: UInt64.Stride(step)) {
            group.addTask {
                (start..<min(start + step, seeds.upperBound)).map { SimWorld(seed: $0, options: options($0)).run() }
            }
        }
        return await group.reduce(into: []) { $0 += $1 }.sorted { $0.seed < $1.seed }
    }
}

/// The first seed that breaks something; nil = none does.
func firstBroken(
    _ seeds: Range<UInt64>, _ options: @Sendable (UInt64) -> SimOptions
) -> SimWorld.Outcome? {
    for seed in seeds {
        let outcome = SimWorld(seed: seed, options: options(seed)).run()
        if outcome.violation != nil { return outcome }
    }
    return nil
}
