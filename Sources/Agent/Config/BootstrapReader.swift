internal import AdminModel
internal import LocalConfiguration

extension BootstrapConfig {
    init(reading reader: SectionReader) {
        self.init()
        dcs = reader.map("dcs")
        if let dcs { DynamicConfig.check(dcs, at: reader.path + "dcs", reader.findings) }
        initdbOptions = CommandOption.read(
            reader, "initdb", tool: "initdb", forbidden: CommandOption.forbiddenForInitdb)
        pgHBA = reader.texts("pg_hba") ?? []
        let newer = reader.commandLine("post_bootstrap")
        let older = reader.commandLine("post_init")
        postBootstrap = newer ?? older
        if let name = reader.text("method"), name != "initdb" { method = Self.method(reader, name) }
        if reader.value("users") != nil {
            reader.findings.notice(
                .withoutEffect, reader.path + "users", "has no effect: use post_bootstrap to create users")
        }
        reader.finish()
    }

    private static func method(_ parent: SectionReader, _ name: String) -> Method? {
        guard parent.value(name) != nil else {
            parent.findings.missing(parent.path + name, "is required: the section of the bootstrap method \(name)")
            return nil
        }
        let reader = parent.section(name)
        guard reader.requiredText("command") != nil, let command = reader.commandLine("command") else { return nil }
        var method = Method(name: name, command: command)
        method.noParams = reader.bool("no_params") ?? false
        method.keepExistingRecoveryConf = reader.bool("keep_existing_recovery_conf") ?? false
        method.recoveryConf = PostgresSettings.parameters(reader, "recovery_conf")
        method.extra = reader.section.members.compactMap { member in
            guard !reader.knows(member.key), !["scope", "datadir"].contains(member.key), !member.value.isNull else {
                return nil
            }
            return CommandOption(name: member.key, value: member.value.pythonText)
        }
        return method
    }
}
