public import HACore

/// `members/<name>`: what a member says about itself (contract/patroni.md 1.3).
///
/// Reading never fails: what is missing or of another kind is left out, since other versions write here, too.
public struct MemberRecord: Hashable, Sendable {
    /// Why a setting waits for a restart: both values as text, always.
    public struct PendingChange: Hashable, Sendable {
        public var parameter: String
        public var oldValue: String
        public var newValue: String

        public init(parameter: String, oldValue: String, newValue: String) {
            self.parameter = parameter
            self.oldValue = oldValue
            self.newValue = newValue
        }
    }

    public var connURL: String?
    public var apiURL: String?
    public var state: MemberState = .unknown
    public var role: MemberRole = .unknown
    /// The version that peers take us for: `4.1.5` in what we write (design/rulings).
    public var version: String?
    public var proxyURL: String?
    /// False on a leader that has not checkpointed since its promotion; else absent: safe to rewind from.
    public var checkpointAfterPromote: Bool?
    public var tags = Tags()
    public var pendingRestart = false
    public var pendingRestartReason: [PendingChange] = []
    /// Primary: flushed. Standby: the larger of received and replayed.
    public var walPosition: LSN?
    public var replayLSN: LSN?
    public var receiveLSN: LSN?
    /// `streaming` or `in archive recovery`.
    public var replicationState: String?
    public var timeline: Timeline?
    /// The request as it was stored.
    public var scheduledRestart: JSONObject?
    public var pause = false
    /// Present only on members that run this agent.
    public var matriarch: MatriarchPart?

    public init() {}

    public init(json: JSONValue) {
        guard let object = json.asObject else { return }
        connURL = object["conn_url"]?.asString
        apiURL = object["api_url"]?.asString
        state = MemberState(json: object["state"])
        role = MemberRole(json: object["role"])
        version = object["version"]?.asString
        proxyURL = object["proxy_url"]?.asString
        checkpointAfterPromote = object["checkpoint_after_promote"]?.asBool
        tags = Tags(object["tags"]?.asObject ?? [:])
        pendingRestart = object["pending_restart"]?.isTruthy ?? false
        pendingRestartReason = Self.changes(object["pending_restart_reason"])
        walPosition = LSN(json: object["xlog_location"])
        replayLSN = LSN(json: object["replay_lsn"])
        receiveLSN = LSN(json: object["receive_lsn"])
        replicationState = object["replication_state"]?.asString
        timeline = object["timeline"]?.looseInt.flatMap { UInt32(exactly: $0) }.flatMap { $0 == 0 ? nil : Timeline($0) }
        scheduledRestart = object["scheduled_restart"]?.asObject
        pause = object["pause"]?.isTruthy ?? false
        matriarch = object["matriarch"]?.asObject.map(MatriarchPart.init(json:))
    }

    /// Reads a znode, also the oldest format: a connection URL whose `application_name` is the URL of the REST API.
    /// Throws when it is neither that nor JSON; the caller keeps what it read last.
    public init(znode: [UInt8]) throws(JSONError) {
        guard znode.starts(with: "postgres".utf8), let text = String(validating: znode, as: UTF8.self) else {
            self.init(json: try JSONParser.parse(znode))
            return
        }
        self.init()
        let parts = text.split(separator: "?", maxSplits: 1)
        connURL = String(parts[0])
        guard parts.count > 1 else { return }
        for pair in parts[1].split(separator: "&") where pair.hasPrefix("application_name=") {
            apiURL = String(pair.dropFirst("application_name=".count))
        }
    }

    /// In the order in which peers are used to see the keys.
    public var json: JSONValue {
        var object = JSONObject()
        object["conn_url"] = connURL.map(JSONValue.string)
        object["api_url"] = apiURL.map(JSONValue.string)
        object["state"] = .string(state.rawValue)
        object["role"] = .string(role.rawValue)
        object["version"] = version.map(JSONValue.string)
        object["proxy_url"] = proxyURL.map(JSONValue.string)
        object["checkpoint_after_promote"] = checkpointAfterPromote.map(JSONValue.bool)
        if !tags.map.isEmpty { object["tags"] = .object(tags.map) }
        if pendingRestart { object["pending_restart"] = true }
        if !pendingRestartReason.isEmpty {
            object["pending_restart_reason"] = pendingRestartReason.json
        }
        object["xlog_location"] = walPosition?.json
        object["replay_lsn"] = replayLSN?.json
        object["receive_lsn"] = receiveLSN?.json
        object["replication_state"] = replicationState.map(JSONValue.string)
        object["timeline"] = timeline.map { .int(Int64($0.rawValue)) }
        object["scheduled_restart"] = scheduledRestart.map(JSONValue.object)
        if pause { object["pause"] = true }
        object["matriarch"] = matriarch?.json
        return .object(object)
    }

    private static func changes(_ json: JSONValue?) -> [PendingChange] {
        (json?.asObject?.members ?? []).map { member in
            PendingChange(
                parameter: member.key, oldValue: member.value["old_value"]?.pythonText ?? "",
                newValue: member.value["new_value"]?.pythonText ?? "")
        }
    }
}

extension [MemberRecord.PendingChange] {
    /// By name (contract/patroni.md 0.2).
    public var json: JSONValue {
        .object(
            JSONObject(
                map { ($0.parameter, ["old_value": .string($0.oldValue), "new_value": .string($0.newValue)]) }))
    }
}

/// What members that run this agent add at the end of their record; others do not read it.
public struct MatriarchPart: Hashable, Sendable {
    /// What the keeper does for this member's PostgreSQL.
    public enum KeeperState: String, Hashable, Sendable {
        case attached, paused, detached
        /// It watches, or will watch, a server that it did not start, and no lock is proved for it.
        case found
    }

    public var version: String?
    public var keeper: KeeperState?
    /// The data version of the `epoch` znode under which this member last acted.
    public var epoch: Int64?
    /// The negotiated timeout of the ZooKeeper session, in milliseconds.
    public var sessionTimeout: Int64?
    /// What replay of a standby waits for while a query holds it up: its promotion would begin by ending sessions.
    public var replayWaits: String?
    /// Own WAL that its last rewind gave up. Written only.
    public var diverged: GivenUpWAL?
    /// Keys of the cluster's configuration that it does not follow, with the reasons.
    public var configRejected: JSONObject
    /// Of a standby: slots of the mesh with which peers could go on after its promotion; nil: in no mesh.
    public var slots: Int?

    public init(
        version: String? = nil, keeper: KeeperState? = nil, epoch: Int64? = nil, sessionTimeout: Int64? = nil,
        replayWaits: String? = nil, diverged: GivenUpWAL? = nil, configRejected: JSONObject = [:],
        slots: Int? = nil
    ) {
        self.diverged = diverged
        self.configRejected = configRejected
        self.version = version
        self.keeper = keeper
        self.epoch = epoch
        self.sessionTimeout = sessionTimeout
        self.replayWaits = replayWaits
        self.slots = slots
    }

    public init(json object: JSONObject) {
        version = object["version"]?.asString
        keeper = object["keeper"]?.asString.flatMap(KeeperState.init(rawValue:))
        epoch = object["epoch"]?.looseInt
        sessionTimeout = object["session_timeout_ms"]?.looseInt
        replayWaits = object["replay_waits"]?.asString
        configRejected = object["config_rejected"]?.asObject ?? [:]
        slots = object["slots"]?.looseInt.flatMap { Int(exactly: $0) }
    }

    public var json: JSONValue {
        var object = JSONObject()
        object["version"] = version.map(JSONValue.string)
        object["keeper"] = keeper.map { .string($0.rawValue) }
        object["epoch"] = epoch.map(JSONValue.int)
        object["session_timeout_ms"] = sessionTimeout.map(JSONValue.int)
        object["replay_waits"] = replayWaits.map(JSONValue.string)
        object["diverged"] = diverged?.json
        object["slots"] = slots.map { .int(Int64($0)) }
        if !configRejected.isEmpty { object["config_rejected"] = .object(configRejected) }
        return .object(object)
    }
}

extension GivenUpWAL {
    /// With the positions as PostgreSQL writes them.
    public var json: JSONValue {
        [
            "timeline": .int(Int64(timeline.rawValue)), "from": .string(from.description),
            "to": .string(to.description), "bytes": .int(Int64(clamping: bytes)),
        ]
    }
}

extension LSN {
    /// Reads decimal bytes, as a number or as text; nil for zero and for anything else: zero means unknown.
    public init?(json: JSONValue?) {
        guard let bytes = json?.looseInt, bytes > 0 else { return nil }
        self.init(UInt64(bytes))
    }

    /// Decimal bytes.
    public var json: JSONValue { Int64(exactly: rawValue).map(JSONValue.int) ?? .bigInteger(String(rawValue)) }
}
