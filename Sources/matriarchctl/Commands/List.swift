import ArgumentParser
import Control

struct List: ClusterCommand {
    static let configuration = configure("list", "List the members of a cluster")

    @Argument(help: "The clusters; the configuration's 'scope' unless given")
    var clusterNames: [String] = []

    @Flag(name: .shortAndLong, help: "Show some extra information")
    var extended = false

    @Flag(name: .shortAndLong, help: "Print timestamp")
    var timestamp = false

    @OptionGroup var format: FormatOption
    @OptionGroup var watch: WatchOptions
    @OptionGroup var group: GroupOption

    func run(_ context: Context) async throws {
        try await Self.show(clusterNames, watch, context, isStamped: timestamp) {
            MemberTable($0, isExtended: extended).text(format.format)
        }
    }

    static func show(
        _ names: [String], _ watch: WatchOptions, _ context: Context, isStamped: Bool = false,
        _ text: @Sendable (ClusterTree) -> String
    ) async throws {
        let names = try names.isEmpty ? context.config.scope.map { [$0] } ?? [] : names
        guard !names.isEmpty else {
            context.warn("Listing members: No cluster names were provided")
            return
        }
        try await watch.repeating(clears: true) {
            if isStamped { Console.out(WallClock.text()) }
            for name in names { Console.out(text(try await context.store(name) { try await $0.read() })) }
        }
    }
}

struct Topology: ClusterCommand {
    static let configuration = configure("topology", "Print who streams from whom in a cluster")

    @Argument(help: "The clusters; the configuration's 'scope' unless given")
    var clusterNames: [String] = []

    @OptionGroup var watch: WatchOptions
    @OptionGroup var group: GroupOption

    func run(_ context: Context) async throws {
        try await List.show(clusterNames, watch, context) { MemberTable($0).topology }
    }
}
