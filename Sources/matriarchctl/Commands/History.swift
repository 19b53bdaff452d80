import AdminModel
import ArgumentParser
import Control

struct History: ClusterCommand {
    static let configuration = configure("history", "Show the history of failovers and switchovers")

    @OptionGroup var cluster: ClusterArgument
    @OptionGroup var format: FormatOption

    func run(_ context: Context) async throws {
        let tree = try await context.store(cluster.clusterName) { try await $0.read() }
        let columns = ["TL", "LSN", "Reason", "Timestamp", "New Leader"]
        let rows = tree.history.map { entry in
            Array((entry + Array(repeating: "", count: columns.count)).prefix(columns.count)) as [JSONValue]
        }
        var listing = Listing(columns, rows)
        listing.rightAligned = ["TL", "LSN"]
        Console.out(listing.text(format.format))
    }
}
