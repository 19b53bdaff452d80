import AdminModel
import Foundation
import Support
import Testing

private let actions = ["on_start", "on_stop", "on_restart", "on_reload", "on_role_change"]

/// Every command writes to a file of its member what it was told.
private func recording(_ settings: inout ClusterSettings) {
    settings.postgres = { place in
        let script = ClusterSettings.quoted("sh -c 'echo \"$1 $2\" >>\(place.folder)/told' callback")
        let asked = ClusterSettings.quoted(
            "sh -c 'echo asked >>\(place.folder)/asked; test ! -e \(place.folder)/refuse'")
        let stopping = ClusterSettings.quoted("sh -c 'echo stopping >>\(place.folder)/stopping'")
        return ["callbacks:"] + actions.map { "  \($0): \(script)" }
            + ["pre_promote: \(asked)", "before_stop: \(stopping)"]
    }
}

extension ClusterTests {
    /// What the user's commands are told, and when. With Patroni in the agent's place the same is told.
    @Suite(.serialized, .cluster(.shared, recording)) struct Callbacks {
        private func file(_ node: ClusterNode, _ name: String) -> String {
            (try? String(contentsOfFile: "\(node.place.folder)/\(name)", encoding: .utf8)) ?? ""
        }

        /// Reloads apart: how often a configuration is read again is nobody's promise.
        private func told(_ node: ClusterNode) -> [String] {
            file(node, "told").split(separator: "\n").map(String.init).filter { !$0.hasPrefix("on_reload") }
        }

        private func forget(_ cluster: TestCluster) throws {
            for node in cluster.nodes {
                for name in ["told", "asked", "stopping"] {
                    try? FileManager.default.removeItem(atPath: "\(node.place.folder)/\(name)")
                }
            }
        }

        private func expect(
            _ words: String, _ node: ClusterNode, _ expected: [String],
            _ location: SourceLocation = #_sourceLocation
        ) async throws {
            do {
                try await eventually("\(node.name) was told of \(words)", within: AgentCommand.deadline()) {
                    told(node) == expected
                }
            } catch {
                Issue.record("\(words): \(node.name) was told \(told(node)), not \(expected)", sourceLocation: location)
            }
        }

        /// One after the other, so that the end of one is the beginning of the next.
        @Test func aClustersLife() async throws {
            let (cluster, first) = try await SharedCluster.whole()
            try await expect("its bootstrap", first.leader, ["on_start primary"])
            for node in first.replicas { try await expect("its start", node, ["on_start replica"]) }

            try forget(cluster)
            let answer = try await Rest.ask(first.leader, "switchover", ["leader": .string(first.leader.name)])
            #expect(answer.status == 200, "\(answer.body)")
            let second = try await cluster.whole("after the switchover") { $0.leader !== first.leader }
            try await expect("the switchover", second.leader, ["on_role_change primary"])
            try await expect("the switchover", first.leader, ["on_stop primary", "on_role_change replica"])
            let bystander = try #require(second.replicas.first { $0 !== first.leader })
            try await expect("another's switchover", bystander, [])
            #expect(file(second.leader, "asked") == "asked\n")
            #expect(file(first.leader, "stopping") == "stopping\n")

            try forget(cluster)
            try second.leader.kill(\.postmaster, "postmaster")
            let third = try await cluster.whole("restarted") { $0.timeline >= second.timeline }
            #expect(third.leader === second.leader)
            try await expect("the crash", third.leader, ["on_start primary"])
            #expect(file(third.leader, "stopping") == "")

            try forget(cluster)
            try await third.leader.kill()
            let left = cluster.nodes.filter { $0 !== third.leader }
            let fourth = try await cluster.whole("without the former leader", members: left)
            try await expect("the failover", fourth.leader, ["on_role_change primary"])
            try third.leader.start()
            let fifth = try await cluster.whole("with all")
            // Once more when its WAL has to be rewound first.
            try await eventually("\(third.leader.name) was told of its return", within: AgentCommand.deadline()) {
                let told = told(third.leader)
                return told == ["on_start replica"]
                    || told == ["on_start replica", "on_stop replica", "on_start replica"]
            }

            try forget(cluster)
            let replica = fifth.replicas[0]
            try await replica.stop()
            try await expect("its end", replica, ["on_stop replica"])
            try replica.start()
            try await cluster.whole("with all again")
            try await expect("its end and start", replica, ["on_stop replica", "on_start replica"])
            #expect(file(replica, "stopping") == "stopping\n")
        }

        /// Patroni's own command line restarts a replica and the leader.
        @Test func aRestartIsTold() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            for (node, role) in [(roles.replicas[0], "replica"), (roles.leader, "primary")] {
                try forget(cluster)
                let postmaster = node.postmaster
                try await patronictl(cluster, "restart", "--force", cluster.scope, node.name)
                #expect(node.postmaster != postmaster)
                try await expect("its restart", node, ["on_restart \(role)"])
                let after = try await cluster.whole("after the restart of \(node.name)")
                #expect(after.leader === roles.leader)
                for other in cluster.nodes where other !== node { #expect(told(other).isEmpty) }
            }
        }

        @Test func aReloadIsTold() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let node = roles.replicas[0]
            let text = node.configuration
            try forget(cluster)
            try node.write(configuration: text.replacing("fsync: false", with: "fsync: false\n    work_mem: 9MB"))
            ProcessTable.signal(SIGHUP, try #require(node.supervisor))
            try await eventually("\(node.name) was told of the reload", within: AgentCommand.deadline()) {
                file(node, "told").contains("on_reload replica")
            }
            #expect(told(node).isEmpty)
            try node.write(configuration: text)
            ProcessTable.signal(SIGHUP, try #require(node.supervisor))
        }

        /// Who is chosen and whose script says no lets the lock go, and another leads.
        @Test func whoseScriptRefusesDoesNotLead() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            try forget(cluster)
            let refusing = roles.replicas[0]
            _ = FileManager.default.createFile(atPath: "\(refusing.place.folder)/refuse", contents: nil)
            defer { try? FileManager.default.removeItem(atPath: "\(refusing.place.folder)/refuse") }
            let writer = try await AcknowledgedWriter(cluster, leader: roles.leader)
            writer.start()
            try await writer.progress()
            _ = try await Rest.ask(
                roles.leader, "switchover",
                ["leader": .string(roles.leader.name), "candidate": .string(refusing.name)])
            try await eventually("the script was asked", within: AgentCommand.deadline()) {
                file(refusing, "asked") == "asked\n"
            }
            let after = try await cluster.whole("led by one whose script agrees") { $0.leader !== refusing }
            try await writer.progress(on: after.leader)
            let history = await writer.stop()
            expectOnePrimary(history, "a script that refuses")
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
            #expect(refusing.logText.contains("Promotion cancelled because the pre-promote script failed"))
        }
    }
}
