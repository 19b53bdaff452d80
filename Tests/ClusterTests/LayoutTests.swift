import AdminModel
import Foundation
import LibPQ
import Support
import Testing
import ZooKeeper

extension ClusterTests {
    /// What a healthy cluster shows to whoever looks: znodes, REST, the unmodified command line of Patroni.
    ///
    /// member-b has its passwords from the environment and a tag of its own; member-c may neither lead nor serve reads.
    @Suite(
        .serialized,
        .cluster {
            $0.tags = [
                "member-b": ["clonefrom: true", "zone: north"],
                "member-c": ["nofailover: true", "noloadbalance: true"],
            ]
            $0.passwordsInEnvironment = ["member-b"]
        })
    struct Views {}
}

extension ClusterTests.Views {
    /// Keys that this project adds at the end of a record, and that others pass over.
    private static let own: Set<String> = ["matriarch"]

    @Test func emptyFoldersBecameACluster() async throws {
        let (cluster, _) = try await SharedCluster.whole()
        let first = cluster.nodes.filter { $0.logText.contains("initialized a new cluster") }
        #expect(first.count == 1)
        #expect(first.first?.logText.contains("trying to bootstrap a new cluster") == true)
        #expect(first.first?.name != "member-c", "it may not lead")
        for node in cluster.nodes where node !== first.first {
            #expect(node.logText.contains("trying to bootstrap from "), "\(node.name)")
        }
    }

    @Test func membersHaveTheKeysInTheirOrder() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        try await ClusterTree.with(cluster) { tree in
            for node in cluster.nodes {
                let isLeader = node === roles.leader
                let tags = cluster.settings.tags[node.name] == nil ? [] : ["tags"]
                let positions =
                    isLeader ? ["xlog_location"] : ["xlog_location", "replay_lsn", "receive_lsn", "replication_state"]
                let expected = ["conn_url", "api_url", "state", "role", "version"] + tags + positions + ["timeline"]
                try await eventually("the record of \(node.name) has \(expected)", within: AgentCommand.deadline()) {
                    try await tree.object("members/\(node.name)").keys.filter { !Self.own.contains($0) } == expected
                }
                let member = try await tree.object("members/\(node.name)")
                #expect(member.keys.drop { !Self.own.contains($0) }.allSatisfy { Self.own.contains($0) })
                #expect(member["conn_url"]?.asString == "postgres://127.0.0.1:\(node.port)/postgres")
                #expect(member["api_url"]?.asString == "http://127.0.0.1:\(node.restPort)/patroni")
                #expect(member["state"] == "running")
                #expect(member["role"]?.asString == (isLeader ? "primary" : "replica"))
                #expect(member["version"] == "4.1.5")
                #expect(member["timeline"]?.asInt == Int64(roles.timeline))
                #expect((member["xlog_location"]?.asInt ?? 0) > 0)
                if !isLeader { #expect(member["replication_state"] == "streaming") }
            }
            #expect(try await tree.object("members/member-b")["tags"]?["zone"] == "north")
            #expect(try await tree.object("members/member-c")["tags"]?["nofailover"] == true)
        }
    }

    @Test func theOtherZnodesHaveTheirForm() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let identifier = try await roles.leader.query("SELECT system_identifier::text AS id FROM pg_control_system()")
            .first().text("id")
        try await ClusterTree.with(cluster) { tree in
            let leader = try #require(try await tree.get("leader"))
            #expect(leader.text == roles.leader.name)
            let member = try #require(try await tree.get("members/\(roles.leader.name)"))
            #expect(leader.stat.ephemeralOwner != nil)
            #expect(leader.stat.ephemeralOwner == member.stat.ephemeralOwner)
            #expect(try await tree.text("initialize") == identifier)

            let config = try await tree.object("config")
            let written = ["ttl", "loop_wait", "retry_timeout", "maximum_lag_on_failover", "postgresql"]
            #expect(config.keys == written)
            #expect(config["postgresql"]?.asObject?.keys == ["use_pg_rewind", "use_slots"])
            #expect(config["loop_wait"]?.asInt == 1)

            let slots = cluster.nodes.map { $0.name.replacing("-", with: "_") }.sorted()
            let status = try await eventually("status names every slot", within: AgentCommand.deadline()) {
                let status = try await tree.object("status")
                let kept = status["retain_slots"]?.asArray?.compactMap(\.asString) ?? []
                // Members that were there within the last half hour keep theirs.
                return kept == kept.sorted() && Set(kept).isSuperset(of: slots) ? status : nil
            }
            #expect(status.keys == ["optime", "slots", "retain_slots"])
            #expect((status["optime"]?.asInt ?? 0) > 0)
            let positions = status["slots"]?.asObject?.keys ?? []
            #expect(Set(positions).isSuperset(of: slots))
            // Never switched on: absent, or the empty object.
            let sync = try await tree.text("sync")
            #expect(sync == nil || sync == "{}")
            let lines = try await tree.lines("history")
            #expect(lines.count == Int(roles.timeline) - 1)
        }
    }

    @Test func theLeaderHasASlotForEachMember() async throws {
        let (_, roles) = try await SharedCluster.whole()
        let names = roles.replicas.map { $0.name.replacing("-", with: "_") }.sorted()
        try await eventually("active slots \(names) on \(roles.leader.name)", within: AgentCommand.deadline()) {
            let slots = try await roles.leader.query(
                "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'physical' AND active ORDER BY 1")
            return slots.rows.compactMap { $0["slot_name"] } == names
        }
    }

    /// What PATCH or an editor wrote is kept beside the data, for a start without ZooKeeper's word.
    @Test func theDynamicConfigurationIsKept() async throws {
        let (cluster, _) = try await SharedCluster.whole()
        try await cluster.configure("maximum_lag_on_syncnode", 7_340_033)
        for node in cluster.nodes {
            try await eventually("\(node.name) keeps the new key", within: AgentCommand.deadline()) {
                let file = "\(node.dataDirectory)/patroni.dynamic.json"
                guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return false }
                return try JSONParser.parse(text)["maximum_lag_on_syncnode"]?.asInt == 7_340_033
            }
        }
        try await cluster.configure("maximum_lag_on_syncnode", nil)
    }
}
