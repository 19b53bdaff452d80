import AdminModel
import Foundation
import Support
import Testing
import ZooKeeper

extension ClusterTests {
    /// What both command lines send and print when members give answers that a healthy cluster gives rarely.
    @Suite(.serialized)
    struct ScriptedControl {
        /// Runs the same command by both, each on a cluster of its own, and compares what was printed and asked for.
        /// - Parameter znode: what `failover` holds afterwards, where no member answers.
        @discardableResult
        private func agree(
            _ arguments: [String], input: String = "", _ answers: [String: [(Int, String)]],
            config: JSONObject = ["ttl": 30, "loop_wait": 1], failover: JSONObject? = nil, leader: String? = "a",
            member: JSONObject = [:], unreachableWriting znode: String? = nil,
            sourceLocation: SourceLocation = #_sourceLocation
        ) async throws -> String {
            let hosts = try await SharedZooKeeper.shared.server().host
            let tools = [try CommandLineTool.matriarchctl(), try await CommandLineTool.patronictl()]
            var outputs: [CommandLineTool.Output] = []
            var requests: [[ScriptedMembers.Request]] = []
            for tool in tools {
                try await ScriptedMembers.with(
                    answers, zooKeeper: hosts, config: config, failover: failover, leader: leader, member: member
                ) { members in
                    _ = try members.requests()
                    if znode != nil { try await members.server.end() }
                    let own = arguments.map { $0 == "SCOPE" ? members.scope : $0 }
                    var output = try await tool.run(
                        ["-c", try members.configuration] + own, input: input, in: members.folder)
                    output.out = masked(output.out, members.scope)
                    outputs.append(output)
                    requests.append(try members.requests())
                    let written = try await members.znode("failover")
                    if let znode { #expect(written == znode, sourceLocation: sourceLocation) }
                }
            }
            #expect(outputs[0].out == outputs[1].out, sourceLocation: sourceLocation)
            #expect(outputs[0].code == outputs[1].code, sourceLocation: sourceLocation)
            if znode == nil { #expect(outputs[0].error == outputs[1].error, sourceLocation: sourceLocation) }
            // The order of the members is theirs to choose.
            #expect(
                requests[0].map(text).sorted() == requests[1].map(text).sorted(), sourceLocation: sourceLocation)
            return outputs[0].out
        }

        private func text(_ request: ScriptedMembers.Request) -> String {
            let members = (request.body.asObject?.members ?? []).map { "\($0.key)=\($0.value.text(.compact))" }
            return ([request.line] + members.sorted()).joined(separator: " ")
        }

        /// Without names that differ, and without the time of day.
        private func masked(_ text: String, _ scope: String) -> String {
            text.replacing(scope, with: "SCOPE").replacing(/-*\+/, with: "+").replacing(
                /[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{5})?)?(?![.0-9+:])/, with: "TIME")
        }

        @Test func restarts() async throws {
            let done = ["POST /restart": [(200, "restarted successfully")]]
            try await agree(["restart", "SCOPE", "--force"], done)
            try await agree(["restart", "SCOPE", "a", "--force", "--timeout", "30s", "--pg-version", "15.9"], done)
            try await agree(["restart", "SCOPE", "-r", "replica"], input: "\ny\n\n", done)
            try await agree(["restart", "SCOPE", "b"], input: "now\ny\n15.4\n", done)
            try await agree(["restart", "SCOPE", "--pending", "--force"], done)
            try await agree(["restart", "SCOPE", "--pending", "--force"], done, member: ["pending_restart": true])
            try await agree(
                ["restart", "SCOPE", "--force"], ["POST /restart": [(503, "restart failed"), (409, "Another restart")]])
            let scheduled = ["POST /restart": [(202, "Restart scheduled")], "DELETE /restart": [(200, "deleted")]]
            try await agree(["restart", "SCOPE", "--force", "--scheduled", "2099-01-01T12:00+01:00"], scheduled)
            try await agree(
                ["restart", "SCOPE", "--force", "--scheduled", "2099-01-01T12:00"], scheduled,
                member: ["scheduled_restart": ["schedule": "2098-01-01T12:00:00+00:00"]])
            try await agree(["restart", "SCOPE", "a"], input: "2099-01-01 12:00\ny\n\n", scheduled)
            try await agree(
                ["restart", "SCOPE", "--force", "--scheduled", "2099-01-01T12:00"], scheduled,
                config: ["pause": true])
        }

        @Test func reinitializations() async throws {
            let started = ["POST /reinitialize": [(200, "reinitialize started")]]
            try await agree(["reinit", "SCOPE", "b", "--force"], started)
            try await agree(["reinit", "SCOPE"], input: "b\ny\n", started)
            try await agree(["reinit", "SCOPE"], input: "a\n", started)
            try await agree(["reinit", "SCOPE", "--force"], started)
            try await agree(["reinit", "SCOPE", "b", "--from-leader"], input: "y\n", started)
            let busy = ["POST /reinitialize": [(503, "restart already in progress"), (200, "reinitialize started")]]
            try await agree(["reinit", "SCOPE", "b"], input: "y\ny\n", busy)
            try await agree(["reinit", "SCOPE", "b"], input: "y\nn\n", busy)
            try await agree(["reinit", "SCOPE", "b", "--force"], busy)
            let waited = try await agree(
                ["reinit", "SCOPE", "b", "--force", "--wait"],
                [
                    "POST /reinitialize": [(200, "reinitialize started")],
                    "GET /patroni": [(200, #"{"state": "creating replica"}"#), (200, #"{"state": "running"}"#)],
                ])
            #expect(waited.hasSuffix("Waiting for reinitialize to complete on: b\nReinitialize is completed on: b\n"))
        }

        @Test func pauses() async throws {
            let done = ["PATCH /config": [(200, "{}")]]
            try await agree(["pause"], done)
            try await agree(["pause"], done, config: ["pause": true])
            try await agree(["resume"], done, config: ["pause": true])
            try await agree(["resume", "SCOPE"], done)
            try await agree(["pause"], ["PATCH /config": [(409, "conflict")]])
            try await agree(["resume", "--wait"], done, config: ["pause": true, "loop_wait": 1])
            try await agree(["pause", "--wait"], done, member: ["pause": true])
            try await agree(["pause", "no-such-cluster"], done)
        }

        @Test func whatWasScheduledIsDiscarded() async throws {
            let request: JSONObject = ["leader": "a", "scheduled_at": "2099-01-01T12:00:00+00:00"]
            try await agree(["list"], [:], failover: request)
            try await agree(["topology"], [:], config: ["pause": true], failover: request)
            try await agree(
                ["flush", "SCOPE", "switchover"], ["DELETE /switchover": [(200, "scheduled switchover deleted")]],
                failover: request)
            try await agree(
                ["flush", "SCOPE", "switchover"], ["DELETE /switchover": [(404, "no switchover is scheduled")]],
                failover: request)
            try await agree(
                ["flush", "SCOPE", "a", "b", "restart", "--force"],
                ["DELETE /restart": [(200, "deleted"), (404, "none")]],
                member: ["scheduled_restart": ["schedule": "2099-01-01T12:00:00+00:00"]])
            try await agree(["flush", "SCOPE", "switchover"], [:], failover: request, unreachableWriting: "{}")
        }

        @Test func leadersChange() async throws {
            let answers = [
                "POST /switchover": [(202, "Switchover scheduled")], "POST /failover": [(503, "Failover failed")],
            ]
            try await agree(["switchover", "--force", "--scheduled", "2099-01-01T12:00+01:00"], answers)
            try await agree(["switchover", "--primary", "a", "--candidate", "b", "--force"], answers)
            try await agree(["switchover"], input: "a\nb\n\ny\n", answers)
            try await agree(
                ["switchover", "--force", "--scheduled", "2099-01-01T12:00"], answers, config: ["pause": true])
            try await agree(["failover", "--candidate", "b", "--force"], answers)
            try await agree(["failover", "--candidate", "b"], input: "y\n", answers, leader: nil)
            try await agree(["switchover"], answers, leader: nil)
            try await agree(["switchover", "--force"], answers, member: ["tags": ["nofailover": true]])
            let old = (501, "Server does not support this operation")
            try await agree(
                ["switchover", "--force"], ["POST /switchover": [old], "POST /failover": [(200, "Failed over")]])
            for (arguments, znode) in [
                (["switchover", "--force"], #"{"leader":"a"}"#),
                (["switchover", "--force", "--candidate", "b"], #"{"leader":"a","member":"b"}"#),
                (["failover", "--force", "--candidate", "b"], #"{"member":"b"}"#),
            ] {
                try await agree(arguments, [:], failover: [:], unreachableWriting: znode)
            }
        }

        @Test func versionsOfMembers() async throws {
            try await agree(
                ["version", "SCOPE"],
                [
                    "GET /patroni": [
                        (200, #"{"patroni": {"version": "4.1.5"}, "server_version": 150020}"#),
                        (200, #"{"patroni": {"version": "4.0.0"}}"#),
                    ]
                ])
        }

        /// The members' certificates are checked, and the own one is shown (contract/patroni.md 3.2, `ctl`).
        @Test func certificates() async throws {
            let hosts = try await SharedZooKeeper.shared.server().host
            let certificates = try await TestCertificates.make()
            defer { certificates.folder.remove() }
            let files = certificates.folder.path
            let own =
                "certfile: \(files)/client.pem, keyfile: \(files)/locked.key, keyfile_password: \(TestCertificates.password)"
            let answers = ["GET /patroni": [(200, #"{"patroni": {"version": "4.1.5"}}"#)]]
            try await ScriptedMembers.with(answers, zooKeeper: hosts, certificates: certificates) { members in
                for (ctl, arguments, isAccepted) in [
                    ("cacert: \(files)/ca.pem, \(own)", [], true), (own, [], false), (own, ["-k"], false),
                    ("cacert: \(files)/ca.pem", [], false), ("cacert: \(files)/ca.pem", ["-k"], false),
                ] as [(String, [String], Bool)] {
                    let file = try members.folder.write(
                        "tls.yml", "zookeeper: {hosts: '\(hosts)'}\nctl: {\(ctl)}\n", mode: 0o600)
                    for tool in [try CommandLineTool.matriarchctl(), try await CommandLineTool.patronictl()] {
                        let output = try await tool.run(
                            ["-c", file] + arguments + ["version", members.scope], in: members.folder)
                        let answered =
                            output.out.contains("a: Patroni 4.1.5") && output.out.contains("b: Patroni 4.1.5")
                        #expect(answered == isAccepted, "\(tool.executable) with \(ctl) \(arguments): \(output.out)")
                        #expect(!(output.out + output.error).contains(TestCertificates.password))
                    }
                }
                let file = try members.folder.write(
                    "wrong.yml",
                    "zookeeper: {hosts: '\(hosts)'}\nctl: {certfile: \(files)/client.pem, keyfile: \(files)/locked.key, keyfile_password: wrong}\n"
                )
                let output = try await CommandLineTool.matriarchctl().run(
                    ["-c", file, "version", members.scope], in: members.folder)
                #expect(output.code == 1 && output.error.contains("ctl.keyfile: '\(files)/locked.key' must be"))
            }
        }

        @Test func allOfAClusterIsRemoved() async throws {
            let input = "SCOPE\nYes I am aware\na\n"
            let hosts = try await SharedZooKeeper.shared.server().host
            for tool in [try CommandLineTool.matriarchctl(), try await CommandLineTool.patronictl()] {
                try await ScriptedMembers.with([:], zooKeeper: hosts) { members in
                    try await members.set("epoch/keep", [:])
                    let output = try await tool.run(
                        ["-c", try members.configuration, "remove", members.scope],
                        input: input.replacing("SCOPE", with: members.scope), in: members.folder)
                    #expect(output.code == 0 && output.error.isEmpty)
                    #expect(try await members.znode("config") == nil)
                    #expect(try await members.znode("epoch") == nil)
                    let listed = try await tool.run(
                        ["-c", try members.configuration, "list", "-f", "json"], in: members.folder)
                    #expect(listed.out == "[]\n")
                }
            }
        }

        /// The server's folder, the identity and the access control of the configuration hold for the command line, too.
        @Test func aProtectedTreeIsReadAndWritten() async throws {
            let hosts = try await SharedZooKeeper.shared.server().host
            try await ScriptedMembers.with([:], zooKeeper: hosts) { members in
                let file = try members.folder.write(
                    "protected.yml",
                    """
                    scope: inner
                    namespace: below
                    zookeeper:
                      hosts: '\(hosts)/service/\(members.scope)'
                      auth_data: {digest: 'ctl:secret'}
                      set_acls: {'auth:': [ALL]}
                    """)
                try await members.set("below/inner/leader", [:])
                try await members.session { session in
                    let base = try ZNodePath("/service/\(members.scope)/below/inner")
                    try await session.set(base.child("leader"), Array("a".utf8), expecting: .any, deadline: .seconds(5))
                    for name in ["a", "b"] {
                        let path = try base.child("members").child(name)
                        try await session.createParents(path, deadline: .seconds(5))
                        let record =
                            #"{"conn_url":"postgres://127.0.0.1:5432/postgres","api_url":"http://127.0.0.1:1/patroni"}"#
                        try await session.set(path, Array(record.utf8), expecting: .any, deadline: .seconds(5))
                    }
                }
                let tool = try CommandLineTool.matriarchctl()
                let output = try await tool.run(["-c", file, "switchover", "--force"], in: members.folder)
                #expect(output.code == 0, "\(output)")
                #expect(!(output.out + output.error).contains("secret"))
                await #expect(throws: (any Error).self, "nobody else may read it") {
                    try await members.znode("below/inner/failover")
                }
                let flushed = try await tool.run(["-c", file, "list", "-f", "json"], in: members.folder)
                #expect(flushed.code == 0 && flushed.out.contains(#""Role": "Leader""#))
            }
        }
    }
}
