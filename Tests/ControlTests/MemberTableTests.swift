import AdminModel
import HACore
import Testing

@testable import Control

/// What `patronictl` 4.1.5 printed of the same znodes.
@Suite("The table of list and topology")
struct MemberTableTests {
    private static let members = [
        (
            "node-0",
            #"{"conn_url":"postgres://127.0.0.1:25430/postgres","api_url":"http://127.0.0.1:28000/patroni","state":"running","role":"primary","version":"4.1.5","tags":{"custom":"x0"},"pending_restart":true,"pending_restart_reason":{"max_connections":{"old_value":"100","new_value":"101"},"archive_command":{"old_value":"cp %p /archive/%f","new_value":"test ! -f /archive/%f && cp %p /archive/%f"}},"xlog_location":67406848,"timeline":2}"#
        ),
        (
            "node-1",
            #"{"conn_url":"postgres://127.0.0.1:25431/postgres","api_url":"http://127.0.0.1:28001/patroni","state":"running","role":"replica","version":"4.1.5","tags":{"custom":"x1","nofailover":true,"zone":"on"},"xlog_location":67406848,"replay_lsn":64406848,"receive_lsn":67406848,"replication_state":"streaming","timeline":2,"scheduled_restart":{"schedule":"2099-01-01T00:00:00+00:00","postmaster_start_time":"2026-11-21 02:51:03.471634+00:00","postgres_version":"15.4"}}"#
        ),
        (
            "node-2",
            #"{"conn_url":"postgres://127.0.0.1:25432/postgres","api_url":"http://127.0.0.1:28002/patroni","state":"starting","role":"replica","version":"4.1.5","tags":{"replicatefrom":"node-1"}}"#
        ),
        (
            "node-3",
            #"{"conn_url":"postgres://127.0.0.1:25433/postgres","api_url":"http://127.0.0.1:28003/patroni","state":"running","role":"replica","version":"3.3.0","replication_state":"streaming","xlog_location":60000000,"timeline":1,"tags":{"replicatefrom":"node-2"}}"#
        ),
    ]

    private var tree: ClusterTree {
        get throws {
            var tree = ClusterTree(scope: "gold")
            tree.members = try Self.members.map {
                ClusterTree.Member(name: MemberID($0), record: MemberRecord(json: try JSONParser.parse($1)))
            }
            tree.leader = "node-0"
            tree.initialize = "7710451765082907510"
            tree.config = ["synchronous_mode": true, "pause": true]
            tree.failover = FailoverRecord(
                leader: "node-0", candidate: "node-1", scheduledAt: "2099-01-01T12:00:00+01:00")
            tree.optime = LSN(67_406_848)
            tree.sync = SyncRecord(leader: "node-0", standbys: ["node-1"])
            return tree
        }
    }

    @Test func inABox() throws {
        let expected = #"""
            + Cluster: gold (7710451765082907510) ----+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+-----------------------+
            | Member | Host            | Role         | State     | TL | Receive LSN | Lag | Replay LSN | Lag | Pending restart | Pending restart reason               | Scheduled restart                           | Tags                  |
            +--------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+-----------------------+
            | node-0 | 127.0.0.1:25430 | Leader       | running   |  2 |             |     |            |     | *               | max_connections: 100->101            |                                             | custom: x0            |
            |        |                 |              |           |    |             |     |            |     |                 | archive_command: [hidden - too long] |                                             |                       |
            +--------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+-----------------------+
            | node-1 | 127.0.0.1:25431 | Sync Standby | streaming |  2 |   0/4048C00 |   0 |  0/3D6C540 |   3 |                 |                                      | 2099-01-01T00:00:00+00:00 if version < 15.4 | custom: x1            |
            |        |                 |              |           |    |             |     |            |     |                 |                                      |                                             | nofailover: true      |
            |        |                 |              |           |    |             |     |            |     |                 |                                      |                                             | zone: 'on'            |
            +--------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+-----------------------+
            | node-2 | 127.0.0.1:25432 | Replica      | starting  |    |     unknown |     |    unknown |     |                 |                                      |                                             | replicatefrom: node-1 |
            +--------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+-----------------------+
            | node-3 | 127.0.0.1:25433 | Replica      | streaming |  1 |   0/3938700 |   7 |    unknown |     |                 |                                      |                                             | replicatefrom: node-2 |
            +--------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+-----------------------+
             Maintenance mode: on
             Switchover scheduled at: 2099-01-01T12:00:00+01:00
                                from: node-0
                                  to: node-1
            """#
        #expect(MemberTable(try tree).text(.pretty) == expected)
    }

    @Test func tabs() throws {
        let expected = #"""
            Cluster	Member	Host	Role	State	TL	Receive LSN	Receive Lag	Replay LSN	Replay Lag	Pending restart	Pending restart reason	Scheduled restart	Tags
            gold	node-0	127.0.0.1:25430	Leader	running	2					*	max_connections: 100->101
            archive_command: cp %p /archive/%f->test ! -f /archive/%f && cp %p /archive/%f		{custom: x0}
            gold	node-1	127.0.0.1:25431	Sync Standby	streaming	2	0/4048C00	0	0/3D6C540	3			2099-01-01T00:00:00+00:00 if version < 15.4	{custom: x1, nofailover: true, zone: 'on'}
            gold	node-2	127.0.0.1:25432	Replica	starting		unknown		unknown					{replicatefrom: node-1}
            gold	node-3	127.0.0.1:25433	Replica	streaming	1	0/3938700	7	unknown					{replicatefrom: node-2}
            """#
        #expect(MemberTable(try tree).text(.tsv) == expected)
    }

    @Test func json() throws {
        let expected = #"""
            [{"Cluster": "gold", "Member": "node-0", "Host": "127.0.0.1:25430", "Role": "Leader", "State": "running", "TL": 2, "Pending restart": "*", "Pending restart reason": "max_connections: 100->101\narchive_command: cp %p /archive/%f->test ! -f /archive/%f && cp %p /archive/%f", "Tags": {"custom": "x0"}}, {"Cluster": "gold", "Member": "node-1", "Host": "127.0.0.1:25431", "Role": "Sync Standby", "State": "streaming", "TL": 2, "Receive LSN": "0/4048C00", "Receive Lag": 0, "Replay LSN": "0/3D6C540", "Replay Lag": 3, "Scheduled restart": "2099-01-01T00:00:00+00:00 if version < 15.4", "Tags": {"custom": "x1", "nofailover": true, "zone": "on"}}, {"Cluster": "gold", "Member": "node-2", "Host": "127.0.0.1:25432", "Role": "Replica", "State": "starting", "Receive LSN": "unknown", "Replay LSN": "unknown", "Tags": {"replicatefrom": "node-1"}}, {"Cluster": "gold", "Member": "node-3", "Host": "127.0.0.1:25433", "Role": "Replica", "State": "streaming", "TL": 1, "Receive LSN": "0/3938700", "Receive Lag": 7, "Replay LSN": "unknown", "Tags": {"replicatefrom": "node-2"}}]
            """#
        #expect(MemberTable(try tree).text(.json) == expected)
    }

    @Test func yaml() throws {
        let expected = #"""
            - Cluster: gold
              Host: 127.0.0.1:25430
              Member: node-0
              Pending restart: '*'
              Pending restart reason: 'max_connections: 100->101

                archive_command: cp %p /archive/%f->test ! -f /archive/%f && cp %p /archive/%f'
              Role: Leader
              State: running
              TL: 2
              Tags:
                custom: x0
            - Cluster: gold
              Host: 127.0.0.1:25431
              Member: node-1
              Receive LSN: 0/4048C00
              Receive Lag: 0
              Replay LSN: 0/3D6C540
              Replay Lag: 3
              Role: Sync Standby
              Scheduled restart: 2099-01-01T00:00:00+00:00 if version < 15.4
              State: streaming
              TL: 2
              Tags:
                custom: x1
                nofailover: true
                zone: 'on'
            - Cluster: gold
              Host: 127.0.0.1:25432
              Member: node-2
              Receive LSN: unknown
              Replay LSN: unknown
              Role: Replica
              State: starting
              Tags:
                replicatefrom: node-1
            - Cluster: gold
              Host: 127.0.0.1:25433
              Member: node-3
              Receive LSN: 0/3938700
              Receive Lag: 7
              Replay LSN: unknown
              Role: Replica
              State: streaming
              TL: 1
              Tags:
                replicatefrom: node-2
            """#
        #expect(MemberTable(try tree).text(.yaml) == expected + "\n")
    }

    @Test func topology() throws {
        let expected = #"""
            + Cluster: gold (7710451765082907510) ----------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+--------------------------------------------+
            | Member       | Host            | Role         | State     | TL | Receive LSN | Lag | Replay LSN | Lag | Pending restart | Pending restart reason               | Scheduled restart                           | Tags                                       |
            +--------------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+--------------------------------------------+
            | node-0       | 127.0.0.1:25430 | Leader       | running   |  2 |             |     |            |     | *               | max_connections: 100->101            |                                             | {custom: x0}                               |
            |              |                 |              |           |    |             |     |            |     |                 | archive_command: [hidden - too long] |                                             |                                            |
            +--------------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+--------------------------------------------+
            | + node-1     | 127.0.0.1:25431 | Sync Standby | streaming |  2 |   0/4048C00 |   0 |  0/3D6C540 |   3 |                 |                                      | 2099-01-01T00:00:00+00:00 if version < 15.4 | {custom: x1, nofailover: true, zone: 'on'} |
            +--------------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+--------------------------------------------+
            |   + node-2   | 127.0.0.1:25432 | Replica      | starting  |    |     unknown |     |    unknown |     |                 |                                      |                                             | {replicatefrom: node-1}                    |
            +--------------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+--------------------------------------------+
            |     + node-3 | 127.0.0.1:25433 | Replica      | streaming |  1 |   0/3938700 |   7 |    unknown |     |                 |                                      |                                             | {replicatefrom: node-2}                    |
            +--------------+-----------------+--------------+-----------+----+-------------+-----+------------+-----+-----------------+--------------------------------------+---------------------------------------------+--------------------------------------------+
             Maintenance mode: on
             Switchover scheduled at: 2099-01-01T12:00:00+01:00
                                from: node-0
                                  to: node-1
            """#
        #expect(MemberTable(try tree).topology == expected)
    }

    @Test func nobodyIsThere() throws {
        var tree = ClusterTree(scope: "gold")
        let expected = #"""
            + Cluster: gold (uninitialized) ----+-------------+-----+------------+-----+-----------------+------------------------+-------------------+------+
            | Member | Host | Role | State | TL | Receive LSN | Lag | Replay LSN | Lag | Pending restart | Pending restart reason | Scheduled restart | Tags |
            +--------+------+------+-------+----+-------------+-----+------------+-----+-----------------+------------------------+-------------------+------+
            +--------+------+------+-------+----+-------------+-----+------------+-----+-----------------+------------------------+-------------------+------+
            """#
        #expect(MemberTable(tree, isExtended: true).text(.pretty) == expected)
        tree.initialize = ""
        #expect(MemberTable(tree).text(.pretty).hasPrefix("+ Cluster: gold (initializing) +-"))
        #expect(
            MemberTable(tree).text(.tsv)
                == "Cluster\tMember\tHost\tRole\tState\tTL\tReceive LSN\tReceive Lag\tReplay LSN\tReplay Lag")
        #expect(MemberTable(tree).text(.json) == "[]")
        #expect(MemberTable(tree).text(.yml) == "[]\n")
    }

    @Test func whatAMemberDoesNotFollowIsShown() throws {
        var tree = try tree
        tree.members[1].record.matriarch = MatriarchPart(configRejected: ["ttl": "'x' must be an integer"])
        let lines = MemberTable(tree).text(.pretty).split(separator: "\n")
        #expect(lines.last == " Configuration rejected by node-1: ttl: 'x' must be an integer")
        #expect(MemberTable(tree).text(.tsv) == MemberTable(try self.tree).text(.tsv))
    }

    @Test func theUsualPortIsNotShownUntilItMustBe() throws {
        var tree = try tree
        for index in tree.members.indices {
            tree.members[index].record.connURL = "postgres://10.0.0.\(index):5432/postgres"
        }
        #expect(MemberTable(tree).text(.tsv).contains("\t10.0.0.1\t"))
        tree.members[1].record.connURL = tree.members[0].record.connURL
        #expect(MemberTable(tree).text(.tsv).contains("\t10.0.0.2:5432\t"))
    }

    @Test func topologyWithoutALeader() throws {
        var tree = try tree
        tree.leader = nil
        let names = MemberTable(tree).topology.split(separator: "\n").compactMap { line in
            line.hasPrefix("|") ? line.firstRange(of: "node-").map { String(line[..<$0.lowerBound]) } : nil
        }
        #expect(names == ["| + ", "| + ", "|   + ", "|     + "])
    }
}
