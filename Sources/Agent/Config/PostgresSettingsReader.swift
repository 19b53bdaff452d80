internal import AdminModel
internal import LocalConfiguration

extension PostgresSettings {
    /// Reads the shared keys of the section; those that belong to one server are left to the caller.
    init(reading reader: SectionReader) {
        self.init()
        let defaults = self
        configBaseName = reader.text("config_base_name") ?? defaults.configBaseName
        customConf = reader.text("custom_conf")
        binDir = reader.absolutePath("bin_dir")
        database = reader.text("database") ?? defaults.database
        krbsrvname = reader.text("krbsrvname")
        useUnixSocket = reader.bool("use_unix_socket") ?? false
        useUnixSocketRepl = reader.bool("use_unix_socket_repl") ?? false
        parameters = Self.parameters(reader, "parameters")
        pgHBA = reader.texts("pg_hba")
        pgIdent = reader.texts("pg_ident")
        recoveryConf = Self.parameters(reader, "recovery_conf")
        rewindOptions = CommandOption.read(
            reader, "rewind", tool: "pg_rewind", forbidden: CommandOption.forbiddenForRewind)
        basebackupOptions = CommandOption.read(
            reader, "basebackup", tool: "pg_basebackup", forbidden: CommandOption.forbiddenForBasebackup)
        prePromote = reader.commandLine("pre_promote")
        beforeStop = reader.commandLine("before_stop")
        pgCtlTimeout =
            reader.integer("pg_ctl_timeout", 1...86_400, in: .seconds).map { Int($0) } ?? defaults.pgCtlTimeout
        usePgRewind = reader.bool("use_pg_rewind") ?? false
        removeDataDirectoryOnRewindFailure = reader.bool("remove_data_directory_on_rewind_failure") ?? false
        removeDataDirectoryOnDivergedTimelines = reader.bool("remove_data_directory_on_diverged_timelines") ?? false
        readBinaries(reader.section("bin_name"))
        readCallbacks(reader.section("callbacks"))
        readReplicaMethods(reader)
    }

    private mutating func readBinaries(_ reader: SectionReader) {
        for name in ConfigEnvironment.binaries {
            guard let text = reader.text(name) else { continue }
            guard !text.contains("/") else {
                reader.wrong(name, .string(text), "must be the name of a file in bin_dir, without a path")
                continue
            }
            binNames[name] = text
        }
        reader.finish()
    }

    private mutating func readCallbacks(_ reader: SectionReader) {
        for name in Self.callbackNames { callbacks[name] = reader.commandLine(name) }
        reader.finish()
    }

    private mutating func readReplicaMethods(_ reader: SectionReader) {
        let methods = reader.texts("create_replica_methods")
        let legacy = reader.texts("create_replica_method")
        createReplicaMethods = methods ?? legacy ?? createReplicaMethods
        for name in createReplicaMethods where name != "basebackup" {
            let section = reader.section(name)
            var method = ReplicaMethod(name: name, command: section.commandLine("command") ?? name)
            method.noLeader = section.bool("no_leader") ?? false
            // `no_master` is what it was called before.
            method.noLeader = section.bool("no_master") ?? method.noLeader
            method.noParams = section.bool("no_params") ?? false
            method.keepData = section.bool("keep_data") ?? false
            method.extra = section.section.members.compactMap { member in
                guard !section.knows(member.key), !member.value.isNull else { return nil }
                return CommandOption(name: member.key, value: member.value.pythonText)
            }
            replicaMethods.append(method)
        }
    }

    /// A map of settings. Values are printed as Patroni prints them, so that both write the same file; null is absent.
    static func parameters(_ reader: SectionReader, _ key: String) -> [PostgresParameter] {
        (reader.map(key)?.members ?? []).compactMap { member in
            let path = reader.path + key + member.key
            guard isParameterName(member.key) else {
                reader.findings.wrong(
                    path, nil, "must be named like a setting of PostgreSQL: letters, digits, '_', '.'")
                return nil
            }
            switch member.value {
            case .null: return nil
            case .string(let text) where text.contains("\0"): break
            case .bool, .int, .bigInteger, .double, .string:
                return PostgresParameter(name: member.key, value: member.value.pythonText)
            case .array, .object: break
            }
            reader.findings.wrong(path, member.value, "must be text, a number or a boolean")
            return nil
        }
    }

    /// The name goes into postgresql.conf unquoted.
    private static func isParameterName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first == UInt8(ascii: "_") || Character(Unicode.Scalar(first)).isLetter
        else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            let character = Character(Unicode.Scalar(byte))
            return byte < 0x80 && (character.isLetter || character.isNumber || "_.$".contains(character))
        }
    }
}

extension SectionReader {
    /// A command of the user's, split as a shell does; nothing expands it.
    func commandLine(_ key: String) -> String? {
        guard let line = text(key) else { return nil }
        if ShellWords.split(line)?.isEmpty == false { return line }
        wrong(key, .string(line), "must be a command line with its quotes closed")
        return nil
    }
}

extension CommandOption {
    static let forbiddenForInitdb: Set<String> = ["pgdata", "nosync", "pwfile", "sync-only", "version"]
    static let forbiddenForBasebackup: Set<String> = [
        "pgdata", "format", "wal-method", "xlog-method", "gzip", "version", "dbname", "host", "port", "username",
        "password",
    ]
    static let forbiddenForRewind: Set<String> = [
        "target-pgdata", "source-pgdata", "source-server", "write-recovery-conf", "dry-run", "restore-target-wal",
        "config-file", "no-ensure-shutdown", "version", "help",
    ]

    /// Options of a command: a list of `flag` and `{option: value}`, or a map (contract/patroni.md 3.2).
    static func read(_ reader: SectionReader, _ key: String, tool: String, forbidden: Set<String>) -> [CommandOption] {
        guard let value = reader.value(key) else { return [] }
        let path = reader.path + key
        var options: [CommandOption] = []
        func add(_ name: String, _ value: JSONValue?, _ path: ConfigPath) {
            let bare = String(name.prefix { $0 != "=" })
            if bare.isEmpty || bare.hasPrefix("-") || name.contains("\0") {
                reader.findings.wrong(path, nil, "must be an option of \(tool) without the leading dashes")
            } else if forbidden.contains(bare) {
                reader.findings.wrong(path, nil, "\(bare) must not be given to \(tool): the agent sets it")
            } else if tool == "pg_basebackup", bare == "compress", !isServerCompression(value?.pythonText ?? name) {
                reader.findings.wrong(
                    path, value, "must be a compression on the server (server-...): the backup is plain")
            } else {
                options.append(CommandOption(name: name, value: value.map { unquoted($0.pythonText) }))
            }
        }
        switch value {
        case .array(let items):
            for (position, item) in items.enumerated() {
                if let flag = item.asString {
                    add(flag, nil, path + position)
                } else if let map = item.asObject, map.count == 1, let member = map.members.first,
                    isScalar(member.value)
                {
                    add(member.key, member.value, path + member.key)
                } else {
                    reader.findings.wrong(path + position, item, "must be the name of an option or one option: value")
                }
            }
        case .object(let map):
            for member in map where !member.value.isNull {
                if isScalar(member.value) {
                    add(member.key, member.value, path + member.key)
                } else {
                    reader.findings.wrong(path + member.key, member.value, "must be text or a number")
                }
            }
        default:
            reader.findings.wrong(path, value, "must be a list of options or a map")
        }
        return options
    }

    private static func isServerCompression(_ text: String) -> Bool {
        (text.split(separator: "=").last.map(String.init) ?? text).hasPrefix("server-")
    }

    private static func isScalar(_ value: JSONValue) -> Bool {
        switch value {
        case .string, .int, .bigInteger, .double, .bool: true
        case .null, .array, .object: false
        }
    }

    /// Without the quotes that users put around a value as they would in a shell.
    private static func unquoted(_ text: String) -> String {
        guard text.count >= 2, let first = text.first, first == text.last, first == "'" || first == "\"" else {
            return text
        }
        return String(text.dropFirst().dropLast())
    }
}
