import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// What an operator wants of one member's PostgreSQL: restart, now, later or because a setting waits; reinitialize.
    @Suite(.serialized, .cluster()) struct Orders {
        @Test func aRestartedLeaderStaysLeader() async throws {
            let scene = try await Scenario.begin()
            let postmasters = scene.cluster.nodes.map(\.postmaster)
            let said = try await patronictl(
                scene.cluster, "restart", "--force", scene.cluster.scope, scene.leader.name)
            #expect(said.contains("Success: restart on member \(scene.leader.name)"), "\(said)")
            let after = try await scene.cluster.whole()
            #expect(after.leader === scene.leader && after.timeline == scene.before.timeline)
            try await scene.writer.progress(on: after.leader)
            let history = try await scene.end(after, "a restart of the leader")
            #expect(history.lost(present: try await scene.writer.present(on: after.leader)).isEmpty)
            for (node, before) in zip(scene.cluster.nodes, postmasters) {
                #expect((node.postmaster == before) == (node !== scene.leader), "\(node.name)")
            }
        }

        @Test func replicasRestartOneByOne() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let leader = roles.leader.postmaster
            let said = try await patronictl(cluster, "restart", "--force", "-r", "replica", cluster.scope)
            for replica in roles.replicas {
                #expect(said.contains("Success: restart on member \(replica.name)"), "\(said)")
            }
            let after = try await cluster.whole()
            #expect(after.leader === roles.leader && roles.leader.postmaster == leader)
        }

        @Test func conditionsThatDoNotHoldChangeNothing() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let postmasters = cluster.nodes.map(\.postmaster)
            let conditions: [JSONObject] = [
                ["role": "primary"], ["postgres_version": "15.0"], ["restart_pending": true],
            ]
            for condition in conditions {
                let answer = try await Rest.ask(roles.replicas[0], "restart", condition)
                #expect(answer.status == 503)
                #expect(answer.body == "restart conditions are not satisfied")
            }
            let refusals: [(JSONObject, Int, String)] = [
                (["role": "master"], 400, "PostgreSQL role should be either primary, standby_leader, or replica"),
                (
                    ["postgres_version": "15"], 400,
                    "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 15"
                ),
                (["postgres_version": "x.1"], 400, "Invalid PostgreSQL version: x.1"),
                (["timeout": 0], 400, "Timeout should be a positive number of seconds"),
                (["when": "now"], 400, "Unknown filter for the scheduled restart: when"),
                (["schedule": "2016-01-01T00:00:00Z"], 422, "Cannot schedule restart in the past"),
                (
                    ["schedule": "2116-01-01T00:00:00"], 400,
                    "Timezone information is mandatory for the scheduled restart"
                ),
            ]
            for (body, code, text) in refusals {
                let answer = try await Rest.ask(roles.replicas[0], "restart", body)
                #expect(answer.status == code, "\(body)")
                #expect(answer.body == text)
            }
            let open = try await HTTPProbe.send("POST", "/restart", port: roles.leader.restPort, body: "{}")
            #expect(open.status == 401)
            #expect(cluster.nodes.map(\.postmaster) == postmasters)
        }

        @Test func aPlannedRestartHappensOnceAndCanBeTakenBack() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let replica = roles.replicas[0]
            func plan(_ seconds: Double, _ words: String) async throws {
                let format = ISO8601DateFormatter()
                let said = try await patronictl(
                    cluster, "restart", "--force", "--scheduled",
                    format.string(from: Date(timeIntervalSinceNow: seconds)), cluster.scope, replica.name)
                #expect(said.contains(words), "\(said)")
            }
            try await plan(3600, "Success: restart scheduled on member \(replica.name)")
            try await eventually("the plan is shown", within: AgentCommand.deadline()) {
                try await patronictl(cluster, "list").contains("Scheduled restart")
            }
            let again = try await Rest.ask(replica, "restart", ["schedule": "2126-01-01T00:00:00+00:00"])
            #expect(again.status == 409)
            #expect(again.body == "Another restart is already scheduled")
            let flushed = try await patronictl(cluster, "flush", "--force", cluster.scope, replica.name, "restart")
            #expect(flushed.contains("Success: flush scheduled restart for member \(replica.name)"), "\(flushed)")
            let postmaster = try #require(replica.postmaster)
            try await plan(3, "Success: restart scheduled on member \(replica.name)")
            try await eventually("\(replica.name) was restarted", within: AgentCommand.deadline()) {
                replica.postmaster.map { $0 != postmaster } ?? false
            }
            try await cluster.whole()
            #expect(try await Rest.ask(replica, "restart", nil, "DELETE").status == 404)
        }

        /// A setting that only a start takes shows as pending, with both values, until the restart.
        @Test func whatWaitsForARestartIsShownUntilItCame() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            func pending(_ node: ClusterNode) async throws -> JSONValue? {
                let status = try JSONParser.parse(
                    try await HTTPProbe.send("GET", "/patroni", port: node.restPort).body)
                return status["pending_restart"] == true ? status["pending_restart_reason"] : nil
            }
            try await patronictl(
                cluster, "edit-config", "--force", "-q", "-p", "max_connections=103", "-p", "wal_buffers=2MB")
            for node in cluster.nodes {
                try await eventually("\(node.name) waits for a restart", within: AgentCommand.deadline()) {
                    try await pending(node)?["max_connections"]
                        == ["old_value": "100", "new_value": "103"]
                }
                #expect(try await pending(node)?["wal_buffers"]?["new_value"] == "2MB")
            }
            try await eventually("the list shows it", within: AgentCommand.deadline()) {
                let list = try await patronictl(cluster, "list", "--format", "json")
                return (try JSONParser.parse(list).asArray ?? []).allSatisfy { $0["Pending restart"] == "*" }
            }
            // The primary first: a standby must not have fewer connections than its primary had.
            for node in [roles.leader] + roles.replicas {
                let said = try await patronictl(
                    cluster, "restart", "--force", "--pending", cluster.scope, node.name)
                #expect(said.contains("Success: restart on member \(node.name)"), "\(said)")
                #expect(try await node.query("SHOW max_connections").first()["max_connections"] == "103")
                try await eventually("\(node.name) waits for nothing", within: AgentCommand.deadline()) {
                    try await pending(node) == nil
                }
            }
            let metrics = try await HTTPProbe.send("GET", "/metrics", port: roles.leader.restPort).body
            #expect(
                metrics.contains("patroni_pending_restart{scope=\"\(cluster.scope)\",name=\"\(roles.leader.name)\"} 0"))
            let after = try await cluster.whole()
            #expect(after.leader === roles.leader && after.timeline == roles.timeline)
            try await patronictl(
                cluster, "edit-config", "--force", "-q", "-p", "max_connections=null", "-p", "wal_buffers=null")
            try await patronictl(cluster, "restart", "--force", cluster.scope)
            try await cluster.whole()
        }

        @Test func aReplicaIsMadeAnew() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let replica = roles.replicas[0]
            try FileManager.default.createDirectory(
                atPath: replica.dataDirectory + "/left-behind", withIntermediateDirectories: true)
            let said = try await patronictl(
                cluster, "reinit", "--force", "--wait", cluster.scope, replica.name)
            #expect(said.contains("Success: reinitialize for member \(replica.name)"), "\(said)")
            #expect(said.contains("Reinitialize is completed on: \(replica.name)"), "\(said)")
            let after = try await cluster.whole()
            #expect(after.leader === roles.leader)
            #expect(!FileManager.default.fileExists(atPath: replica.dataDirectory + "/left-behind"))
            let refused = try await Rest.ask(roles.leader, "reinitialize", [:])
            #expect(refused.status == 503)
            #expect(refused.body == "I am the leader, can not reinitialize")
        }
    }
}
