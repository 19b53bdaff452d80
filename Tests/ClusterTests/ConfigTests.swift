import AdminModel
import Foundation
import LibPQ
import Support
import Testing
import ZooKeeper

extension ClusterTests {
    /// The cluster's document, changed by every way there is: REST, Patroni's command line, by hand.
    @Suite(.serialized, .cluster()) struct Configuration {
        @Test func whatOneMemberIsToldAllFollow() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let before = try await ClusterTree.with(cluster) { try await $0.object("config") }
            let answer = try await Rest.ask(roles.replicas[0], "config", ["loop_wait": 2, "note": ["a": 1]], "PATCH")
            #expect(answer.status == 200, "\(answer.body)")
            var expected = before
            expected["loop_wait"] = 2
            expected["note"] = ["a": 1]
            #expect(answer.body == JSONValue.object(expected).text(.spaced))
            #expect(try await stored(cluster) == JSONValue.object(expected).text(.compact))
            for node in cluster.nodes {
                try await eventually("\(node.name) shows it", within: AgentCommand.deadline()) {
                    try await HTTPProbe.send("GET", "/config", port: node.restPort).body == answer.body
                }
            }
            let put = try await Rest.ask(roles.leader, "config", before, "PUT")
            #expect(put.status == 200)
            #expect(put.body == JSONValue.object(before).text(.spaced))
            #expect(try await stored(cluster) == JSONValue.object(before).text(.compact))
            let version = try await version(cluster)
            #expect(try await Rest.ask(roles.leader, "config", before, "PUT").status == 200)
            #expect(try await Rest.ask(roles.leader, "config", ["note": nil], "PATCH").status == 200)
            #expect(try await self.version(cluster) == version, "nothing changed, nothing was written")
        }

        /// Each adds a key of its own and tries again while somebody is faster: none may take away another's.
        @Test func nobodyLosesAChangeToAnother() async throws {
            let (cluster, _) = try await SharedCluster.whole()
            let conflicts = try await withThrowingTaskGroup(of: Int.self) { group in
                for (number, node) in (cluster.nodes + cluster.nodes + cluster.nodes).enumerated() {
                    group.addTask {
                        var conflicts = 0
                        try await eventually("change \(number) is taken", within: AgentCommand.deadline()) {
                            let answer = try await Rest.ask(
                                node, "config", ["notes": ["n\(number)": .int(Int64(number))]], "PATCH")
                            if answer.status == 200 { return true }
                            try #require(answer.status == 409, "\(answer.body)")
                            conflicts += 1
                            return false
                        }
                        return conflicts
                    }
                }
                return try await group.reduce(0, +)
            }
            report("\(conflicts) conflicts")
            let notes = try await ClusterTree.with(cluster) { try await $0.object("config") }["notes"]?.asObject
            #expect(notes?.count == 9, "\(String(describing: notes?.keys))")
            try await cluster.configure("notes", nil)
        }

        @Test func whatCannotBeFollowedChangesNothing() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let before = try await version(cluster)
            let failsafe = try await Rest.ask(roles.leader, "config", ["failsafe_mode": true], "PATCH")
            #expect(failsafe.status == 400)
            #expect(failsafe.body.contains("failsafe_mode"))
            let open = try await HTTPProbe.send("PATCH", "/config", port: roles.leader.restPort, body: "{\"ttl\":9}")
            #expect(open.status == 401)
            #expect(try await version(cluster) == before)
        }

        /// A changed file is followed by SIGHUP and by POST /reload; one that does not hold is not, and PostgreSQL runs on.
        @Test func aChangedFileIsReadAgain() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            for (node, isSignalled) in [(roles.leader, true), (roles.replicas[0], false)] {
                let file = node.configuration
                let postmaster = node.postmaster
                func reload() async throws {
                    if isSignalled {
                        ProcessTable.signal(SIGHUP, try #require(node.supervisor))
                    } else {
                        let answer = try await Rest.ask(node, "reload", nil)
                        #expect(answer.status == 202)
                        #expect(answer.body == "reload scheduled")
                    }
                }
                func expect(_ workMem: String) async throws {
                    try await eventually("\(node.name) has work_mem \(workMem)", within: AgentCommand.deadline()) {
                        try await node.query("SHOW work_mem").first()["work_mem"] == workMem
                    }
                }
                let changed =
                    file.replacing("fsync: false", with: "fsync: false\n    work_mem: 11MB") + "\ntags: {rack: r1}\n"
                try node.write(configuration: changed)
                try await reload()
                try await expect("11MB")
                try await eventually("\(node.name) publishes its tag", within: AgentCommand.deadline()) {
                    try await ClusterTree.with(cluster) { try await $0.object("members/\(node.name)") }["tags"]
                        == ["rack": "r1"]
                }
                let log = node.logText
                try node.write(configuration: changed.replacing("11MB", with: "12MB") + "restapi: nonsense\n")
                try await reload()
                try await eventually("\(node.name) says why not", within: AgentCommand.deadline()) {
                    node.logText(since: log).contains("the local configuration stays as it was")
                }
                try node.write(configuration: file)
                try await reload()
                try await expect("4MB")
                #expect(!node.logText(since: log).contains("restart of the agent"))
                #expect(node.postmaster == postmaster)
            }
            let after = try await cluster.whole()
            #expect(after.leader === roles.leader && after.timeline == roles.timeline)
        }

        private func stored(_ cluster: TestCluster) async throws -> String? {
            try await ClusterTree.with(cluster) { try await $0.text("config") }
        }

        private func version(_ cluster: TestCluster) async throws -> Version? {
            try await ClusterTree.with(cluster) { try await $0.get("config") }?.stat.version
        }
    }
}
