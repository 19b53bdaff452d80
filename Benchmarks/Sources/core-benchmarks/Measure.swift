import Benchmark
import CThread

/// What is measured, in the order of the table.
struct Measurements {
    let suite = BenchmarkSuite(name: "")

    /// Adds `body`, called once in each measurement.
    func add(_ name: String, settings: [any BenchmarkSetting] = [], _ body: @escaping (Int) -> some Any) {
        suite.benchmark(name, settings: settings) { state in
            var blocks: UInt = 0
            let begun = nanoseconds_of_thread()
            for index in 0..<state.iterations {
                state.start()
                let before = allocations_of_thread()
                let value = body(index)
                let after = allocations_of_thread()
                withUnsafePointer(to: value) { keep($0) }
                try state.end()
                blocks += after - before
            }
            state.increment(counter: Self.spent, by: Double(nanoseconds_of_thread() - begun))
            state.increment(counter: Self.allocations, by: Double(blocks))
        }
    }

    /// Measures all of it and prints the table.
    func run() {
        for column in Self.columns { BenchmarkColumn.register(column) }
        let defaults: [any BenchmarkSetting] = [
            Columns(["name", "iterations"] + Self.columns.map(\.name)), WarmupIterations(1000), Iterations(50_000),
        ]
        Benchmark.main([suite], customDefaults: defaults)
    }

    private static let allocations = "allocations"
    private static let spent = "CPU time"

    private static var columns: [BenchmarkColumn] {
        [
            // The nearest ranks: values that were measured.
            BenchmarkColumn(name: "median ns", value: { rank(50, $0) }, formatter: whole),
            BenchmarkColumn(name: "p99 ns", value: { rank(99, $0) }, formatter: whole),
            // Of the CPU time of all of them: one core that does nothing else.
            BenchmarkColumn(
                name: "a CPU second",
                value: { 1e9 * Double($0.measurements.count) / $0.counters[spent, default: .infinity] },
                formatter: { value, settings in
                    value < 100 ? String((value * 10).rounded() / 10) : whole(value, settings)
                }),
            BenchmarkColumn(
                name: allocations, value: { $0.counters[allocations, default: 0] / Double($0.measurements.count) },
                formatter: whole),
        ]
    }

    private static func whole(_ value: Double, _ settings: BenchmarkSettings) -> String { String(Int(value.rounded())) }

    private static func rank(_ percent: Int, _ result: BenchmarkResult) -> Double {
        result.measurements.sorted()[(result.measurements.count * percent + 99) / 100 - 1]
    }
}
