import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Another leader because somebody wants it: a short pause, no loss, and a request that cannot be met changes nothing.
    @Suite(.serialized, .cluster())
    struct Planned {
        @Test func switchoverPausesAndLosesNothing() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            let answer = try await Rest.ask(before.replicas[0], "switchover", ["leader": .string(before.leader.name)])
            #expect(answer.status == 200, "\(answer.body)")
            let after = try await cluster.whole("led by another") { $0.leader !== before.leader }
            #expect(answer.body == "Successfully switched over to \"\(after.leader.name)\"")
            try await writer.progress(on: after.leader)
            let history = await writer.stop()
            expectOnePrimary(history, "switchover")
            #expect(after.timeline == before.timeline + 1)
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
            #expect(history.invented(present: present).isEmpty)
            try await expectCleared(cluster)
            #expect(before.leader.logText.contains("has the shutdown checkpoint"))
            #expect(!before.leader.logText.contains("pg_rewind"), "a clean hand-over needs no rewind")
        }

        @Test(arguments: [true, false])
        func theCandidateThatIsNamedLeads(asSwitchover: Bool) async throws {
            let (cluster, before) = try await SharedCluster.whole()
            for candidate in before.replicas {
                let roles = try await cluster.whole()
                var body: JSONObject = ["candidate": .string(candidate.name)]
                if asSwitchover { body["leader"] = .string(roles.leader.name) }
                let answer = try await Rest.ask(roles.leader, asSwitchover ? "switchover" : "failover", body)
                #expect(answer.status == 200)
                #expect(
                    answer.body
                        == "Successfully \(asSwitchover ? "switched" : "failed") over to \"\(candidate.name)\"")
                try await cluster.whole("led by \(candidate.name)") { $0.leader === candidate }
            }
            try await expectCleared(cluster)
        }

        @Test func aCandidateThatDoesNotReceiveGivesTheLockBack() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let candidate = try #require(before.replicas.first)
            let receiver = try #require(candidate.backend("walreceiver"))
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress()
            ProcessTable.signal(SIGSTOP, receiver)
            let answer = try await Rest.ask(
                before.leader, "switchover",
                ["leader": .string(before.leader.name), "candidate": .string(candidate.name)])
            ProcessTable.signal(SIGCONT, receiver)
            #expect(answer.status == 503)
            #expect(answer.body == "Switchover failed")
            let after = try await cluster.whole()
            try await writer.progress()
            let history = await writer.stop()
            expectOnePrimary(history, "switchover to a member that does not receive")
            #expect(after.leader === before.leader)
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
            try await expectCleared(cluster)
        }

        @Test func whatCannotBeMeantIsRefused() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let (leader, replica) = (roles.leader.name, roles.replicas[0].name)
            func expect(
                _ path: String, _ body: JSONObject, _ code: Int, _ text: String,
                _ location: SourceLocation = #_sourceLocation
            ) async throws {
                let answer = try await Rest.ask(roles.replicas[0], path, body)
                #expect(answer.status == code, "\(path) \(body)", sourceLocation: location)
                #expect(answer.body.contains(text), "\(path): \(answer.body)", sourceLocation: location)
            }
            try await expect(
                "failover", ["leader": ""], 400, "Failover could be performed only to a specific candidate")
            try await expect(
                "switchover", ["candidate": .string(replica)], 400,
                "Switchover could be performed only from a specific leader")
            let later = "2126-01-01T00:00:00+00:00"
            try await expect(
                "failover", ["candidate": .string(replica), "scheduled_at": .string(later)], 400,
                "Failover can't be scheduled")
            try await expect(
                "switchover", ["leader": .string(leader), "scheduled_at": "2126-01-01T00:00:00"], 400,
                "Timezone information is mandatory for the scheduled switchover")
            try await expect(
                "switchover", ["leader": .string(leader), "scheduled_at": "2016-01-01T00:00:00Z"], 422,
                "Cannot schedule switchover in the past")
            try await expect(
                "switchover", ["leader": .string(leader), "scheduled_at": "tomorrow"], 422,
                "Unable to parse scheduled timestamp")
            try await expect(
                "switchover", ["leader": .string(leader), "candidate": .string(leader)], 400,
                "Switchover target and source are the same")
            try await expect("switchover", ["leader": .string(replica)], 412, "leader name does not match")
            try await expect(
                "switchover", ["leader": .string(leader), "candidate": "nobody"], 412, "candidate does not exists")
            let open = try await HTTPProbe.send(
                "POST", "/switchover", port: roles.leader.restPort, body: "{\"leader\":\"\(leader)\"}")
            #expect(open.status == 401)
            #expect(open.headers["www-authenticate"] == "Basic realm=\"Patroni\"")
            #expect(open.body == "no auth header received")
            #expect(try await cluster.whole().leader === roles.leader)
        }

        @Test func aScheduledSwitchoverHappensAndCanBeTakenBack() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            func schedule(after seconds: Double) async throws -> HTTPAnswer {
                let format = ISO8601DateFormatter()
                format.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
                let moment = format.string(from: Date(timeIntervalSinceNow: seconds))
                return try await Rest.ask(
                    before.leader, "switchover",
                    ["leader": .string(before.leader.name), "scheduled_at": .string(moment)])
            }
            let planned = try await schedule(after: 3600)
            #expect(planned.status == 202)
            #expect(planned.body == "Switchover scheduled")
            try await eventually("the leader waits for it", within: AgentCommand.deadline()) {
                before.leader.logText.contains("Awaiting switchover")
            }
            let deleted = try await Rest.ask(before.leader, "switchover", nil, "DELETE")
            #expect(deleted.status == 200)
            #expect(deleted.body == "scheduled switchover deleted")
            #expect(try await Rest.ask(before.leader, "switchover", nil, "DELETE").status == 404)
            #expect(try await schedule(after: 3).status == 202)
            try await cluster.whole("led by another") { $0.leader !== before.leader }
            try await expectCleared(cluster)
        }

        /// The request is there, the candidate is not: it is taken back, and the leader stays.
        @Test func aRequestWrittenByHandForNobodyIsTakenBack() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            for request in [
                "{\"leader\":\"nobody\"}", "{\"member\":\"nobody\"}", "{\"member\":\"\(before.leader.name)\"}",
            ] {
                try await ClusterTree.with(cluster) { try await $0.set("failover", request) }
                try await expectCleared(cluster)
            }
            let after = try await cluster.whole()
            #expect(after.leader === before.leader)
            #expect(after.timeline == before.timeline)
        }
    }
}

/// The request for another leader was met or refused, and is gone.
func expectCleared(_ cluster: TestCluster, within deadline: Duration = AgentCommand.deadline()) async throws {
    try await eventually("the request is cleared", within: deadline) {
        try await ClusterTree.with(cluster) { try await $0.text("failover") } == "{}"
    }
}

/// Requests of an operator, with the cluster's name and password.
enum Rest {
    static func ask(
        _ node: ClusterNode, _ path: String, _ body: JSONObject?, _ method: String = "POST"
    ) async throws -> HTTPAnswer {
        let password = Data("admin:\(ClusterSettings().passwords.rest)".utf8).base64EncodedString()
        return try await HTTPProbe.send(
            method, "/\(path)", port: node.restPort, body: body.map { JSONValue.object($0).text(.compact) },
            headers: ["Authorization": "Basic \(password)"], within: .seconds(45))
    }
}
