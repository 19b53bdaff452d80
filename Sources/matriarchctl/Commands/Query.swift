import AdminModel
import ArgumentParser
import Control
import Foundation
import LibPQ

struct Query: ClusterCommand {
    static let configuration = configure("query", "Run SQL on a member; on the leader unless told otherwise")

    @OptionGroup var cluster: ClusterArgument

    @Option(help: "Output format")
    var format = OutputFormat.tsv

    @Option(
        name: [.customShort("f", allowingJoined: true), .long],
        help: "Execute the SQL commands from this file, - for stdin",
        completion: .file())
    var file: String?

    @Option(name: [.customShort("c", allowingJoined: true), .long], help: "The SQL commands to execute")
    var command: String?

    @Flag(help: "Ask for the password")
    var password = false

    @Option(name: [.customShort("U", allowingJoined: true), .long], help: "Database user name")
    var username: String?

    @Option(name: [.customShort("d", allowingJoined: true), .long], help: "Database name to connect to")
    var dbname: String?

    @Option(name: [.customShort("r", allowingJoined: true), .long], help: "The role of the member")
    var role: RoleFilter?

    @Option(name: [.customShort("m", allowingJoined: true), .long], help: "The member")
    var member: String?

    @Option(help: "The column delimiter")
    var delimiter = "\t"

    @OptionGroup var watch: WatchOptions

    func run(_ context: Context) async throws {
        let sql = try statements()
        let secret = password ? Secret(try Console.secret("Password")) : nil
        let tree = try await context.store(cluster.clusterName) { try await $0.read() }
        let chosen = try tree.member(named: member, role)
        try await watch.repeating(clears: false) {
            var listing: Listing
            if let chosen, let address = chosen.address {
                listing = await answer(sql, address, secret)
            } else {
                listing = noConnection
            }
            listing.delimiter = delimiter
            let text = listing.text(format)
            if !text.isEmpty || format != .tsv { Console.out(text) }
        }
    }

    private func statements() throws -> String {
        guard let file else {
            guard let command else { throw ControlError("You need to specify either --command or --file") }
            return command
        }
        guard command == nil else { throw ControlError("--file and --command are mutually exclusive options") }
        return try InputFile.text(file)
    }

    private func answer(_ sql: String, _ address: HostPort, _ secret: Secret?) async -> Listing {
        var info = ConnectionInfo([
            ("host", address.host), ("port", String(address.port)), ("fallback_application_name", "Patroni ctl"),
        ])
        info["user"] = username
        info["dbname"] = dbname
        info.password = secret
        do throws(PostgresError) {
            let connection = try await PostgresConnection.connect(info, asUser: true, deadline: .seconds(5))
            let result: Listing?
            do throws(PostgresError) {
                result = try await hasRole(connection) ? try await rows(sql, connection) : nil
            } catch {
                await connection.close()
                throw error
            }
            await connection.close()
            return result ?? noConnection
        } catch {
            // psycopg2 knows no SQLSTATE of a connection that was never made, and ends its words with a line.
            let words = error.code == .connectFailed ? error.message + "\n" : error.sqlState ?? error.message
            return Self.message("ERROR, SQLSTATE: " + words.replacing("\n", with: " "))
        }
    }

    /// The tree may be older than the server's role.
    private func hasRole(_ connection: PostgresConnection) async throws(PostgresError) -> Bool {
        guard let role, role != .any, role != .leader else { return true }
        let row = try await connection.query("SELECT pg_catalog.pg_is_in_recovery() AS found", deadline: .seconds(5))
        return try row.first().bool("found") == (role != .primary)
    }

    private func rows(_ sql: String, _ connection: PostgresConnection) async throws(PostgresError) -> Listing {
        // ISO is what the values are read by; the user may have set another style.
        _ = try await connection.simple("SET datestyle TO iso", deadline: .seconds(5))
        // As long as the user has patience.
        let result = try await connection.simple(sql, deadline: .seconds(86_400))
        guard !result.columns.isEmpty else { return Self.message("ERROR, SQLSTATE: no results to fetch") }
        return Listing(result.columns, result.rows.map { SQLValue.row($0.values, result.types) })
    }

    private var noConnection: Listing {
        let target = member.map { "to member \($0) " } ?? role.map { "to role '\($0.rawValue)' " } ?? ""
        return Self.message("No connection \(target)is available")
    }

    private static func message(_ text: String) -> Listing {
        Listing(nil, [[.string(WallClock.text()), .string(text)]])
    }
}

/// A file that an option names; `-` is the standard input.
enum InputFile {
    static func text(_ path: String) throws -> String {
        do {
            let data =
                try path == "-" ? FileHandle.standardInput.readToEnd() ?? Data() : Data(contentsOf: URL(filePath: path))
            guard let text = String(data: data, encoding: .utf8) else { throw ControlError("\(path) must be UTF-8") }
            return text
        } catch let error as CocoaError {
            throw ControlError("cannot read \(path): \(error.localizedDescription)")
        }
    }
}
