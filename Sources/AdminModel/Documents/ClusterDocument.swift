public import HACore

/// The JSON of `/cluster` (contract/patroni.md 2.5.1), from one read of the tree: what the members said of themselves,
/// with roles by the lock and by `sync`.
public struct ClusterDocument: Sendable {
    public var scope: String
    public var members: [(name: MemberID, record: MemberRecord)]
    /// Who holds the lock.
    public var leader: MemberID?
    public var config: JSONObject?
    public var sync: SyncRecord
    /// What the leader published last.
    public var optime: LSN?
    public var failover: FailoverRecord

    public init(
        scope: String, members: [(name: MemberID, record: MemberRecord)], leader: MemberID?, config: JSONObject?,
        sync: SyncRecord, optime: LSN?, failover: FailoverRecord
    ) {
        self.scope = scope
        self.members = members
        self.leader = leader
        self.config = config
        self.sync = sync
        self.optime = optime
        self.failover = failover
    }

    public var json: JSONValue {
        let members = members.sorted {
            $0.name.rawValue.unicodeScalars.lexicographicallyPrecedes($1.name.rawValue.unicodeScalars)
        }
        var object: JSONObject = ["members": .array(members.map { member($0.name, $0.record) })]
        if config?["pause"]?.boolText == true { object["pause"] = true }
        object["scheduled_switchover"] = scheduledSwitchover
        object["scope"] = .string(scope)
        return .object(object)
    }

    private func member(_ name: MemberID, _ record: MemberRecord) -> JSONValue {
        let leads = leader == name
        var object: JSONObject = ["name": .string(name.rawValue), "role": .string(role(of: name))]
        // A replication state says more than `running`, except of the leader, who replicates from nobody.
        object["state"] = .string((leads ? nil : record.replicationState) ?? record.state.rawValue)
        object["api_url"] = record.apiURL.map(JSONValue.string) ?? .null
        if let address = Self.address(record.connURL) {
            object["host"] = .string(address.host)
            object["port"] = .int(Int64(address.port))
        }
        let written = record.json
        for key in ["timeline", "pending_restart", "pending_restart_reason", "scheduled_restart", "tags"] {
            object[key] = written[key]
        }
        if !leads {
            add("receive_lag", "receive_lsn", record.receiveLSN, to: &object)
            add("replay_lag", "replay_lsn", record.replayLSN, to: &object)
            add("lag", "lsn", record.walPosition, to: &object)
        }
        return .object(object)
    }

    private func role(of name: MemberID) -> String {
        if leader == name { return "leader" }
        let mode = config?["synchronous_mode"]
        if mode?.asString?.lowercased() == "quorum", sync.isStandby(name) { return "quorum_standby" }
        return mode?.boolText == true && sync.isStandby(name) ? "sync_standby" : "replica"
    }

    /// How far a member is behind the position that the leader published last.
    private func add(_ lag: String, _ position: String, _ lsn: LSN?, to object: inout JSONObject) {
        guard let lsn else {
            object[position] = "unknown"
            object[lag] = "unknown"
            return
        }
        object[lag] = .int(Int64(clamping: (optime ?? .zero).bytesAhead(of: lsn)))
        object[position] = .string(lsn.description)
    }

    private var scheduledSwitchover: JSONValue? {
        guard let at = failover.scheduledAt else { return nil }
        var object: JSONObject = ["at": .string(at)]
        object["from"] = (failover.leader?.rawValue).map(JSONValue.string)
        object["to"] = (failover.candidate?.rawValue).map(JSONValue.string)
        return .object(object)
    }

    /// Host and port of `postgres://[user[:password]@]host[:port]/database`.
    public static func address(_ url: String?) -> HostPort? {
        guard let url, let scheme = url.firstRange(of: "://") else { return nil }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
        let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        return HostPort(String(host), defaultPort: 5432)
    }
}
