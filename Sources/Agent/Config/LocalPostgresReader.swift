internal import AdminModel
internal import LocalConfiguration

extension LocalPostgresConfig {
    init?(reading reader: SectionReader?, home: String) {
        guard let reader else { return nil }
        _ = reader.value("name")
        if reader.value("listen") == nil { reader.findings.missing(reader.path + "listen", "is required: host:port") }
        let listen = reader.hostPort("listen", defaultPort: 5432)
        let connectAddress = reader.hostPort("connect_address", defaultPort: 5432)
        let proxyAddress = reader.hostPort("proxy_address", defaultPort: 5432)
        if reader.value("data_dir") == nil {
            reader.findings.missing(reader.path + "data_dir", "is required: an absolute path")
        }
        let dataDir = reader.absolutePath("data_dir")
        let configDir = reader.absolutePath("config_dir")
        let pgpass = reader.text("pgpass")
        let accounts = Self.accounts(reader)
        let settings = PostgresSettings(reading: reader)
        if reader.value("use_slots") != nil {
            reader.findings.notice(
                .withoutEffect, reader.path + "use_slots",
                "has no effect in a local file: it belongs under bootstrap.dcs")
        }
        reader.finish()
        guard let listen, let dataDir, let accounts else { return nil }
        var shared = reader.section
        shared.removeAll(PostgresSettings.localKeys)
        self.init(
            listen: listen, connectAddress: connectAddress, proxyAddress: proxyAddress, dataDir: dataDir,
            configDir: configDir ?? dataDir, pgpass: pgpass.map { Self.expanded($0, home) } ?? home + "/pgpass",
            superuser: accounts.superuser, replication: accounts.replication, rewind: accounts.rewind,
            settings: settings,
            section: shared)
    }

    private static func expanded(_ path: String, _ home: String) -> String {
        path == "~" || path.hasPrefix("~/") ? home + path.dropFirst() : path
    }

    private static func accounts(
        _ reader: SectionReader
    ) -> (superuser: Account, replication: Account, rewind: Account?)? {
        // Before `authentication` each account was a section of its own; `rewind` there means options of pg_rewind.
        let grouped = reader.value("authentication") != nil
        let parent = reader.section("authentication")
        let replication = grouped ? parent.section("replication") : reader.section("replication")
        let superuser = grouped ? parent.section("superuser") : reader.section("superuser")
        let rewind = grouped ? parent.section("rewind") : reader.section("pg_rewind")
        if grouped {
            for key in ["replication", "superuser", "pg_rewind"] { _ = reader.value(key) }
            parent.finish()
        }
        if replication.value("username") == nil {
            reader.findings.missing(
                reader.path + "authentication" + "replication" + "username", "is required: the user that replicates")
        }
        let rewindAccount = rewind.section.isEmpty ? nil : Account(reading: rewind)
        return (Account(reading: superuser), Account(reading: replication), rewindAccount)
    }
}

extension LocalPostgresConfig.Account {
    init(reading reader: SectionReader) {
        self.init()
        username = reader.looseText("username").flatMap { $0.isEmpty ? nil : $0 }
        password = reader.secret("password")
        sslPassword = reader.secret("sslpassword")
        for name in ConfigEnvironment.accountOptions {
            if let value = reader.looseText(name) { options.append(PostgresParameter(name: name, value: value)) }
        }
        reader.finish()
    }
}
