// swift-tools-version: 6.1
import PackageDescription

/// A package of its own: nobody who builds the agent needs what measures it. `scripts/bench-core` builds and runs it.
let package = Package(
    name: "matriarch-benchmarks",
    dependencies: [
        .package(name: "matriarch", path: ".."),
        // One program that prints one table with columns of ours: ordo-one's needs a plugin that builds its tool anew at
        // each run, and prints a table for each column.
        .package(url: "https://github.com/google/swift-benchmark", from: "0.1.2"),
    ],
    targets: [
        .target(name: "CThread"),
        .executableTarget(
            name: "core-benchmarks",
            dependencies: [
                "CThread",
                .product(name: "MatriarchCore", package: "matriarch"),
                .product(name: "Benchmark", package: "swift-benchmark"),
            ]),
    ],
    swiftLanguageModes: [.v6])
