import AdminModel
import Foundation
import Support
import Testing

extension ClusterTests.Control {
    @Test func editing() async throws {
        let both = try await BothTools(try await SharedCluster.whole().0)
        let original = try await configuration(both)
        let patch = try both.cluster.folder.write(
            "patch.yml", "maximum_lag_on_failover: 7\npostgresql:\n  use_slots: null\n  parameters: {x.y: 'on'}\n")
        let edits: [[String]] = [
            [
                "-s", "maximum_lag_on_failover=2097152", "-s", "a.b.c=[1, x]", "-p", "work_mem=7MB", "-p",
                "app.zone=north",
            ],
            ["-q", "-s", "loop_wait=2"], ["--apply", patch], ["--apply", patch, "-s", "ttl=9"], ["--replace", patch],
            ["-s", "ttl=\(original["ttl"]?.asInt ?? 0)"],
        ]
        for edit in edits {
            var outputs: [CommandLineTool.Output] = []
            var results: [JSONObject] = []
            for tool in [both.ours, both.theirs] {
                outputs.append(try await both.run(tool, ["edit-config", "--force"] + edit))
                results.append(try await configuration(both))
                let whole = try both.cluster.folder.write("original.yml", JSONValue.object(original).text(.spaced))
                _ = try await both.run(both.ours, ["edit-config", "-q", "--force", "--replace", whole])
                #expect(try await configuration(both).deepEquals(original))
            }
            #expect(outputs[0] == outputs[1], "\(edit)")
            #expect(results[0].deepEquals(results[1]), "\(edit)")
            #expect(outputs[0].code == 0)
        }
        try await both.agree("edit-config", "-s", "ttl", code: 1)
        try await both.agree("edit-config", "-s", "loop_wait=5", input: "n\n")
        try await both.agree("edit-config", "--apply", "-", input: "loop_wait: 5\n")
        try await both.agree("edit-config", "--apply", "-", "-s", "ttl=12", "-q", input: "loop_wait: 5\n")
        try await both.agree("edit-config", "no-such-cluster", "-s", "ttl=9", code: 1)
        #expect(try await configuration(both).deepEquals(original))
    }

    /// The editor is the user's: it may have arguments, and what it leaves is asked about.
    @Test func editingByHand() async throws {
        var both = try await BothTools(try await SharedCluster.whole().0)
        let original = try await configuration(both)
        both.environment["EDITOR"] = "sed -i s/loop_wait:.*/loop_wait:\\ 4/"
        let edited = try await both.run(both.ours, ["edit-config"], input: "y\n")
        #expect(edited.code == 0 && edited.out.hasSuffix("Apply these changes? [y/N]: Configuration changed\n"))
        #expect(edited.out.contains("\n-loop_wait: 1\n+loop_wait: 4\n"))
        #expect(try await configuration(both)["loop_wait"] == 4)
        both.environment["EDITOR"] = "sed -i s/loop_wait:.*/loop_wait:\\ 1/"
        _ = try await both.run(both.ours, ["edit-config"], input: "y\n")
        #expect(try await configuration(both).deepEquals(original))
        both.environment["EDITOR"] = "false"
        try await both.agree("edit-config", code: 1)
    }

    /// Whoever changes the configuration while another one edits it is not overwritten.
    @Test func editingMeetsAnotherChange() async throws {
        var both = try await BothTools(try await SharedCluster.whole().0)
        let original = try await configuration(both)
        let (scope, hosts) = (both.cluster.scope, both.cluster.zooKeeperHosts)
        let script = try both.cluster.folder.write(
            "editor.sh",
            """
            #!/bin/sh
            '\(both.ours.executable)' -d zookeeper://\(hosts) edit-config \(scope) -q --force -s loop_wait=3 >/dev/null
            sed -i s/loop_wait:.*/loop_wait:\\ 4/ "$1"
            """, mode: 0o755)
        both.environment["EDITOR"] = script
        let edited = try await both.run(both.ours, ["edit-config"], input: "y\n")
        #expect(edited.code == 1)
        #expect(edited.error == "Error: Config modification aborted due to concurrent changes\n")
        #expect(try await configuration(both)["loop_wait"] == 3)
        _ = try await both.run(both.ours, ["edit-config", "-q", "--force", "-s", "loop_wait=1"])
        #expect(try await configuration(both).deepEquals(original))
    }

    /// What somebody wrote by whatever way and the members do not follow, `list` names below its table.
    @Test(.disabled(if: AgentCommand.isForeign, "Patroni's members do not say it"))
    func whatIsRejectedIsShown() async throws {
        let both = try await BothTools(try await SharedCluster.whole().0)
        _ = try await both.run(both.ours, ["edit-config", "-q", "--force", "-s", "primary_start_timeout=soon"])
        let lines = try await eventually("every member says so", within: AgentCommand.deadline()) {
            let lines = try await both.run(both.ours, ["list"]).out.split(separator: "\n")
            let said = lines.filter { $0.hasPrefix(" Configuration rejected by member-") }
            return said.count == 3 ? said : nil
        }
        #expect(lines[0].hasPrefix(" Configuration rejected by member-a: primary_start_timeout: 'soon' must be "))
        #expect(try await both.run(both.theirs, ["list"]).code == 0)
        _ = try await both.run(both.ours, ["edit-config", "-q", "--force", "-s", "primary_start_timeout=null"])
        try await eventually("nobody rejects anything", within: AgentCommand.deadline()) {
            try await !both.run(both.ours, ["list"]).out.contains("rejected")
        }
    }

    @Test func reloading() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let both = try await BothTools(cluster)
        try await both.agree("reload", cluster.scope, "--force", inAnyOrder: true)
        try await both.agree("reload", cluster.scope, roles.replicas[0].name, input: "y\n")
        try await both.agree("reload", cluster.scope, "-r", "leader", input: "yes\n")
    }

    @Test(arguments: ["switchover", "failover"])
    func anotherLeader(action: String) async throws {
        let cluster = try await SharedCluster.whole().0
        let both = try await BothTools(cluster)
        let success = action == "switchover" ? "Successfully switched over to" : "Successfully failed over to"
        var outputs: [CommandLineTool.Output] = []
        for tool in [both.theirs, both.ours] {
            // On a busy machine the candidate may be late with the last WAL: then the leader takes the request back.
            let (output, target) = try await eventually("a \(action)", within: AgentCommand.deadline(60)) {
                let target = try await candidate(cluster)
                let output = try await both.run(tool, [action, "--candidate", target, "--force"])
                return output.out.contains(success) ? (output, target) : nil
            }
            outputs.append(output)
            try await cluster.whole("led by \(target)") { $0.leader.name == target }
        }
        #expect(outputs[0].code == 0 && outputs[1].code == 0)
        #expect(shape(outputs[0].out) == shape(outputs[1].out))
        #expect(outputs[1].error.isEmpty)
        #expect(
            outputs[1].out.contains(
                action == "switchover" ? "Successfully switched over to" : "Successfully failed over to"))
    }

    /// At its time, and taken back before it.
    @Test func aSwitchoverForLater() async throws {
        let cluster = try await SharedCluster.whole().0
        let both = try await BothTools(cluster)
        let format = ISO8601DateFormatter()
        func schedule(_ tool: CommandLineTool, in seconds: TimeInterval) async throws -> (String, target: String) {
            let target = try await candidate(cluster)
            let moment = format.string(from: Date(timeIntervalSinceNow: seconds))
            let output = try await both.run(
                tool, ["switchover", "--force", "--candidate", target, "--scheduled", moment])
            #expect(
                output.code == 0 && output.error.isEmpty && output.out.contains("Switchover scheduled"), "\(output)")
            return (output.out, target)
        }
        for tool in [both.theirs, both.ours] {
            _ = try await schedule(tool, in: 3_600)
            #expect(try await both.run(tool, ["list"]).out.contains("Switchover scheduled at: "))
            let flushed = try await both.run(tool, ["flush", cluster.scope, "switchover", "--force"])
            #expect(flushed.code == 0 && flushed.out.contains("Success: "), "\(flushed)")
            let (_, target) = try await schedule(tool, in: 3)
            try await cluster.whole("led by \(target)") { $0.leader.name == target }
        }
    }

    /// What ZooKeeper knows of a cluster that is not wanted any more.
    @Test func aStoppedClusterIsRemoved() async throws {
        for isOurs in [false, true] {
            var settings = Support.ClusterSettings()
            settings.members = ["alone"]
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                try await cluster.whole("from an empty folder", within: AgentCommand.deadline(40))
                try await cluster.nodes[0].stop()
                let both = try await BothTools(cluster)
                let output = try await both.run(
                    isOurs ? both.ours : both.theirs, ["remove", cluster.scope],
                    input: "\(cluster.scope)\nYes I am aware\n")
                #expect(output.code == 0, "\(output)")
                let left = try await ClusterTree.with(cluster) { try await $0.text("initialize") }
                #expect(left == nil)
            }
        }
    }

    @Test func membersAreWorkedOn() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let both = try await BothTools(cluster)
        let replica = roles.replicas[0]
        let inOneHour = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: 3_600))
        let (scope, name) = (cluster.scope, replica.name)
        let works = [
            [["pause", "--wait"], ["resume", "--wait"]],
            [["restart", "--force", scope, name]],
            [
                ["restart", "--force", "--scheduled", inOneHour, scope, name],
                ["flush", "--force", scope, name, "restart"],
            ],
            [["reinit", "--force", "--wait", scope, name]],
        ]
        for work in works {
            var said: [[Substring]] = []
            for tool in [both.theirs, both.ours] {
                var lines: [Substring] = []
                let before = replica.postmaster
                for command in work {
                    let output = try await both.run(tool, command)
                    #expect(output.code == 0 && output.error.isEmpty, "\(command): \(output)")
                    #expect(output.out.contains("uccess") || command[0] == "reinit", "\(command): \(output)")
                    lines += withoutTable(output.out)
                }
                said.append(lines)
                try await cluster.whole("after \(work)")
                #expect((replica.postmaster != before) == (work.count == 1), "\(work)")
            }
            #expect(said[0] == said[1], "\(work)")
        }
    }

    /// The positions in it move.
    private func withoutTable(_ text: String) -> [Substring] {
        text.split(separator: "\n").filter { !$0.hasPrefix("+") && !$0.hasPrefix("|") }
    }

    /// What the leader refuses, it answers for: nobody goes around it.
    @Test func aWrongPasswordIsRefused() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let both = try await BothTools(cluster)
        let file = try cluster.folder.write(
            "wrong.yml",
            """
            scope: \(cluster.scope)
            zookeeper: {hosts: '\(cluster.zooKeeperHosts)'}
            ctl: {authentication: {username: admin, password: wrong}}
            """)
        let refused = try await both.ours.run(["-c", file, "switchover", "--force"], in: cluster.folder)
        #expect(refused.code == 0 && refused.out.contains("Switchover failed, details: 401, not authenticated"))
        #expect(!refused.out.contains("wrong") && !refused.error.contains("wrong"))
        let after = try await cluster.whole()
        #expect(after.leader === before.leader && after.timeline == before.timeline)
    }

    /// A cluster in which the synchronous standby is known again.
    private func settled(_ cluster: TestCluster) async throws -> TestCluster.Roles {
        let roles = try await cluster.whole()
        try await eventually("a synchronous standby", within: AgentCommand.deadline(), pace: .milliseconds(100)) {
            let sync = try await ClusterTree.with(cluster) { try await $0.object("sync") }
            return sync["leader"]?.asString == roles.leader.name && sync["sync_standby"]?.asString != nil
        }
        return roles
    }

    /// In synchronous mode a switchover goes to a synchronous standby only.
    private func candidate(_ cluster: TestCluster) async throws -> String {
        _ = try await settled(cluster)
        let sync = try await ClusterTree.with(cluster) { try await $0.object("sync") }
        return try #require(sync["sync_standby"]?.asString)
    }

    private func configuration(_ both: BothTools) async throws -> JSONObject {
        try await ClusterTree.with(both.cluster) { try await $0.object("config") }
    }

    /// The lines without what depends on the moment: who leads, and how far the others are again.
    private func shape(_ text: String) -> [String] {
        text.split(separator: "\n").compactMap { line -> String? in
            if line.hasPrefix("+") || line.hasPrefix("|  ") { return nil }
            if line.hasPrefix("| member-") { return "a member" }
            return String(line).replacing(/member-[abc]/, with: "member").replacing(/[0-9]+/, with: "9")
                .replacing(/\ +/, with: " ")
        }
    }
}
