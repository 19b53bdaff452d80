package import AdminModel
package import HACore
package import ZooKeeper

/// One read of a cluster's znodes, as the command line shows and changes them.
package struct ClusterTree: Sendable {
    package struct Member: Sendable {
        package var name: MemberID
        package var record: MemberRecord
        /// Of its znode: it moves when the member says something new.
        package var version: Version

        package init(name: MemberID, record: MemberRecord, version: Version = .initial) {
            self.name = name
            self.record = record
            self.version = version
        }
    }

    package var scope: String
    /// In the order of their names.
    package var members: [Member] = []
    package var leader: MemberID?
    /// The system identifier; empty while the cluster is being made, nil before.
    package var initialize: String?
    package var config: JSONObject?
    package var configVersion: Version?
    package var optime: LSN?
    package var sync = SyncRecord.off
    package var failover = FailoverRecord()
    package var failoverVersion: Version?
    /// As stored: entries of old versions are shorter.
    package var history: [[JSONValue]] = []

    package init(scope: String) { self.scope = scope }

    package var isPaused: Bool { config?["pause"]?.boolText ?? false }
    package var isStandbyCluster: Bool { config?["standby_cluster"]?.asObject?.isEmpty == false }
    package var isSynchronous: Bool {
        let mode = config?["synchronous_mode"]
        return mode?.boolText == true || mode?.asString?.lowercased() == "quorum"
    }

    /// Seconds, as the cluster's configuration has it; Patroni's default without one.
    package var loopWait: Int64 { config?["loop_wait"]?.looseInt.flatMap { $0 == 0 ? nil : $0 } ?? 10 }

    /// The lock's holder, also one whose own znode is gone.
    package var leaderMember: Member? {
        leader.map { name in
            members.first { $0.name == name } ?? Member(name: name, record: MemberRecord())
        }
    }

    /// What `/cluster` would answer.
    package var document: JSONValue {
        ClusterDocument(
            scope: scope, members: members.map { ($0.name, $0.record) }, leader: leader, config: config, sync: sync,
            optime: optime, failover: failover
        ).json
    }
}
