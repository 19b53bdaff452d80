public import AdminModel
internal import HACore
internal import LocalConfiguration

/// The keys of the cluster's document that the agent's decisions use (contract/patroni.md 3.3). Times in seconds.
public struct DynamicValues: Hashable, Sendable {
    /// A physical slot that is kept although no member uses it.
    public struct PermanentSlot: Hashable, Sendable {
        public enum ClusterType: String, Hashable, Sendable {
            case primary, standby
        }

        public var name: String
        /// Only in clusters of this kind; nil: in all.
        public var clusterType: ClusterType?
    }

    /// The timeout that a ZooKeeper session is asked for; 2 to 19 is this agent's alone.
    public var ttl = 30
    /// The slowest pace of looking at the world.
    public var loopWait = 10
    public var retryTimeout = 10
    /// Bytes.
    public var maximumLagOnFailover: Int64 = 1_048_576
    /// Bytes; not above 0: no limit.
    public var maximumLagOnSyncNode: Int64 = -1
    public var checkTimeline = false
    /// 0: all.
    public var maxTimelinesHistory = 0
    /// 0: a crashed primary fails over at once.
    public var primaryStartTimeout = 300
    /// 0: none.
    public var primaryStopTimeout = 0
    public var synchronousMode = false
    public var synchronousModeStrict = false
    public var synchronousNodeCount = 1
    public var pause = false
    /// 0: slots of members that are away are not kept.
    public var memberSlotsTTL = 1800
    public var useSlots = true
    public var permanentSlots: [PermanentSlot] = []
    /// Matchers of slots that are never dropped, each with some of name, type, database, plugin.
    public var ignoreSlots: [JSONObject] = []

    public init() {}

    /// What to do with a number outside of its bounds.
    enum Bounds {
        /// Report it.
        case required
        /// Move it into them, as other members do with the same document (contract/patroni.md 3.1).
        case moved
    }

    init(reading reader: SectionReader, bounds: Bounds) {
        self.init()
        readTimes(reader, bounds)
        maximumLagOnFailover =
            reader.integer("maximum_lag_on_failover", 0...Int64.max, in: .bytes) ?? maximumLagOnFailover
        maximumLagOnSyncNode = reader.integer("maximum_lag_on_syncnode", Int64.min...Int64.max, in: .bytes) ?? -1
        checkTimeline = reader.bool("check_timeline") ?? false
        maxTimelinesHistory = reader.integer("max_timelines_history", 0...Int64.max).map { Int($0) } ?? 0
        let startTimeout = Self.seconds(reader, "primary_start_timeout")
        primaryStartTimeout = startTimeout ?? Self.seconds(reader, "master_start_timeout") ?? primaryStartTimeout
        let stopTimeout = Self.seconds(reader, "primary_stop_timeout")
        primaryStopTimeout = stopTimeout ?? Self.seconds(reader, "master_stop_timeout") ?? 0
        synchronousMode = Self.synchronousMode(reader)
        synchronousModeStrict = reader.bool("synchronous_mode_strict") ?? false
        synchronousNodeCount = reader.integer("synchronous_node_count", 1...10_000).map { Int($0) } ?? 1
        pause = reader.bool("pause") ?? false
        memberSlotsTTL = Self.seconds(reader, "member_slots_ttl") ?? memberSlotsTTL
        readSlots(reader)
        Self.refuse(reader)
        readPostgres(reader.section("postgresql"))
        // Here only for what is wrong in it: what holds depends on the local file, too.
        _ = MeshSettings(reading: reader.section("spock"), isShared: true)
        reader.withoutEffect("primary_race_backoff")
        reader.finish()
    }

    /// A century: far beyond every use, and safe to compute with in nanoseconds.
    private static let longest: Int64 = 3_153_600_000

    private static func seconds(_ reader: SectionReader, _ key: String) -> Int? {
        reader.integer(key, 0...longest, in: .seconds).map { Int($0) }
    }

    private mutating func readTimes(_ reader: SectionReader, _ bounds: Bounds) {
        func time(_ key: String, least: Int64, _ unset: Int) -> Int {
            let floor = bounds == .required ? least : Int64.min
            guard let number = reader.integer(key, floor...Self.longest, in: .seconds) else { return unset }
            if number < least { adjusted(key, Int(least)) }
            return Int(max(number, least))
        }
        func adjusted(_ key: String, _ number: Int) {
            reader.findings.notice(.adjusted, reader.path + key, "\(number) is used in place of what is configured")
        }
        ttl = reader.integer("ttl", 2...Self.longest, in: .seconds).map { Int($0) } ?? ttl
        loopWait = time("loop_wait", least: 1, loopWait)
        retryTimeout = time("retry_timeout", least: 3, retryTimeout)
        guard bounds == .moved, ttl >= 20 else { return }
        if 1 + 2 * retryTimeout > ttl {
            loopWait = 1
            retryTimeout = (ttl - 1) / 2
            adjusted("loop_wait", loopWait)
            adjusted("retry_timeout", retryTimeout)
        } else if loopWait + 2 * retryTimeout > ttl {
            loopWait = ttl - 2 * retryTimeout
            adjusted("loop_wait", loopWait)
        }
    }

    private static func synchronousMode(_ reader: SectionReader) -> Bool {
        guard let value = reader.value("synchronous_mode") else { return false }
        if let flag = value.boolText { return flag }
        if value.asString?.lowercased() == "quorum" {
            reader.unsupported("synchronous_mode", "is not yet supported: use true or false")
        } else {
            reader.wrong("synchronous_mode", value, "must be true or false")
        }
        return false
    }

    /// What other members would act on and this agent would not.
    private static func refuse(_ reader: SectionReader) {
        if reader.bool("failsafe_mode") == true {
            reader.unsupported("failsafe_mode", "is not yet supported: must be false or left out")
        }
        let standby = reader.map("standby_cluster") ?? [:]
        if ["host", "port", "restore_command"].contains(where: { standby[$0].map { !$0.isNull } ?? false }) {
            reader.unsupported("standby_cluster", "is not yet supported")
        }
    }

    private mutating func readPostgres(_ reader: SectionReader) {
        useSlots = reader.bool("use_slots") ?? true
        _ = PostgresSettings(reading: reader)
        for key in PostgresSettings.localKeys.sorted() where reader.value(key) != nil {
            reader.findings.notice(
                .withoutEffect, reader.path + key, "belongs to one server: it is only read from a local file")
        }
        reader.finish()
    }
}

extension DynamicValues {
    private mutating func readSlots(_ reader: SectionReader) {
        var isRead = false
        for key in ["slots", "permanent_replication_slots", "permanent_slots"] {
            guard let map = reader.map(key), !isRead else { continue }
            isRead = true
            permanentSlots = map.compactMap { member in
                Self.slot(member.key, member.value, reader.path + key + member.key, reader.findings)
            }
        }
        for (position, item) in (reader.list("ignore_slots") ?? []).enumerated() {
            guard let matcher = item.asObject, matcher.allSatisfy({ $0.value.asString != nil }) else {
                reader.findings.wrong(
                    reader.path + "ignore_slots" + position, item,
                    "must be a map with name, type, database or plugin as text")
                continue
            }
            ignoreSlots.append(matcher)
        }
    }

    /// Anything but a map means a physical slot.
    private static func slot(
        _ name: String, _ value: JSONValue, _ path: ConfigPath, _ findings: ConfigFindings
    ) -> PermanentSlot? {
        guard (1...63).contains(name.utf8.count),
            name.utf8.allSatisfy({ ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5F })
        else {
            findings.wrong(path, nil, "must be named with up to 63 of a-z, 0-9 and '_'")
            return nil
        }
        let kind = value["type"]?.pythonText.lowercased()
        if kind == "logical" || (kind == nil && value["database"] != nil && value["plugin"] != nil) {
            findings.unsupported(path, nil, "is a permanent logical slot, which is not yet supported")
            return nil
        }
        guard kind == nil || kind == "physical" else {
            findings.wrong(path + "type", value["type"], "must be physical")
            return nil
        }
        guard let text = value["cluster_type"], !text.isNull else { return PermanentSlot(name: name) }
        guard let clusterType = text.asString.flatMap(PermanentSlot.ClusterType.init(rawValue:)) else {
            findings.wrong(path + "cluster_type", text, "must be primary or standby")
            return nil
        }
        return PermanentSlot(name: name, clusterType: clusterType)
    }
}
