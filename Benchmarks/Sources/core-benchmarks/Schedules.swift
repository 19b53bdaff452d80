import Benchmark
import Simulation

extension Measurements {
    /// Whole simulated schedules, the same seeds each time: their worlds differ much in size.
    func addSchedules() {
        add("schedule: a cluster", settings: [Iterations(100), WarmupIterations(0)]) { seed in
            let outcome = SimWorld(seed: UInt64(seed)).run()
            precondition(outcome.violation == nil, "cluster, seed \(seed)")
            return outcome
        }
        let kinds = MeshOptions.Kind.allCases
        add("schedule: a mesh", settings: [Iterations(3 * kinds.count), WarmupIterations(0)]) { index in
            let seed = UInt64(index / kinds.count)
            let outcome = MeshWorld(seed: seed, options: MeshOptions(kinds[index % kinds.count])).run()
            precondition(outcome.violation == nil, "mesh, \(kinds[index % kinds.count]), seed \(seed)")
            return outcome
        }
    }
}
