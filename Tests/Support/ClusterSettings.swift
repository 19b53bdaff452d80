import Foundation

/// What the YAML files of a test's cluster say. The values are those of the product's quick start but for short timers.
public struct ClusterSettings: Sendable {
    /// Passwords that occur nowhere else: each holds ``canary``, and characters that need care in every file format.
    public struct Passwords: Sendable {
        public static let canary = "kanarie7Qz"
        public let superuser = "\(canary) su'per:\\1"
        public let replication = "\(canary) repli:c\\ation'2"
        public let rewind = "\(canary) re'wind#3"
        public let rest = "\(canary)-rest 4"
    }

    public var scope = "cluster"
    public var binaries = "/usr/lib/postgresql/15/bin"
    public var members = ["member-a", "member-b", "member-c"]
    /// Seconds; 20 at least for a foreign command.
    public var ttl = 6
    public var loopWait = 1
    public var retryTimeout = 3
    /// Further keys of `bootstrap.dcs`, YAML at its indentation.
    public var dynamic: [String] = []
    /// Further lines of `postgresql.parameters`, YAML at its indentation.
    public var parameters: [String] = []
    /// Lines of `bootstrap.dcs.postgresql.parameters`: what must be the same on all servers.
    public var dynamicParameters: [String] = []
    /// Further keys of `postgresql`, by member, YAML at their indentation.
    public var postgres: @Sendable (NodePlace) -> [String] = { _ in [] }
    /// Further keys of `bootstrap`, likewise.
    public var bootstrap: @Sendable (NodePlace) -> [String] = { _ in [] }
    /// Further lines of `zookeeper`, and the digest login, `user:password`, of those who read the tree for a test.
    public var zooKeeper: [String] = []
    public var zooKeeperLogin: String?
    /// Further lines of `restapi`, and whole sections at the end of the file.
    public var restAPI: [String] = []
    public var sections: [String] = []
    /// How the tests ask a REST API that speaks TLS; nil: it does not.
    public var probe: Certificates.Files?
    /// Where others reach a member: its own ports, or those of wires to them.
    public var reachedAt: @Sendable (NodePlace) throws -> (postgres: UInt16, rest: UInt16) = { ($0.port, $0.restPort) }
    /// Put before the program.
    public var launcher: [String] = []
    public var environment: [String: String] = [:]
    public var useRewind = true
    /// The `tags` section of single members, such as `nofailover: true`.
    public var tags: [String: [String]] = [:]
    /// Members whose passwords come by `PATRONI_*` variables instead of the file.
    public var passwordsInEnvironment: Set<String> = []
    public let passwords = Passwords()

    public init() {}

    /// The file of one member.
    func yaml(for node: NodePlace, zooKeeper: String) throws -> String {
        let reached = try reachedAt(node)
        let withPasswords = !passwordsInEnvironment.contains(node.name)
        func login(_ user: String, _ password: String) -> String {
            withPasswords ? "{username: \(user), password: \(Self.quoted(password))}" : "{username: \(user)}"
        }
        let ttl = AgentCommand.isForeign ? max(20, ttl) : ttl
        let dynamicLines = dynamic.map { "    \($0)" }.joined(separator: "\n")
        let dynamicParameterLines =
            dynamicParameters.isEmpty
            ? "" : ("      parameters:\n" + dynamicParameters.map { "        \($0)" }.joined(separator: "\n"))
        let postgresLines = postgres(node).map { "  \($0)" }.joined(separator: "\n")
        let bootstrapLines = bootstrap(node).map { "  \($0)" }.joined(separator: "\n")
        let parameterLines = parameters.map { "    \($0)" }.joined(separator: "\n")
        let tagLines = tags[node.name].map { "tags:\n" + $0.map { "  \($0)\n" }.joined() } ?? ""
        let restLines = restAPI.map { "  \($0)\n" }.joined()
        let authentication = withPasswords ? "  authentication: \(login("admin", passwords.rest))\n" : ""
        return """
            scope: \(scope)
            name: \(node.name)
            restapi:
              listen: 127.0.0.1:\(node.restPort)
              connect_address: 127.0.0.1:\(reached.rest)
            \(authentication)\(restLines)zookeeper:
              hosts: [\(zooKeeper.split(separator: ",").map { "'\($0)'" }.joined(separator: ", "))]
            \(self.zooKeeper.map { "  \($0)\n" }.joined())bootstrap:
              dcs:
                ttl: \(ttl)
                loop_wait: \(loopWait)
                retry_timeout: \(retryTimeout)
                maximum_lag_on_failover: 1048576
            \(dynamicLines)
                postgresql:
                  use_pg_rewind: \(useRewind)
                  use_slots: true
            \(dynamicParameterLines)
              initdb:
              - encoding: UTF8
              - locale: C
              - auth: scram-sha-256
              - data-checksums
              - no-sync
            \(bootstrapLines)
            postgresql:
              listen: 127.0.0.1:\(node.port)
              connect_address: 127.0.0.1:\(reached.postgres)
              data_dir: \(node.dataDirectory)
              bin_dir: \(binaries)
              pgpass: \(node.passwordFile)
              authentication:
                superuser: \(login("postgres", passwords.superuser))
                replication: \(login("replicator", passwords.replication))
                rewind: \(login("rewinder", passwords.rewind))
              parameters:
                unix_socket_directories: \(node.folder)
                shared_buffers: 16MB
                fsync: false
                autovacuum: false
                log_line_prefix: '%m [%p] \(node.name) postgres '
            \(parameterLines)
              pg_hba:
              - local all all scram-sha-256
              - host all all 127.0.0.1/32 scram-sha-256
              - host replication replicator 127.0.0.1/32 scram-sha-256
            \(postgresLines)
            \(tagLines)\(sections.map { $0 + "\n" }.joined())
            """
    }

    /// The environment of one member's program.
    func environment(for node: NodePlace) -> [String: String] {
        var variables = environment.merging(["RUNTIME_DIRECTORY": node.runtimeFolder, "HOME": node.folder]) { $1 }
        if passwordsInEnvironment.contains(node.name) {
            variables["PATRONI_SUPERUSER_PASSWORD"] = passwords.superuser
            variables["PATRONI_REPLICATION_PASSWORD"] = passwords.replication
            variables["PATRONI_REWIND_PASSWORD"] = passwords.rewind
            variables["PATRONI_RESTAPI_USERNAME"] = "admin"
            variables["PATRONI_RESTAPI_PASSWORD"] = passwords.rest
        }
        return variables
    }

    /// As YAML.
    public static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
}
