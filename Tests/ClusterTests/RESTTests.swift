import AdminModel
import Support
import Testing

extension ClusterTests.Views {
    @Test(arguments: ["GET", "HEAD", "OPTIONS"])
    func healthChecksAnswerByRole(method: String) async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let everywhere: [(String, Int)] = [
            ("/health", 200), ("/standby-leader", 503), ("/sync", 503), ("/nonsense", 503),
        ]
        let onLeader: [(String, Int)] = [
            ("/", 200), ("/primary", 200), ("/master", 200), ("/read-write", 200), ("/leader", 200), ("/replica", 503),
            ("/read-only", 200), ("/asynchronous", 503),
        ]
        let serving: [(String, Int)] = [
            ("/", 503), ("/primary", 503), ("/master", 503), ("/read-write", 503), ("/leader", 503), ("/replica", 200),
            ("/replica?lag=10MB", 200), ("/read-only", 200), ("/asynchronous", 200), ("/async?lag=10MB", 200),
        ]
        let withoutReads: [(String, Int)] = [
            ("/", 503), ("/primary", 503), ("/leader", 503), ("/replica", 503), ("/read-only", 503),
            ("/asynchronous", 503),
        ]
        for node in cluster.nodes {
            let byRole = node === roles.leader ? onLeader : node.name == "member-c" ? withoutReads : serving
            for (target, expected) in everywhere + byRole {
                // A health check of a moment in which a query was late is not what is asked for here.
                try await eventually("\(method) \(node.name)\(target) answers \(expected)") {
                    await node.rest(target, method) == expected
                }
                let answer = try await HTTPProbe.send(method, target, port: node.restPort)
                #expect(answer.body.isEmpty == (method != "GET"), "\(method) \(target)")
            }
            for target in ["/liveness", "/readiness"] where method == "GET" {
                let answer = try await HTTPProbe.send(method, target, port: node.restPort)
                #expect(answer.status == 200 && answer.body.isEmpty, "\(target)")
            }
        }
    }

    @Test func tagsFilterReplicas() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let node = try cluster["member-b"]
        let role = node === roles.leader ? "/read-only" : "/replica"
        #expect(await node.rest("\(role)?tag_zone=north") == 200)
        #expect(await node.rest("\(role)?tag_zone=south") == 503)
        #expect(await node.rest("\(role)?tag_zone=north&tag_other=1") == 503)
    }

    @Test func statusHasItsKeysInTheirOrder() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let order = [
            "state", "postmaster_start_time", "role", "server_version", "xlog", "timeline", "replication_state",
            "replication", "cluster_unlocked", "dcs_last_seen", "tags", "database_system_identifier", "patroni",
        ]
        for node in cluster.nodes {
            let status = try await object(node, "/patroni")
            let keys = status.keys.filter { $0 != "matriarch" }
            #expect(keys == order.filter { keys.contains($0) }, "\(node.name)")
            let always = ["state", "role", "server_version", "xlog", "timeline", "dcs_last_seen", "patroni"]
            #expect(Set(keys).isSuperset(of: always), "\(node.name)")
            #expect(status["state"] == "running")
            #expect(status["role"]?.asString == (node === roles.leader ? "primary" : "replica"))
            #expect(status["timeline"]?.asInt == Int64(roles.timeline))
            #expect(status["patroni"]?.asObject?.keys == ["version", "scope", "name"])
            #expect(status["patroni"]?["name"]?.asString == node.name)
            #expect(status["patroni"]?["scope"]?.asString == cluster.scope)
            let position = status["xlog"]?.asObject?.keys
            let standby = ["received_location", "replayed_location", "replayed_timestamp", "paused"]
            #expect(position == (node === roles.leader ? ["location"] : standby))
        }
        let replication = try await object(roles.leader, "/patroni")["replication"]?.asArray ?? []
        #expect(
            replication.compactMap { $0["application_name"]?.asString }.sorted() == roles.replicas.map(\.name).sorted())
        #expect(
            replication.first?.asObject?.keys == [
                "usename", "application_name", "client_addr", "state", "sync_state", "sync_priority",
            ])
    }

    @Test func everyMemberShowsTheWholeCluster() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        for node in cluster.nodes {
            let shown = try await object(node, "/cluster")
            #expect(shown.keys == ["members", "scope"])
            #expect(shown["scope"]?.asString == cluster.scope)
            let members = shown["members"]?.asArray ?? []
            #expect(members.compactMap { $0["name"]?.asString } == cluster.nodes.map(\.name))
            for member in members {
                let isLeader = member["name"]?.asString == roles.leader.name
                #expect(member["role"]?.asString == (isLeader ? "leader" : "replica"))
                #expect(member["state"]?.asString == (isLeader ? "running" : "streaming"))
                #expect(member["host"] == "127.0.0.1")
                let lags = ["receive_lag", "receive_lsn", "replay_lag", "replay_lsn", "lag", "lsn"]
                let tags = member["tags"] == nil ? [] : ["tags"]
                let expected = ["name", "role", "state", "api_url", "host", "port", "timeline"] + tags
                let keys = (member.asObject?.keys ?? []).filter { $0 != "matriarch" }
                #expect(keys == expected + (isLeader ? [] : lags))
            }
        }
    }

    @Test func theRestAnswers() async throws {
        let (_, roles) = try await SharedCluster.whole()
        for node in [roles.leader] + roles.replicas {
            #expect(try await object(node, "/config")["maximum_lag_on_failover"]?.asInt == 1_048_576)
            let history = try await HTTPProbe.send("GET", "/history", port: node.restPort)
            #expect(history.status == 200)
            #expect(try JSONParser.parse(history.body).asArray?.count == Int(roles.timeline) - 1)
            // Methods and places that do not exist, and acts without the password or not offered at all.
            #expect(try await HTTPProbe.send("POST", "/nonsense", port: node.restPort, body: "{}").status == 501)
            for (method, target) in [
                ("PATCH", "/config"), ("PUT", "/config"), ("POST", "/restart"), ("POST", "/reload"),
            ] {
                let refused = try await HTTPProbe.send(method, target, port: node.restPort, body: "{}")
                #expect([401, 501].contains(refused.status), "\(method) \(target)")
            }
        }
    }

    private func object(_ node: ClusterNode, _ target: String) async throws -> JSONObject {
        let answer = try await HTTPProbe.send("GET", target, port: node.restPort)
        #expect(answer.status == 200, "\(node.name)\(target)")
        #expect(answer.headers["content-type"]?.hasPrefix("application/json") == true)
        return try #require(try JSONParser.parse(answer.body).asObject)
    }
}
