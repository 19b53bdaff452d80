internal import AdminModel
internal import HACore
internal import LocalConfiguration

extension MeshSettings {
    /// Reads the keys of the section `spock` that are there, each by itself (contract/spock.md 6.1). What must be there,
    /// and what excludes what, is for `check`: the other half may stand in another place.
    /// - Parameter isShared: the section is the whole cluster's, which files of one server are not taken from.
    init(reading reader: SectionReader, isShared: Bool) {
        self.init(mesh: "", node: "", databases: [])
        _ = reader.bool("enabled")
        mesh = reader.name("mesh") ?? ""
        databases = reader.names("databases") ?? []
        readNode(reader.section("node"))
        connection = Connection(reading: reader.section("dsn"), isShared: isShared)
        replicationSets = ReplicationSet.read(reader, "replication_sets")
        readSubscriptions(reader.section("subscribe"))
        readSlots(reader.section("slots"))
        readFailover(reader.section("failover"))
        readParameters(reader.section("ddl"))
        reader.finish()
    }

    private mutating func readNode(_ reader: SectionReader) {
        // It is the name of a service, and a service's line in the file ends with the bracket.
        node = reader.name("name", without: "]") ?? ""
        location = reader.text("location")
        country = reader.text("country")
        info = reader.map("info").map { $0.text(.compact) }
        reader.finish()
    }

    private mutating func readSubscriptions(_ reader: SectionReader) {
        if let value = reader.value("peers"), value.asString?.lowercased() != "auto" {
            if value.asArray == nil {
                reader.wrong("peers", value, "must be auto, or a list of the scopes of other clusters")
            } else if let scopes = reader.names("peers") {
                peers = .listed(scopes)
            }
        }
        if let template = reader.text("name_template") {
            if Self.isTemplate(template) {
                subscriptionTemplate = template
            } else {
                reader.wrong(
                    "name_template", .string(template),
                    "must be made of a-z, 0-9, '_', {local} and {peer}, and contain {peer}: each peer needs a name of its own"
                )
            }
        }
        subscribedSets = reader.names("replication_sets") ?? subscribedSets
        synchronization = reader.choice("synchronize") ?? synchronization
        if let origins = reader.texts("forward_origins") {
            for (position, origin) in origins.enumerated() where origin != "all" {
                reader.findings.wrong(
                    reader.path + "forward_origins" + position, .string(origin),
                    "must be all: Spock knows no other; a mesh needs none, so leave the list empty")
            }
            forwardOrigins = origins
        }
        reader.finish()
    }

    private static func isTemplate(_ text: String) -> Bool {
        let rest = text.replacing("{local}", with: "").replacing("{peer}", with: "")
        return text.contains("{peer}") && isPlain(rest)
    }

    /// PostgreSQL's default. A slot cannot hold less than the segment it is in.
    private static let segment: Int64 = 16 << 20

    private mutating func readSlots(_ reader: SectionReader) {
        if reader.value("mode")?.asString?.lowercased() == "spock-worker" {
            reader.unsupported(
                "mode",
                "is not supported: Spock's own worker drops what it does not know; use auto, native or copy (by the agents)"
            )
        } else {
            slotMode = reader.choice("mode") ?? slotMode
        }
        copyInterval =
            reader.duration("copy_interval", Duration.milliseconds(100)...Duration.seconds(3600)) ?? copyInterval
        holdSlots = reader.bool("hold_slots") ?? holdSlots
        holdMaxWAL =
            reader.integer("hold_max_wal", Self.segment...Int64.max, in: .bytes).map { UInt64($0) } ?? holdMaxWAL
        slotMaxWAL = reader.integer("slot_max_wal", Self.segment...Int64.max, in: .bytes).map { UInt64($0) }
        reader.finish()
    }

    private mutating func readFailover(_ reader: SectionReader) {
        if reader.value("apply_gate")?.asString?.lowercased() == "readonly" {
            reader.unsupported(
                "apply_gate",
                "is not supported: spock.readonly shuts all peers out at once, and they are let in one by one; use service or none"
            )
        } else {
            applyGate = reader.choice("apply_gate") ?? applyGate
        }
        // The only answer: what a peer has beyond the fork cannot be taken back.
        _ = reader.word("on_peer_ahead", ["burn_and_report"])
        onGap = reader.choice("on_gap") ?? onGap
        maxGateWait = reader.duration("max_gate_wait", Duration.zero...Duration.seconds(60)) ?? maxGateWait
        reader.finish()
    }

    private mutating func readParameters(_ reader: SectionReader) {
        for name in ["enable_ddl_replication", "include_ddl_repset", "allow_ddl_from_functions"] {
            if let flag = reader.bool(name) { ddl["spock." + name] = flag ? "on" : "off" }
        }
        reader.finish()
    }
}

extension MeshSettings.ReplicationSet {
    /// The sets of a list; of one that is wrong nothing is taken.
    static func read(_ parent: SectionReader, _ key: String) -> [Self] {
        var names: Set<String> = []
        return (parent.list(key) ?? []).enumerated().compactMap { position, item in
            let path = parent.path + key + position
            guard let map = item.asObject else {
                parent.findings.wrong(path, item, "must be a map with name, and with tables or all_tables_in")
                return nil
            }
            let reader = SectionReader(map, path, parent.findings)
            guard let set = Self(reading: reader) else { return nil }
            if !names.insert(set.name).inserted { reader.wrong("name", .string(set.name), "must not be there twice") }
            return set
        }
    }

    private init?(reading reader: SectionReader) {
        if reader.value("name") == nil { reader.findings.missing(reader.path + "name", "is required: text") }
        let name = reader.name("name")
        self.init(name: name ?? "")
        insert = reader.bool("insert") ?? insert
        update = reader.bool("update") ?? update
        delete = reader.bool("delete") ?? delete
        truncate = reader.bool("truncate") ?? truncate
        schemas = reader.names("all_tables_in", orNone: true) ?? []
        tables =
            reader.names("tables", orNone: true, allowed: "schema.table, without quotes", where: Self.isTable) ?? []
        reader.finish()
        if name == nil { return nil }
    }

    private static func isTable(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { SectionReader.isName(String($0)) } && !text.contains("\"")
    }
}

extension SectionReader {
    /// Whether PostgreSQL keeps it whole as a name, and a file or a log line shows it as one.
    static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count) && !text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
    }

    private static let nameAllowed = "a name of 1 to 63 bytes without control characters"

    /// - Parameter forbidden: a character that must not be in it, either.
    func name(_ key: String, without forbidden: Character? = nil) -> String? {
        guard let value = value(key) else { return nil }
        if let name = value.asString, Self.isName(name), forbidden.map({ !name.contains($0) }) ?? true { return name }
        wrong(key, value, "must be \(Self.nameAllowed)" + (forbidden.map { " and without '\($0)'" } ?? ""))
        return nil
    }

    /// A list of different texts.
    /// - Parameters:
    ///   - orNone: the list may be empty.
    ///   - allowed: what each is, for messages.
    func names(
        _ key: String, orNone: Bool = false, allowed: String = nameAllowed,
        where isValid: (String) -> Bool = SectionReader.isName
    ) -> [String]? {
        guard let items = list(key) else { return nil }
        if items.isEmpty && !orNone { wrong(key, .array(items), "must have at least one item") }
        var names: [String] = []
        for (position, item) in items.enumerated() {
            if let name = item.asString, isValid(name) {
                if names.contains(name) { findings.wrong(path + key + position, item, "must not be there twice") }
                names.append(name)
            } else {
                findings.wrong(path + key + position, item, "must be " + allowed)
            }
        }
        return names
    }

    /// One of the words of a type, in any case of letters.
    func choice<Choice: CaseIterable & RawRepresentable>(_ key: String) -> Choice? where Choice.RawValue == String {
        word(key, Choice.allCases.map(\.rawValue)).flatMap(Choice.init(rawValue:))
    }
}
