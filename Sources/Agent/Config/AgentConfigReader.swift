internal import AdminModel
internal import LocalConfiguration
internal import HACore

extension AgentConfig {
    /// Patroni writes this name where strict mode has no standby; a member of that name would be taken for it.
    static let reservedName = "__patroni_strict_sync_replica_placeholder__"

    /// Reads the whole document. Nil only when something required is missing, which the findings name.
    init?(reading document: JSONObject, home: String, _ findings: ConfigFindings) {
        let root = SectionReader(document, [], findings)
        let scope = root.requiredText("scope")
        let name = Self.name(root)
        let restAPI = RestAPIConfig(reading: Self.required(root, "restapi"))
        let control = PeerAccess(reading: root.section("ctl"))
        let zooKeeper = ZooKeeperConfig(reading: Self.required(root, "zookeeper"))
        let postgresql = LocalPostgresConfig(reading: Self.required(root, "postgresql"), home: home)
        let bootstrap = BootstrapConfig(reading: root.section("bootstrap"))
        let tags = Self.tags(root)
        let log = LogConfig(reading: root.section("log"))
        let watchdog = Self.watchdog(root)
        let matriarch = MatriarchConfig(reading: root.section("matriarch"))
        let spock = MeshSection.read(root, dcs: bootstrap.dcs, scope: scope)
        let namespace = ZooKeeperConfig.namespace(root)
        for key in ["citus", "exhibitor", "etcd", "etcd3", "consul", "kubernetes", "raft"] {
            root.unsupported(key, "is not yet supported: remove the section; the cluster's state is kept in zookeeper")
        }
        for key in ["ttl", "loop_wait", "retry_timeout", "standby_cluster"] where root.value(key) != nil {
            findings.notice(.withoutEffect, [key], "has no effect in a local file: it belongs under bootstrap.dcs")
        }
        if root.value("bootstrap") == nil {
            findings.notice(
                .doubtful, ["bootstrap"], "is missing: this member makes no cluster, it waits until another one has")
        }
        root.withoutEffect("thread_pool_size", "thread_stack_size")
        root.finish()
        guard let scope, let name, let restAPI, let zooKeeper, let postgresql else { return nil }
        self.init(
            scope: scope, namespace: namespace, name: MemberID(name), restAPI: restAPI, control: control,
            zooKeeper: zooKeeper, postgresql: postgresql, bootstrap: bootstrap, tags: tags, log: log,
            watchdog: watchdog, spock: spock,
            matriarch: matriarch, document: document)
    }

    private static func required(_ root: SectionReader, _ key: String) -> SectionReader? {
        guard root.value(key) != nil else {
            root.findings.missing([key], "is required: a map")
            return nil
        }
        return root.map(key).map { SectionReader($0, [key], root.findings) }
    }

    /// The name stood under `postgresql` once.
    private static func name(_ root: SectionReader) -> String? {
        let old = root.section["postgresql"]?["name"]
        guard root.value("name") != nil || old == nil else { return old?.asString }
        guard let name = root.requiredText("name") else { return nil }
        if name == reservedName {
            root.wrong("name", .string(name), "must not be the name that stands for a missing standby")
        }
        if name.contains("/") || name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
            || name == "."
            || name == ".."
        {
            root.wrong("name", .string(name), "must be usable as the name of a znode: no slash, no control characters")
        }
        return name
    }

    private static func tags(_ root: SectionReader) -> JSONObject {
        guard let tags = root.map("tags") else { return [:] }
        let reader = SectionReader(tags, ["tags"], root.findings)
        for key in ["nofailover", "noloadbalance", "clonefrom", "nosync", "nostream"] {
            if let text = tags[key]?.asString, key != "nostream", SettingText.bool(text) != true {
                root.findings.notice(
                    .doubtful, ["tags", key], "is text and therefore counts as true; write true or false")
            } else {
                _ = reader.bool(key)
            }
        }
        for key in ["failover_priority", "sync_priority"] { _ = reader.integer(key, Int64.min...Int64.max) }
        _ = reader.looseText("replicatefrom")
        for conflict in Tags(tags).conflicts { root.findings.notice(.doubtful, ["tags"], conflict) }
        return tags
    }

    private static func watchdog(_ root: SectionReader) -> WatchdogMode {
        let reader = root.section("watchdog")
        defer {
            for key in ["device", "safety_margin", "driver"] { _ = reader.value(key) }
            reader.finish()
        }
        guard let value = reader.value("mode") else { return .automatic }
        switch value.asString?.lowercased() ?? value.pythonText.lowercased() {
        case "off", "disable", "disabled", "false": return .off
        case "auto", "automatic":
            root.findings.notice(
                .withoutEffect, ["watchdog", "mode"], "automatic: no watchdog is used, the keeper enforces the lease")
            return .automatic
        case "require", "required":
            root.findings.unsupported(reader.path + "mode", value, "is not yet supported: use automatic or off")
        default:
            reader.wrong("mode", value, "must be one of off, automatic")
        }
        return .automatic
    }
}

extension MatriarchConfig {
    init(reading reader: SectionReader) {
        self.init()
        runtimeDir = reader.absolutePath("runtime_dir")
        tickTime = reader.integer("tick_time", 1...3_600_000, in: .milliseconds).map { Int($0) }
        reader.finish()
    }
}
