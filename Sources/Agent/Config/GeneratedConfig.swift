internal import AdminModel
public import LibPQ
internal import LocalConfiguration

/// The text of `--generate-config`: a configuration for a server that runs already (contract/patroni.md 6).
public enum GeneratedConfig {
    /// Commands and files stay with the member: whoever may write the cluster's document could else have members run
    /// what he likes.
    private static let local: Set<String> = [
        "archive_command", "restore_command", "archive_cleanup_command", "recovery_end_command",
        "ssl_passphrase_command", "hba_file", "ident_file", "config_file",
    ]

    /// Has a place of its own, or is the agent's to set; `primary_conninfo` may hold a password.
    private static let elsewhere: Set<String> = [
        "data_directory", "listen_addresses", "port", "cluster_name", "primary_conninfo", "primary_slot_name",
    ]

    private static let sections = [
        "scope", "namespace", "name", "log", "restapi", "ctl", "zookeeper", "bootstrap", "postgresql", "tags",
    ]

    /// - Parameters:
    ///   - connection: as given by the user, before libpq adds its variables.
    ///   - name: of this host.
    ///   - address: where peers reach this host; in brackets if it has colons.
    ///   - variables: `PATRONI_*` has a say in all that the server does not tell, `PG*` in how to connect.
    public static func text(
        _ server: ServerSurvey, connection: ConnectionInfo, name: String, address: String, variables: [String: String]
    ) -> String {
        var document: JSONObject = [
            "scope": "#FIXME", "name": .string(name), "log": ["type": "plain", "level": "INFO"],
            "restapi": ["connect_address": .string("\(address):8008"), "listen": .string("\(address):8008")],
            "zookeeper": ["hosts": ["#FIXME:2181"]],
            "tags": [
                "failover_priority": 1, "sync_priority": 1, "noloadbalance": false, "clonefrom": true, "nosync": false,
                "nostream": false,
            ],
        ]
        document.merge(ConfigEnvironment(variables).document)
        if let scope = server.settings["cluster_name"], !scope.isEmpty { document["scope"] = .string(scope) }
        var section = document["postgresql"]?.asObject ?? [:]
        let host = section["connect_address"]?.asString?.replacing(/:[0-9]+$/, with: "") ?? address
        let port = server.settings["port"] ?? "5432"
        section.merge(postgresql(server, port: port))
        section["connect_address"] = .string("\(host):\(connection["port"] ?? variables["PGPORT"] ?? port)")
        section["authentication"] = [
            "superuser": .object(superuser(server.user, connection, variables)),
            "replication": ["username": "#FIXME", "password": "#FIXME"],
        ]
        document["postgresql"] = .object(section)
        document["bootstrap"] = bootstrap(server)
        return sections.map { block($0, document) }.joined()
    }

    private static func postgresql(_ server: ServerSurvey, port: String) -> JSONObject {
        // A space after a comma is PostgreSQL's habit, and no part of an address.
        let addresses = (server.settings["listen_addresses"] ?? "*").filter { !$0.isWhitespace }
        var section: JSONObject = [
            "bin_dir": .string(server.binDir), "data_dir": .string(server.dataDirectory),
            "listen": .string("\(addresses):\(port)"),
            "parameters": parameters(server.settings.filter { local.contains($0.key) }),
        ]
        section["pg_hba"] = server.pgHBA.map { .array($0.map(JSONValue.string)) }
        if let rules = server.pgIdent, !rules.isEmpty { section["pg_ident"] = .array(rules.map(JSONValue.string)) }
        return section
    }

    private static func superuser(
        _ name: String, _ connection: ConnectionInfo, _ variables: [String: String]
    ) -> JSONObject {
        var account: JSONObject = [
            "username": .string(name), "password": .string(connection.password?.reveal() ?? "#FIXME"),
        ]
        account["sslpassword"] = connection.sslPassword.map { .string($0.reveal()) }
        for option in ConfigEnvironment.accountOptions {
            let variable = "PG" + option.uppercased().filter { $0 != "_" }
            if let value = connection[option] ?? variables[variable] { account[option] = .string(value) }
        }
        return account
    }

    private static func bootstrap(_ server: ServerSurvey) -> JSONValue {
        let shared = server.settings.filter { !local.contains($0.key) && !elsewhere.contains($0.key) }
        return [
            "dcs": [
                "loop_wait": 10, "retry_timeout": 10, "ttl": 30,
                "postgresql": ["parameters": parameters(shared), "use_slots": true],
            ]
        ]
    }

    private static func parameters(_ settings: [String: String]) -> JSONValue {
        .object(JSONObject(settings.map { ($0.key, .string($0.value)) }))
    }

    /// A section on its own, so that sections come in the order in which people read them.
    private static func block(_ key: String, _ document: JSONObject) -> String {
        guard let value = document[key] else { return "" }
        let comment = key == "bootstrap" ? SampleConfig.bootstrapComment + "\n" : ""
        return (value.asObject == nil ? "" : "\n") + comment + YAMLWriter.text(.object([key: value]))
    }
}
