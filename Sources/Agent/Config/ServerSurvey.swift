internal import Foundation
public import LibPQ
internal import LocalConfiguration
internal import PostgresControl
internal import SystemPackage

/// What `--generate-config` reads of a server that runs on this host.
public struct ServerSurvey: Sendable {
    /// Why it cannot be read; for people.
    public struct Refused: Error, CustomStringConvertible {
        public let description: String
    }

    /// The superuser who asked.
    var user: String
    var dataDirectory: String
    /// Where the running postmaster's program lies.
    var binDir: String
    /// What a file, the command line or the environment set, and what all members must agree on.
    var settings: [String: String]
    /// The rules of the data directory's own files, without comments; nil while the server uses other files.
    var pgHBA: [String]?
    var pgIdent: [String]?

    private static let patience = Duration.seconds(10)

    private static let query = """
        SELECT name, current_setting(name) AS value FROM pg_settings
        WHERE context <> 'internal' AND source IN ('configuration file', 'command line', 'environment variable')
            AND category <> 'Write-Ahead Log / Recovery Target' AND setting <> '(disabled)'
            OR name = ANY (string_to_array($1, ','))
        """

    /// What is wanted whatever its source.
    private static let wanted =
        ["hba_file", "ident_file", "config_file", "data_directory", "listen_addresses", "port", "cluster_name"]
        + ServerParameters.enforcedNames

    /// - Parameter connection: of a superuser.
    public init(_ connection: ConnectionInfo) async throws(Refused) {
        (user, settings) = try await Self.ask(connection)
        dataDirectory = settings["data_directory"] ?? ""
        binDir = try await Self.binDir(dataDirectory)
        func rules(_ parameter: String, _ name: String) throws(Refused) -> [String]? {
            let file = "\(dataDirectory)/\(name)"
            guard settings[parameter] == file else { return nil }
            do throws(ConfigError) {
                return try ConfigFile.text(of: file).split(separator: "\n")
                    .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty && !$0.hasPrefix("#") }
            } catch {
                throw Refused(description: "Failed to read \(name): \(error)")
            }
        }
        pgHBA = try rules("hba_file", "pg_hba.conf")
        pgIdent = try rules("ident_file", "pg_ident.conf")
    }

    private static func ask(_ connection: ConnectionInfo) async throws(Refused) -> (String, [String: String]) {
        let user: String?
        let rows: [QueryResult.Row]
        do throws(PostgresError) {
            (user, rows) = try await PostgresConnection.use(connection, deadline: patience) {
                connection async throws(PostgresError) in
                let who = "SELECT session_user AS name WHERE current_setting('is_superuser') = 'on'"
                let user = try await connection.query(who, deadline: patience).rows.first?.text("name")
                let names = wanted.joined(separator: ",")
                return (user, try await connection.query(query, [names], deadline: patience).rows)
            }
        } catch {
            throw Refused(description: "Failed to establish PostgreSQL connection: \(error)")
        }
        guard let user else { throw Refused(description: "The provided user does not have superuser privilege") }
        let pairs = rows.compactMap { row in row["name"].flatMap { name in row["value"].map { (name, $0) } } }
        return (user, Dictionary(pairs) { $1 })
    }

    private static func binDir(_ folder: String) async throws(Refused) -> String {
        guard let server = await ServerFiles(dataDirectory: FilePath(folder)).runningPostmaster() else {
            throw Refused(
                description:
                    "no postmaster of \(folder)/postmaster.pid to be seen: run this on the server's host as its user")
        }
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(server.pid)/exe") else {
            throw Refused(description: "the program of process \(server.pid) cannot be seen: run this as its user")
        }
        return FilePath(program).removingLastComponent().string
    }
}
