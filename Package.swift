// swift-tools-version: 6.2
import PackageDescription

/// `MATRIARCH_CORE=1` leaves out everything that needs HTTP, so that sanitizer builds of the rest take under a minute.
let coreOnly = Context.environment["MATRIARCH_CORE"] == "1"

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let locks = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let tls = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")

/// The pure targets are compiled with -O in debug builds too: the simulation runs thousands of schedules in a test.
let optimized: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug)), .strictMemorySafety()]

var dependencies: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
]

var products: [Product] = [
    .executable(name: "matriarch-keeper", targets: ["matriarch-keeper"]),
    // For the package in Benchmarks.
    .library(name: "MatriarchCore", targets: ["HACore", "Simulation", "AdminModel"]),
]

var targets: [Target] = [
    .systemLibrary(name: "CZooKeeper", providers: [.apt(["libzookeeper-mt-dev"])]),
    .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CPlatform"),
    .executableTarget(
        name: "matriarch-keeper",
        cSettings: [.unsafeFlags(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"])]),

    .target(name: "HACore", swiftSettings: optimized),
    .target(name: "Simulation", dependencies: ["HACore"], swiftSettings: optimized),
    .target(name: "AdminModel", dependencies: ["HACore"]),
    .target(name: "Waiting", dependencies: ["CPlatform", locks]),
    .target(name: "ZooKeeper", dependencies: ["CZooKeeper", "CPlatform", "Waiting", log, locks]),
    .target(name: "LibPQ", dependencies: ["CLibPQ", "Waiting", log, locks]),
    .target(
        name: "PostgresControl",
        dependencies: ["HACore", "LibPQ", "CPlatform", "Waiting", log, locks, system, subprocess]),

    .target(
        name: "Support", dependencies: ["LibPQ", log, subprocess, system], path: "Tests/Support",
        exclude: ["SpockStandIn"]),
    .testTarget(name: "HACoreTests", dependencies: ["HACore"]),
    .testTarget(name: "SimulationTests", dependencies: ["Simulation", "HACore"]),
    .testTarget(name: "AdminModelTests", dependencies: ["AdminModel", "HACore"]),
    .testTarget(name: "WaitingTests", dependencies: ["Waiting", locks]),
    .testTarget(name: "ZooKeeperTests", dependencies: ["ZooKeeper", "Support", log]),
    .testTarget(name: "LibPQTests", dependencies: ["LibPQ", "Support", log]),
    .testTarget(name: "KeeperTests", dependencies: ["PostgresControl", "Support", log]),
    .testTarget(name: "PostgresControlTests", dependencies: ["PostgresControl", "LibPQ", "HACore", "Support", log]),
]

if !coreOnly {
    dependencies += [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.25.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.25.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.10.0"),
    ]
    products.append(.executable(name: "matriarch", targets: ["matriarch"]))
    products.append(.executable(name: "matriarchctl", targets: ["matriarchctl"]))
    targets += [
        .target(
            name: "LocalConfiguration",
            dependencies: ["AdminModel", "LibPQ", "ZooKeeper", .product(name: "Yams", package: "Yams")]),
        .target(
            name: "Agent",
            dependencies: [
                "LocalConfiguration", "HACore", "ZooKeeper", "LibPQ", "PostgresControl", "AdminModel", "CPlatform",
                "Waiting", log, locks, system, tls,
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]),
        .target(
            name: "AdminAPI",
            dependencies: [
                "Agent", "AdminModel", "LocalConfiguration", "HACore", log, tls,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]),
        .executableTarget(
            name: "matriarch",
            dependencies: [
                "Agent", "AdminAPI", "LocalConfiguration", "LibPQ", log,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        .target(
            name: "Control",
            dependencies: [
                "LocalConfiguration", "HACore", "ZooKeeper", "LibPQ", "AdminModel", log,
                .product(name: "Yams", package: "Yams"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                tls,
            ]),
        .executableTarget(
            name: "matriarchctl",
            dependencies: [
                "Control", "HACore", "LibPQ", "AdminModel", log,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(
            name: "ControlTests",
            dependencies: [
                "Control", "LocalConfiguration", "AdminModel", "HACore", "LibPQ", "ZooKeeper", "Support", log,
            ]),
        .testTarget(name: "LocalConfigurationTests", dependencies: ["AdminModel", "LocalConfiguration"]),
        .testTarget(
            name: "AgentTests",
            dependencies: [
                "Agent", "AdminModel", "LocalConfiguration", "HACore", "ZooKeeper", "LibPQ", "PostgresControl",
                "Support", log, system, tls,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ]),
        .testTarget(
            name: "AdminAPITests",
            dependencies: [
                "AdminAPI", "Agent", "AdminModel", "LocalConfiguration", "HACore", "ZooKeeper", "LibPQ", "Support", log,
                tls,
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ]),
        .testTarget(
            name: "DocumentTests",
            dependencies: [
                "AdminAPI", "Agent", "AdminModel", "Control", "HACore", "LocalConfiguration", "PostgresControl",
                "ZooKeeper", "matriarch", "matriarchctl",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(name: "Benchmarks", dependencies: ["LibPQ", "ZooKeeper", "Support", log]),
        .testTarget(name: "ClusterTests", dependencies: ["AdminModel", "LibPQ", "ZooKeeper", "Support", log]),
    ]
}

let package = Package(
    name: "matriarch", products: products, dependencies: dependencies, targets: targets,
    swiftLanguageModes: [.v6])

for target in package.targets where ![.system, .plugin].contains(target.type) && target.name != "matriarch-keeper" {
    target.swiftSettings =
        (target.swiftSettings ?? []) + [
            .swiftLanguageMode(.v6),
            .enableUpcomingFeature("ExistentialAny"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .enableUpcomingFeature("InternalImportsByDefault"),
            .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        ]
}
