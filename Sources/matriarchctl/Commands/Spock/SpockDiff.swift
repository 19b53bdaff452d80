import ArgumentParser
import Control
import LibPQ

struct SpockDiff: ClusterCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Compare the rows of replicated tables with a peer's, by key and hash",
        discussion: "Ends with 0 when they are equal, and with 1 when they differ.")

    @Argument(help: "The peer's node")
    var peer: String

    @Argument(help: "schema.table; every table that this node sends unless given")
    var table: String?

    @Option(help: "How many rows of a table to name")
    var limit = 100

    @OptionGroup var mesh: MeshOptions
    @OptionGroup var databases: DatabaseOptions
    @OptionGroup var format: FormatOption

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be at least 1") }
    }

    func run(_ context: Context) async throws {
        let secret = try databases.secret()
        let tree = try await context.mesh(mesh)
        let other = try tree.peer(peer)
        var isEqual = true
        for database in try databases.databases(tree.own) {
            let here = try await databases.connection(tree.own, database, secret)
            let there: PostgresConnection
            do { there = try await databases.connection(other, database, secret) } catch {
                await here.close()
                throw error
            }
            let listing: DiffListing
            do { listing = try await compare(MeshDiff(here: here, there: there, limit: limit), database) } catch {
                await here.close()
                await there.close()
                throw error
            }
            await here.close()
            await there.close()
            Console.out(listing.text(format.format))
            isEqual = isEqual && listing.isEqual
        }
        if !isEqual { throw ExitCode.failure }
    }

    private func compare(_ diff: MeshDiff, _ database: String) async throws -> DiffListing {
        var diffs: [TableDiff] = []
        do {
            for (here, there) in try await diff.tables(table) {
                diffs.append(
                    try await Console.waiting("Comparing \(here.qualified)") { try await diff.compare(here, there) })
            }
        } catch let error as PostgresError {
            throw ControlError("database \(database): \(error.message)")
        }
        return DiffListing(database: database, peer: peer, diffs: diffs)
    }
}
