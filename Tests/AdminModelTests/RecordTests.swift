import AdminModel
import HACore
import Testing

@Suite("Records of the znodes")
struct RecordTests {
    static let members = [
        #"{"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://10.0.0.1:8008/patroni","state":"running","role":"primary","version":"4.1.5","tags":{"failover_priority":"1","nofailover":true},"xlog_location":67406848,"timeline":1}"#,
        #"{"conn_url":"postgres://10.0.0.2:5432/postgres","api_url":"http://10.0.0.2:8008/patroni","state":"running","role":"replica","version":"4.1.5","proxy_url":"postgres://proxy:6432/postgres","tags":{"custom":"x1"},"pending_restart":true,"pending_restart_reason":{"max_connections":{"old_value":"100","new_value":"101"}},"xlog_location":67406848,"replay_lsn":67406848,"receive_lsn":67406848,"replication_state":"streaming","timeline":1,"scheduled_restart":{"schedule":"2099-01-01T00:00:00+00:00","postmaster_start_time":"2026-11-21 02:51:03.471634+00:00"},"pause":true}"#,
        #"{"conn_url":"postgres://[::1]:5432/postgres","api_url":"http://h:8008/patroni","state":"stopping","role":"primary","version":"4.1.5","checkpoint_after_promote":false,"matriarch":{"version":"1.0.0","keeper":"attached","epoch":12,"session_timeout_ms":10000,"slots":2}}"#,
    ]

    @Test("a member's record comes back byte for byte", arguments: members)
    func memberRoundTrip(text: String) throws {
        #expect(try MemberRecord(znode: Array(text.utf8)).json.text(.compact) == text)
    }

    @Test("a member's record is understood")
    func memberFields() throws {
        let replica = try MemberRecord(znode: Array(Self.members[1].utf8))
        #expect(replica.state == .running)
        #expect(replica.role == .replica)
        #expect(replica.walPosition == LSN(67_406_848))
        #expect(replica.timeline == Timeline(1))
        #expect(replica.pendingRestartReason == [.init(parameter: "max_connections", oldValue: "100", newValue: "101")])
        #expect(replica.pause)
        let own = try MemberRecord(znode: Array(Self.members[2].utf8))
        #expect(own.checkpointAfterPromote == false)
        #expect(own.matriarch?.keeper == .attached)
        #expect(own.matriarch?.epoch == 12)
        #expect(own.matriarch?.sessionTimeout == 10_000)
    }

    @Test("odd member records are read as far as they go")
    func tolerantMember() throws {
        #expect(MemberRecord(json: [1, 2]) == MemberRecord())
        #expect(MemberRecord(json: "running").state == .unknown)
        let old = MemberRecord(json: [
            "role": "master", "state": "doing something", "xlog_location": "100", "timeline": "7",
        ])
        #expect(old.role == .primary)
        #expect(old.state == .unknown)
        #expect(old.walPosition == LSN(100))
        #expect(old.timeline == Timeline(7))
        let wrong = MemberRecord(
            json: [
                "tags": 5, "xlog_location": -1, "timeline": 99_999_999_999, "conn_url": 1, "matriarch": "x",
                "replay_lsn": 1.5,
            ])
        #expect(wrong == MemberRecord())
        let ancient = try MemberRecord(
            znode: Array("postgres://u@h:5432/postgres?application_name=http://h:8008/patroni".utf8))
        #expect(ancient.connURL == "postgres://u@h:5432/postgres")
        #expect(ancient.apiURL == "http://h:8008/patroni")
        #expect(throws: JSONError.self) { try MemberRecord(znode: Array("{\"state\":".utf8)) }
    }

    @Test("the metric's values and labels follow the contract")
    func stateMetric() {
        #expect(MemberState.initializing.metricValue == 0)
        #expect(MemberState.running.metricValue == 5)
        #expect(MemberState.crashed.metricValue == 14)
        #expect(MemberState.unknown.metricValue == -1)
        #expect(MemberState.startingAfterBootstrap.metricLabel == "bootstrap_starting")
    }

    @Test("status: written in order, read in all its forms")
    func status() throws {
        let text =
            #"{"optime":67109008,"slots":{"node_1":67109008,"node_0":67109007},"retain_slots":["node_0","node_1"]}"#
        let status = StatusRecord(json: try JSONParser.parse(text))
        #expect(status.json.text(.compact) == text)
        #expect(status.optime == LSN(67_109_008))
        #expect(StatusRecord(json: 42).optime == LSN(42))
        #expect(StatusRecord(json: 42).legacyText == "42")
        let nested = StatusRecord(json: ["optime": "5", "slots": "{\"a\":1}", "retain_slots": "[\"a\"]"])
        #expect(nested == StatusRecord(optime: LSN(5), slots: [.init(name: "a", position: LSN(1))], retainSlots: ["a"]))
        #expect(StatusRecord(json: ["optime": 0, "slots": "{broken", "retain_slots": 7]) == StatusRecord())
        #expect(StatusRecord(optime: LSN(9)).json.text(.compact) == #"{"optime":9}"#)
    }

    @Test("sync: sorted names, null for none, {} for off")
    func sync() throws {
        let record = SyncRecord(leader: "b", standbys: ["c", "a"])
        #expect(record.json.text(.compact) == #"{"leader":"b","quorum":0,"sync_standby":"a,c"}"#)
        #expect(SyncRecord(leader: "b").json.text(.compact) == #"{"leader":"b","quorum":0,"sync_standby":null}"#)
        #expect(SyncRecord.off.json.text(.compact) == "{}")
        let read = SyncRecord(json: try JSONParser.parse(#"{"leader":"N1","quorum":1,"sync_standby":"N0, n2"}"#))
        #expect(read.quorum == 1)
        #expect(read.isStandby("n0") && read.isStandby("N2") && !read.isStandby("n1"))
        #expect(read.contains("n1") && !read.contains("n3"))
        for json in [[:], [], "x", ["leader": nil, "sync_standby": "a"]] as [JSONValue] {
            #expect(SyncRecord(json: json).isOff)
            #expect(!SyncRecord(json: json).contains("a"))
        }
    }

    @Test("failover: the candidate is called member; the legacy text is read, broken JSON is not")
    func failover() throws {
        let record = try FailoverRecord(znode: Array(#"{"leader":"a","member":"b"}"#.utf8))
        #expect(record == FailoverRecord(leader: "a", candidate: "b"))
        #expect(record.json.text(.compact) == #"{"leader":"a","member":"b"}"#)
        #expect(try FailoverRecord(znode: Array("a: b".utf8)) == record)
        #expect(try FailoverRecord(znode: Array("{}".utf8)).isEmpty)
        #expect(try FailoverRecord(znode: Array(#"{"leader":"","member":null}"#.utf8)).json.text(.compact) == "{}")
        #expect(throws: JSONError.self) { try FailoverRecord(znode: Array(#"{"leader":"a","mem"#.utf8)) }
        let fulfilled = FailoverRecord(candidate: "b", isFulfilled: true)
        #expect(try FailoverRecord(znode: Array(#"{"member":"b","fulfilled":true}"#.utf8)) == fulfilled)
        #expect(try FailoverRecord(znode: fulfilled.json.znode) == fulfilled)
        #expect(!fulfilled.isEmpty, "Patroni would take it for none")
    }

    @Test("history: short entries of old versions, the cluster's timeline")
    func history() throws {
        let text =
            #"[[1,67407144,"no recovery target specified","2026-11-21T02:52:31.796887+00:00","node-1"],[2,67500000,"x","t"],[3,67600000,"y"]]"#
        let history = HistoryRecord(json: try JSONParser.parse(text))
        #expect(history.json.text(.compact) == text)
        #expect(history.clusterTimeline == Timeline(4))
        #expect(history.entries.first?.leader == "node-1")
        #expect(HistoryRecord(json: []).clusterTimeline == Timeline(1))
        #expect(HistoryRecord(json: ["a": 1]).clusterTimeline == nil)
        #expect(HistoryRecord(json: [[1], "x", [2, 3, "r"]]).entries.count == 1)
    }
}

@Suite("Tags")
struct TagTests {
    @Test(
        "effective tags leave out switches that are off",
        arguments: [
            (["nofailover": false, "custom": "x", "clonefrom": false], #"{"custom":"x"}"#),
            (["failover_priority": "1", "nofailover": false], #"{"failover_priority":"1","nofailover":false}"#),
            (["nosync": false, "sync_priority": 2, "noloadbalance": nil], #"{"nosync":false,"sync_priority":2}"#),
            (["other": false, "nostream": true], #"{"other":false,"nostream":true}"#),
        ] as [(JSONObject, String)])
    func effective(configured: JSONObject, published: String) {
        #expect(Tags.effective(configured: configured).map.text(.compact) == published)
    }

    @Test("a switch wins over the priority beside it")
    func priorities() {
        #expect(Tags(["nofailover": true, "failover_priority": 5]).failoverPriority == 0)
        #expect(Tags(["nofailover": true]).nofailover)
        #expect(Tags(["failover_priority": 0]).nofailover)
        #expect(!Tags(["nofailover": false, "failover_priority": 0]).nofailover)
        #expect(Tags(["failover_priority": "3"]).failoverPriority == 3)
        #expect(Tags().failoverPriority == 1)
        #expect(Tags(["sync_priority": -1]).nosync)
        #expect(!Tags().nosync && Tags().syncPriority == 1)
        #expect(Tags(["nostream": "on", "clonefrom": "false", "replicatefrom": "n1"]).nostream)
        #expect(Tags(["clonefrom": "false"]).clonefrom)
        #expect(Tags(["replicatefrom": "n1"]).replicatefrom == "n1")
        #expect(Tags(["replicatefrom": ""]).replicatefrom == nil)
    }

    @Test("a contradiction is worded as other members word it")
    func conflicts() {
        #expect(
            Tags(["nofailover": true, "failover_priority": 1]).conflicts == [
                "Conflicting configuration between nofailover: True and failover_priority: 1. Defaulting to nofailover: True"
            ])
        #expect(Tags(["nosync": false, "sync_priority": 0]).conflicts.count == 1)
        #expect(Tags(["nofailover": true, "failover_priority": 0]).conflicts.isEmpty)
    }
}
