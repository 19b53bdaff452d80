import AdminModel
import Foundation
import Support
import Testing

/// What operators watch a Patroni cluster with sees nothing unusual.
extension ClusterTests.Views {
    /// Every check of `check_patroni`: the code that a monitoring system acts upon, and the first line it shows.
    @Test func checkPatroniIsContent() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let (leader, replica) = (roles.leader, roles.replicas[0])
        let all = cluster.nodes.map { "http://127.0.0.1:\($0.restPort)" }.joined(separator: ",")
        func expect(
            _ code: Int32, _ words: String, _ arguments: String..., at node: ClusterNode? = nil,
            sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            let endpoints = node.map { "http://127.0.0.1:\($0.restPort)" } ?? all
            let said = try await checkPatroni(cluster, ["-e", endpoints] + arguments)
            #expect(said.code == code, "\(arguments): \(said.text)", sourceLocation: sourceLocation)
            #expect(said.text.contains(words), "\(arguments): \(said.text)", sourceLocation: sourceLocation)
        }
        try await expect(0, "CLUSTERHASLEADER OK - The cluster has a running leader", "cluster_has_leader")
        try await expect(
            0, "healthy_replica is 2", "cluster_has_replica", "--warning", "2:", "--critical", "1:", "--max-lag", "10MB"
        )
        try await expect(2, "healthy_replica is 2", "cluster_has_replica", "--critical", "3:")
        try await expect(
            0, "members is 3", "cluster_node_count", "--warning", "3:", "--critical", "3:", "--healthy-critical", "3:")
        try await expect(0, "is_in_maintenance is 0", "cluster_is_in_maintenance")
        try await expect(0, "has_scheduled_actions is 0", "cluster_has_scheduled_action")
        // It remembers a hash of /config; another one is a change.
        let state = cluster.folder.path("check-state-\(UInt32.random(in: 0...UInt32.max))")
        try await expect(
            2, "CLUSTERCONFIGHASCHANGED CRITICAL", "cluster_config_has_changed", "--hash",
            String(repeating: "0", count: 32))
        _ = try await checkPatroni(cluster, ["-e", all, "cluster_config_has_changed", "-s", state, "--save"])
        try await expect(0, "CLUSTERCONFIGHASCHANGED OK", "cluster_config_has_changed", "-s", state)

        for node in cluster.nodes {
            try await expect(0, "NODEISALIVE OK", "node_is_alive", at: node)
            try await expect(0, "NODEISPENDINGRESTART OK", "node_is_pending_restart", at: node)
            try await expect(
                0, "NODEPATRONIVERSION OK", "node_patroni_version", "--patroni-version", "4.1.5", at: node)
            try await expect(
                0, "NODETLHASCHANGED OK", "node_tl_has_changed", "--timeline", "\(roles.timeline)", at: node)
            try await expect(
                2, "timeline was \(roles.timeline + 1)", "node_tl_has_changed", "--timeline", "\(roles.timeline + 1)",
                at: node)
        }
        try await expect(0, "NODEISLEADER OK - This node is a leader node.", "node_is_leader", at: leader)
        try await expect(2, "NODEISLEADER CRITICAL", "node_is_leader", at: replica)
        try await expect(
            0, "NODEISPRIMARY OK - This node is the primary with the leader lock.", "node_is_primary", at: leader)
        try await expect(2, "NODEISPRIMARY CRITICAL", "node_is_primary", at: replica)
        let reading = try #require(roles.replicas.first { $0.name != "member-c" })
        try await expect(0, "NODEISREPLICA OK", "node_is_replica", "--max-lag", "10MB", at: reading)
        try await expect(0, "NODEISREPLICA OK", "node_is_replica", "--is-async", at: reading)
        try await expect(2, "NODEISREPLICA CRITICAL", "node_is_replica", "--is-sync", at: reading)
        try await expect(2, "NODEISREPLICA CRITICAL", "node_is_replica", at: leader)
    }

    private func checkPatroni(
        _ cluster: TestCluster, _ arguments: [String]
    ) async throws -> (code: Int32, text: String) {
        let program: String
        do { program = try await PythonEnvironment.monitoring.folder() + "/venv/bin/check_patroni" } catch {
            if ClusterEquipment.isContinuousIntegration { throw error }
            FileHandle.standardError.write(Data("*** SKIPPED: \(error)\n".utf8))
            try Test.cancel("check_patroni is missing")
        }
        let output = cluster.folder.path("check-\(UInt32.random(in: 0...UInt32.max))")
        let status = try await UnprivilegedProcess.start(program, arguments, output: output).wait(within: .seconds(20))
        guard case .exited(let code) = status else { throw SupportError("\(arguments): \(status)") }
        return (code, try String(contentsOfFile: output, encoding: .utf8))
    }

    /// Prometheus itself scrapes all members, and shows the roles as its users ask for them.
    @Test func prometheusScrapesTheCluster() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let port = try FreePort.next()
        let folder = "prometheus-\(port)"
        try cluster.folder.makeFolder(folder)
        let targets = cluster.nodes.map { "'127.0.0.1:\($0.restPort)'" }.joined(separator: ", ")
        let file = try cluster.folder.write(
            "\(folder)/prometheus.yml",
            """
            global: {scrape_interval: 1s}
            scrape_configs:
            - job_name: patroni
              static_configs: [{targets: [\(targets)]}]
            """)
        let log = cluster.folder.path("\(folder)/log")
        let server = try UnprivilegedProcess.start(
            "/usr/bin/env",
            [
                "prometheus", "--config.file=\(file)", "--storage.tsdb.path=\(cluster.folder.path(folder))/data",
                "--web.listen-address=127.0.0.1:\(port)",
            ], folder: cluster.folder.path(folder), output: log)
        func query(_ text: String) async throws -> [(name: String, value: String)] {
            let target =
                "/api/v1/query?query=" + (text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")
            guard let answer = try? await HTTPProbe.send("GET", target, port: port), answer.status == 200 else {
                guard server.isRunning else {
                    throw SupportError("prometheus: \((try? String(contentsOfFile: log, encoding: .utf8)) ?? "")")
                }
                return []
            }
            let results = try JSONParser.parse(answer.body)["data"]?["result"]?.asArray ?? []
            return results.map {
                ($0["metric"]?["name"]?.asString ?? "", $0["value"]?.asArray?.last?.asString ?? "")
            }.sorted { $0.name < $1.name }
        }
        let scope = "scope=\"\(cluster.scope)\""
        try await eventually("all members are scraped", within: AgentCommand.deadline()) {
            let up = try await query("up{job=\"patroni\"} == 1").count
            return try await query("patroni_replica{\(scope)} == 1").count == 2 && up == 3
        }
        #expect(try await query("patroni_primary{\(scope)} == 1").map(\.name) == [roles.leader.name])
        #expect(try await query("patroni_replica{\(scope)} == 1").map(\.name) == roles.replicas.map(\.name).sorted())
        #expect(
            try await query("patroni_postgres_timeline{\(scope)}").map(\.value)
                == Array(repeating: "\(roles.timeline)", count: 3))
        #expect(try await query("sum(patroni_postgres_running{\(scope)})").map(\.value) == ["3"])
        try await server.end()
    }
}
