public import LibPQ

/// The users that a member needs in its database: superuser, replication, rewind (contract/patroni.md 4.2).
public struct DatabaseUsers: Hashable, Sendable {
    public struct User: Hashable, Sendable {
        public let name: String
        public let password: Secret?

        public init(name: String, password: Secret?) {
            self.name = name
            self.password = password
        }
    }

    public let superuser: User?
    public let replication: User?
    /// nil, or the superuser's name: pg_rewind then connects as superuser and needs no role.
    public let rewind: User?

    public init(superuser: User?, replication: User?, rewind: User?) {
        self.superuser = superuser
        self.replication = replication
        self.rewind = rewind
    }

    /// Creates or alters the roles in one transaction. Passwords are sent as SCRAM secrets made here, and the statements
    /// stay out of the server's log. Waits for no standby.
    /// - Parameter deadline: for each statement.
    /// - Throws: what the server says; nothing was done then, unless the outcome is unknown. May be repeated.
    public func create(on connection: PostgresConnection, deadline: Duration) async throws(PostgresError) {
        let present = try await connection.query("SELECT rolname FROM pg_roles", deadline: deadline)
        let names = Set(present.rows.compactMap { $0["rolname"] })
        let statements = try await statements(present: names, connection)
        do throws(PostgresError) {
            // One by one: text sent at once is logged as a whole, before the settings that keep it out of the log.
            for statement in statements { try await connection.simple(statement, deadline: deadline) }
        } catch {
            // The session is left in the failed transaction otherwise; when it is gone, so is the transaction.
            if !error.isConnectionLoss { try await connection.simple("ROLLBACK", deadline: deadline) }
            throw error
        }
    }

    private func statements(
        present: Set<String>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [String] {
        var created = present
        var statements = [
            """
            BEGIN; SET LOCAL synchronous_commit = local; SET LOCAL log_statement = none;
            SET LOCAL log_min_duration_statement = -1; SET LOCAL log_min_error_statement = panic
            """
        ]
        if let superuser, superuser.password != nil {
            statements.append(try await role(superuser, "LOGIN SUPERUSER", &created, connection))
        }
        if let replication {
            statements.append(try await role(replication, "LOGIN REPLICATION", &created, connection))
        }
        if let rewind, rewind.name != superuser?.name {
            statements.append(try await role(rewind, "LOGIN", &created, connection))
            for function in Self.rewindFunctions {
                let role = SQLText.identifier(rewind.name)
                statements.append("GRANT EXECUTE ON FUNCTION pg_catalog.\(function) TO \(role)")
            }
        }
        return statements + ["COMMIT"]
    }

    private func role(
        _ user: User, _ attributes: String, _ created: inout Set<String>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> String {
        let verb = created.insert(user.name).inserted ? "CREATE" : "ALTER"
        var statement = "\(verb) ROLE \(SQLText.identifier(user.name)) WITH \(attributes)"
        if let password = user.password {
            let secret = try await connection.encryptPassword(password, user: user.name)
            statement += " PASSWORD \(SQLText.literal(secret))"
        }
        return statement
    }

    private static let rewindFunctions = [
        "pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)", "pg_read_binary_file(text)",
        "pg_read_binary_file(text, bigint, bigint, boolean)",
    ]
}
