import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests.Views {
    /// Patroni 4.1.5's own command line reads our znodes and shows what it would of its own cluster.
    @Test func patronictlListsTheCluster() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let rows = try JSONParser.parse(try await patronictl(cluster, "list", "--format", "json")).asArray ?? []
        #expect(rows.compactMap { $0["Member"]?.asString } == cluster.nodes.map(\.name))
        for row in rows {
            let isLeader = row["Member"]?.asString == roles.leader.name
            #expect(row["Cluster"]?.asString == cluster.scope)
            #expect(row["Role"]?.asString == (isLeader ? "Leader" : "Replica"))
            #expect(row["State"]?.asString == (isLeader ? "running" : "streaming"))
            #expect(row["TL"]?.asInt == Int64(roles.timeline))
            let node = try cluster[row["Member"]?.asString ?? ""]
            #expect(row["Host"]?.asString == "127.0.0.1:\(node.port)")
            if !isLeader { #expect(row["Receive LSN"]?.asString?.contains("/") == true) }
        }
        #expect(rows.first { $0["Member"] == "member-b" }?["Tags"]?["zone"] == "north")
    }

    @Test func patronictlDrawsTheTopology() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let identifier = try await roles.leader.query("SELECT system_identifier::text AS id FROM pg_control_system()")
            .first().text("id")
        let drawn = try await patronictl(cluster, "topology").split(separator: "\n").map(String.init)
        #expect(drawn.first?.contains("Cluster: \(cluster.scope) (\(identifier))") == true)
        let members = drawn.filter { $0.hasPrefix("| ") }.dropFirst()
            .compactMap { $0.split(separator: "|").first.map(String.init) }
            .map { " " + $0.trimmingCharacters(in: .whitespaces) }
        #expect(members.first == " \(roles.leader.name)")
        #expect(Set(members.dropFirst()) == Set(roles.replicas.map { " + \($0.name)" }))
    }

    /// It writes the znode by itself, and every server follows.
    @Test func patronictlEditsTheConfiguration() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let before = try await ClusterTree.with(cluster) { try await $0.object("config") }
        let postmasters = cluster.nodes.map(\.postmaster)
        let changes = ["-s", "maximum_lag_on_failover=2097152", "-p", "work_mem=7MB", "-p", "app.zone=north"]
        let edited = try await patronictl(cluster, ["edit-config", "--force"] + changes)
        #expect(edited.contains("+maximum_lag_on_failover: 2097152"))
        #expect(edited.hasSuffix("Configuration changed\n"))
        #expect(try await patronictl(cluster, ["edit-config", "--force"] + changes) == "Not changed\n")
        let shown = try await patronictl(cluster, "show-config").split(separator: "\n").map(String.init)
        for line in ["maximum_lag_on_failover: 2097152", "    app.zone: north", "    work_mem: 7MB", "ttl: 6"] {
            #expect(shown.contains(line), "\(line) in \(shown)")
        }
        for node in [roles.leader] + roles.replicas {
            try await expect(node, "work_mem", "7MB")
            try await expect(node, "app.zone", "north")
            let known = try await HTTPProbe.send("GET", "/config", port: node.restPort)
            #expect(try JSONParser.parse(known.body)["maximum_lag_on_failover"] == 2_097_152)
        }
        // By the other way, and back by the first: what is no longer in the document falls back to its default.
        let patched = try await Rest.ask(
            roles.replicas[0], "config", ["postgresql": ["parameters": ["work_mem": "9MB"]]], "PATCH")
        #expect(patched.status == 200)
        for node in cluster.nodes { try await expect(node, "work_mem", "9MB") }
        try await patronictl(
            cluster, "edit-config", "--force", "-q", "-s", "maximum_lag_on_failover=1048576", "-p", "work_mem=null",
            "-p",
            "app.zone=null")
        #expect(try await ClusterTree.with(cluster) { try await $0.object("config") }.deepEquals(before))
        for node in cluster.nodes { try await expect(node, "work_mem", "4MB") }
        let after = try await cluster.whole()
        #expect(after.leader === roles.leader && after.timeline == roles.timeline)
        #expect(cluster.nodes.map(\.postmaster) == postmasters, "nobody was restarted")
    }

    private func expect(_ node: ClusterNode, _ setting: String, _ value: String) async throws {
        try await eventually("\(node.name) has \(setting) = \(value)", within: AgentCommand.deadline()) {
            try await node.query("SELECT current_setting('\(setting)', true) AS value").first()["value"] == value
        }
    }
}
