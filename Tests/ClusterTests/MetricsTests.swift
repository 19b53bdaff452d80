import AdminModel
import Foundation
import Support
import Testing

extension ClusterTests.Views {
    /// Prometheus' own parser finds nothing wrong but names that are the contract's.
    @Test func prometheusReadsTheMetrics() async throws {
        let (cluster, _) = try await SharedCluster.whole()
        for node in cluster.nodes {
            let input = try cluster.folder.write("\(node.name)-metrics", try await Metrics(node).text, mode: 0o644)
            let output = cluster.folder.path("\(node.name)-promtool-\(UInt32.random(in: 0...UInt32.max))")
            let status = try await UnprivilegedProcess.start(
                "/bin/sh", ["-c", "exec promtool check metrics <\"$0\"", input], output: output
            ).wait()
            if status == .exited(127) {
                if ClusterEquipment.isContinuousIntegration { throw SupportError("promtool is missing: make deps") }
                FileHandle.standardError.write(Data("*** SKIPPED: promtool is missing\n".utf8))
                try Test.cancel("promtool is missing")
            }
            let complaints = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").sorted()
            let expected = ["location", "received_location", "replayed_location"].map {
                "patroni_xlog_\($0) counter metrics should have \"_total\" suffix"
            }
            #expect(complaints.map(String.init) == expected, "\(node.name)")
            #expect(status == .exited(3), "complaints about the form, not an unreadable text")
        }
    }

    @Test func theMetricsAreThoseOfTheMember() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        for node in cluster.nodes {
            let leads = node === roles.leader
            let metrics = try await eventually("\(node.name) shows its role") {
                let metrics = try await Metrics(node)
                return metrics["patroni_postgres_running"] == 1 && metrics["patroni_cluster_unlocked"] == 0
                    && metrics["patroni_postgres_streaming"] == (leads ? 0 : 1) ? metrics : nil
            }
            #expect(metrics["patroni_primary"] == (leads ? 1 : 0))
            #expect(metrics["patroni_replica"] == (leads ? 0 : 1))
            #expect(metrics["patroni_postgres_timeline"] == Double(roles.timeline))
            let positions = [
                "patroni_xlog_location": leads, "patroni_xlog_received_location": !leads,
                "patroni_xlog_replayed_location": !leads,
            ]
            for (name, isKnown) in positions { #expect((metrics[name] ?? -1 > 0) == isKnown, "\(name)") }
            #expect(metrics.text.contains("{scope=\"\(cluster.scope)\",name=\"\(node.name)\"}"))
        }
    }

    @Test(.disabled(if: AgentCommand.isForeign)) func theAgentShowsItsOwnState() async throws {
        let (cluster, _) = try await SharedCluster.whole()
        for node in cluster.nodes {
            let first = try await Metrics(node)
            let timeout = try #require(first["matriarch_session_timeout_seconds"])
            #expect(timeout == Double(cluster.settings.ttl))
            let left = try #require(first["matriarch_lease_left_seconds"])
            #expect(left > 0 && left < timeout)
            #expect(first["matriarch_keeper_up"] == 1)
            #expect(first["matriarch_postgresql_taken_over"] == 0)
            func looks(_ metrics: Metrics) -> Double {
                metrics.samples.filter { $0.key.hasPrefix("matriarch_decisions_total{rule=") }.values.reduce(0, +)
            }
            #expect(looks(first) > 0)
            try await eventually("\(node.name) looks again") {
                let next = try await Metrics(node)
                return looks(next) > looks(first) && next["matriarch_last_look_age_seconds"] ?? 100 < 5
            }
        }
    }
}
