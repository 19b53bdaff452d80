package import AdminModel

/// The variables `PATRONI_*` as a document to be laid over the file (contract/patroni.md 3.4).
package struct ConfigEnvironment {
    package let document: JSONObject
    package let origins: ConfigOrigins
    package let problems: [ConfigProblem]

    /// Whether no variable says anything.
    package var isEmpty: Bool { document.isEmpty && problems.isEmpty }

    /// How the text of a variable is read.
    private enum Kind {
        case text, integer, bool, list, map
    }

    package init(_ variables: [String: String]) {
        var builder = Builder()
        for (variable, path, kind) in Self.table {
            guard let text = variables[Self.prefix + variable], !text.isEmpty else { continue }
            builder.add(variable, text, path, kind)
        }
        document = builder.document
        origins = builder.origins
        problems = builder.problems
    }

    package static let prefix = "PATRONI_"

    /// The names of all variables that are read.
    package static var names: [String] { table.map { prefix + $0.0 } }

    /// The programs of PostgreSQL that may have other names.
    package static let binaries = [
        "pg_ctl", "initdb", "pg_controldata", "pg_basebackup", "postgres", "pg_isready", "pg_rewind",
    ]

    /// What an account may say about its connections, in the order of a connection string (contract/patroni.md 3.5).
    package static let accountOptions = [
        "sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "gssencmode", "channel_binding",
        "sslnegotiation",
    ]

    private static let table: [(String, ConfigPath, Kind)] = {
        var table: [(String, ConfigPath, Kind)] = []
        func section(_ prefix: String, _ path: ConfigPath, _ kind: Kind, _ keys: [String]) {
            for key in keys { table.append((prefix + key.uppercased(), path + key, kind)) }
        }
        section("", [], .text, ["name", "namespace", "scope"])
        section("", [], .integer, ["thread_pool_size", "thread_stack_size"])
        section(
            "RESTAPI_", ["restapi"], .text,
            [
                "listen", "connect_address", "certfile", "keyfile", "keyfile_password", "cafile", "ciphers",
                "verify_client",
                "server_tokens",
            ])
        section("RESTAPI_", ["restapi"], .map, ["http_extra_headers", "https_extra_headers"])
        section("RESTAPI_", ["restapi"], .list, ["allowlist"])
        section("RESTAPI_", ["restapi"], .bool, ["allowlist_include_members"])
        section("RESTAPI_", ["restapi"], .integer, ["request_queue_size", "thread_pool_size"])
        section("RESTAPI_", ["restapi", "authentication"], .text, ["username", "password"])
        section("CTL_", ["ctl"], .bool, ["insecure"])
        section("CTL_", ["ctl"], .text, ["cacert", "certfile", "keyfile", "keyfile_password"])
        section("CTL_", ["ctl", "authentication"], .text, ["username", "password"])
        section(
            "POSTGRESQL_", ["postgresql"], .text,
            ["listen", "connect_address", "proxy_address", "config_dir", "data_dir", "pgpass", "bin_dir"])
        section("POSTGRESQL_BIN_", ["postgresql", "bin_name"], .text, binaries)
        // The old names first, so that the new ones win.
        table += [
            ("LOGLEVEL", ["log", "level"], .text), ("LOGFORMAT", ["log", "format"], .text),
            ("LOG_DATEFMT", ["log", "dateformat"], .text),
        ]
        section("LOG_", ["log"], .text, ["type", "level", "traceback_level", "format", "dateformat", "dir"])
        section("LOG_", ["log"], .integer, ["max_queue_size", "mode", "file_size", "file_num"])
        section("LOG_", ["log"], .map, ["static_fields", "loggers"])
        section("LOG_", ["log"], .bool, ["deduplicate_heartbeat_logs"])
        for account in ["superuser", "replication", "rewind"] {
            section(
                account.uppercased() + "_", ["postgresql", "authentication", account], .text,
                ["username", "password", "sslpassword"] + accountOptions)
        }
        section("ZOOKEEPER_", ["zookeeper"], .list, ["hosts"])
        section("ZOOKEEPER_", ["zookeeper"], .text, ["use_ssl", "cacert", "cert", "key", "key_password"])
        section("ZOOKEEPER_", ["zookeeper"], .bool, ["verify"])
        section("ZOOKEEPER_", ["zookeeper"], .map, ["set_acls", "auth_data"])
        section("EXHIBITOR_", ["exhibitor"], .list, ["hosts"])
        section("EXHIBITOR_", ["exhibitor"], .integer, ["port"])
        section("CITUS_", ["citus"], .text, ["group", "database"])
        return table
    }()

    private struct Builder {
        var document = JSONObject()
        var origins = ConfigOrigins(document: "environment")
        var problems: [ConfigProblem] = []

        mutating func add(_ variable: String, _ text: String, _ path: ConfigPath, _ kind: Kind) {
            let source = "environment variable " + ConfigEnvironment.prefix + variable
            guard let value = value(text, kind) else {
                let wanted =
                    switch kind {
                    case .text: "text"
                    case .integer: "an integer"
                    case .bool: "true or false"
                    case .list: "a list: 'a','b'"
                    case .map: "a map: key: value"
                    }
                problems.append(
                    ConfigProblem(
                        .wrongValue, source: source, path: path, value: .string(text), message: "must be \(wanted)"))
                return
            }
            if path.components.last == "use_ssl" {
                // Any text switches it on.
                insert(true, at: path.components[...], into: &document)
            } else {
                insert(value, at: path.components[...], into: &document)
            }
            origins.set(path, source)
        }

        private func insert(_ value: JSONValue, at path: ArraySlice<String>, into object: inout JSONObject) {
            guard let first = path.first else { return }
            guard path.count > 1 else {
                object[first] = value
                return
            }
            var inner = object[first]?.asObject ?? [:]
            insert(value, at: path.dropFirst(), into: &inner)
            object[first] = .object(inner)
        }

        private func value(_ text: String, _ kind: Kind) -> JSONValue? {
            switch kind {
            case .text: return .string(text)
            case .integer: return SettingText.integer(text).map(JSONValue.int)
            case .bool: return SettingText.bool(text).map(JSONValue.bool)
            case .list:
                let isList = text.contains("[") || text.trimmingPrefix(while: \.isWhitespace).hasPrefix("-")
                guard let value = try? YAMLDocument.parse(isList ? text : "[\(text)]", source: "").value else {
                    return nil
                }
                return value.asArray.map(JSONValue.array)
            case .map:
                let isMap = text.trimmingPrefix(while: \.isWhitespace).hasPrefix("{")
                guard let value = try? YAMLDocument.parse(isMap ? text : "{\(text)}", source: "").value else {
                    return nil
                }
                return value.asObject.map(JSONValue.object)
            }
        }
    }
}
