internal import AdminModel
internal import HACore
internal import LibPQ
internal import LocalConfiguration

extension MeshSettings.Connection {
    /// Files of TLS that have keys of their own beside `options`.
    static let certificateKeys = ["sslcert", "sslkey", "sslrootcert"]

    /// The keys that name files of one server.
    static let localKeys = ["service_file", "passfile"] + certificateKeys

    init(reading reader: SectionReader, isShared: Bool) {
        self.init()
        mode = reader.choice("mode") ?? mode
        user = reader.name("user") ?? user
        readOptions(reader, isShared: isShared)
        readFixed(reader)
        if isShared {
            for key in Self.localKeys where reader.value(key) != nil { Self.nameAsLocal(reader.path + key, reader) }
        } else {
            serviceFile = reader.absolutePath("service_file")
            passfile = reader.absolutePath("passfile")
            for key in Self.certificateKeys {
                guard let file = reader.text(key) else { continue }
                if MeshOption.isFile(file, of: key) {
                    options[key] = file
                } else {
                    reader.wrong(key, .string(file), "must be an absolute path")
                }
            }
        }
        reader.finish()
    }

    private static func nameAsLocal(_ path: ConfigPath, _ reader: SectionReader) {
        reader.findings.notice(
            .withoutEffect, path, "belongs to one server: it is only read from a local file")
    }

    private mutating func readOptions(_ reader: SectionReader, isShared: Bool) {
        for member in reader.map("options") ?? [:] where !member.value.isNull {
            let path = reader.path + "options" + member.key
            if let reason = MeshOption.refusal(of: member.key) {
                reader.findings.wrong(path, MeshOption.isSecret(member.key) ? nil : member.value, reason)
            } else if isShared && MeshOption.files.contains(member.key) {
                Self.nameAsLocal(path, reader)
            } else if let text = MeshOption.text(member.value, of: member.key) {
                options[member.key] = text
            } else {
                reader.findings.wrong(path, member.value, MeshOption.allowed(for: member.key))
            }
        }
    }

    /// Messages never quote the text: a password may stand there.
    private mutating func readFixed(_ reader: SectionReader) {
        guard let text = reader.looseText("fixed") else { return }
        guard let info = ConnectionInfo(parsing: text), info["host"] ?? info["hostaddr"] != nil else {
            reader.wrong("fixed", nil, "must be a connection string with a host, such as host=proxy port=5432")
            return
        }
        let keywords = Set(MeshOption.reasons.keys).subtracting(["host", "hostaddr", "port"]).union(MeshOption.files)
        let isSecret = info.password != nil || info.sslPassword != nil
        if let keyword = keywords.sorted().first(where: { info[$0] != nil }) ?? (isSecret ? "password" : nil) {
            reader.wrong(
                "fixed", nil,
                "must only say where the cluster is reached: \(keyword) has its place under dsn or in a file")
            return
        }
        fixed = info.conninfo(includingPassword: false)
    }
}

/// The keywords of libpq that `dsn.options` may have. They become lines of a service file, where one that libpq does not
/// know makes every connection fail.
enum MeshOption {
    /// Up to PostgreSQL 18; an older libpq refuses what it does not know yet.
    static let keywords: Set<String> = [
        "application_name", "channel_binding", "client_encoding", "connect_timeout", "fallback_application_name",
        "gssdelegation", "gssencmode", "gsslib", "keepalives", "keepalives_count", "keepalives_idle",
        "keepalives_interval", "krbsrvname", "load_balance_hosts", "max_protocol_version", "min_protocol_version",
        "options", "require_auth", "requirepeer", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcertmode",
        "sslcompression", "sslcrl", "sslcrldir", "sslkeylogfile", "sslmode", "sslnegotiation", "sslsni",
        "target_session_attrs", "tcp_user_timeout",
    ]

    /// Paths, which belong to one server.
    static let files: Set<String> = ["sslcrl", "sslcrldir", "sslkeylogfile"]

    private static let secrets: Set<String> = [
        "password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret",
    ]

    /// Why a keyword of libpq must not be given.
    static let reasons: [String: String] = {
        var reasons: [String: String] = [:]
        for key in secrets {
            reasons[key] =
                "must not stand here: what is secret belongs into the file that dsn.passfile or dsn.sslkey names"
        }
        for key in ["service", "servicefile"] {
            reasons[key] = "must not be given: the agent makes a service for each peer, and its file"
        }
        for key in ["host", "hostaddr", "port", "dbname"] {
            reasons[key] = "must not be given: the agent writes where a peer's leader is, and the database"
        }
        for key in ["user", "passfile"] + MeshSettings.Connection.certificateKeys {
            reasons[key] = "must be given as dsn.\(key)"
        }
        reasons["replication"] = "must not be given: Spock sets it"
        return reasons
    }()

    static func isSecret(_ keyword: String) -> Bool { secrets.contains(keyword) }

    static func refusal(of keyword: String) -> String? {
        reasons[keyword] ?? (keywords.contains(keyword) ? nil : "must be named like a keyword of libpq's connections")
    }

    /// A line of the service file holds 1023 bytes, and has no quotes: libpq drops the spaces at its end.
    static func text(_ value: JSONValue, of keyword: String) -> String? {
        let text: String
        switch value {
        case .string(let string): text = string
        case .int, .double: text = value.pythonText
        // As libpq writes its switches.
        case .bool(let flag): text = flag ? "1" : "0"
        case .null, .bigInteger, .array, .object: return nil
        }
        guard (1...900).contains(text.utf8.count), text.first != " ", text.last != " ",
            !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
        else { return nil }
        return !files.contains(keyword) || isFile(text, of: keyword) ? text : nil
    }

    static func allowed(for keyword: String) -> String {
        files.contains(keyword)
            ? "must be an absolute path" : "must be text of up to 900 bytes in one line, or a number"
    }

    /// - Parameter keyword: `sslrootcert` may name the system's certificates.
    static func isFile(_ text: String, of keyword: String) -> Bool {
        guard text.utf8.count <= 900, !text.unicodeScalars.contains(where: { $0.value < 0x20 }), text.last != " " else {
            return false
        }
        return text.hasPrefix("/") || (keyword == "sslrootcert" && text == "system")
    }
}
