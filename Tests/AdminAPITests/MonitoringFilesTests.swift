import AdminModel
import Foundation
import HACore
import Support
import Testing

@testable import AdminAPI
@testable import Agent

/// The files below `monitoring/` name metrics that the agent has, and Prometheus' own program finds nothing wrong.
@Suite struct MonitoringFilesTests {
    /// A member that leads, and one that follows, of a cluster in a mesh: together they show every metric.
    private static let exposition: [String] = [(Scene.primary(), true), (.replica(), false)].map { scene, leads in
        var scene = scene
        scene.vitals.counts.decisions = ["leader.steady": 1]
        scene.vitals.renewalDelays.note(.milliseconds(1))
        return MetricsDocument(
            view: scene.view, status: scene.status, vitals: scene.vitals, mesh: MeshScene.status(leads: leads)
        ).text
    }

    private static var known: Set<String> {
        Set(
            exposition.joined().split(separator: "\n").filter { !$0.hasPrefix("#") }.map {
                String($0.prefix { $0 != "{" })
            })
    }

    /// Metrics of ours that an expression names.
    private func metrics(_ expression: String) -> [String] {
        expression.matches(of: /\b(?:matriarch|patroni)_\w+/).map { String($0.output) }
    }

    @Test func everyMetricIsThere() throws {
        #expect(Self.known.count > 40)
        let documented = try Self.text("README.md").matches(of: /\| `(matriarch_\w+)`(?:, `(matriarch_\w+)`)?/)
            .flatMap { [$0.output.1, $0.output.2 ?? $0.output.1].map(String.init) }
        let own = Self.known.filter { $0.hasPrefix("matriarch_") }
            .map { $0.replacing(/_(?:bucket|sum|count)$/, with: "") }
        #expect(Set(documented) == Set(own), "the table of README.md and what the agent shows")
    }

    @Test func dashboard() throws {
        let dashboard = try JSONParser.parse(try Self.text("monitoring/grafana-dashboard.json"))
        var expressions: [String] = []
        var ids: [Int64] = []
        for panel in dashboard["panels"]?.asArray ?? [] {
            if case .int(let id)? = panel["id"] { ids.append(id) }
            expressions += (panel["targets"]?.asArray ?? []).compactMap { $0["expr"]?.asString }
        }
        #expect(Set(ids).count == ids.count && expressions.count > 10)
        for expression in expressions {
            let named = metrics(expression)
            #expect(!named.isEmpty, "\(expression)")
            #expect(Set(named).subtracting(Self.known).isEmpty, "\(expression)")
        }
    }

    @Test func rules() throws {
        let rules = try Self.text("monitoring/prometheus-rules.yml")
        let unknown = Set(metrics(rules)).subtracting(Self.known)
        #expect(unknown.isEmpty, "\(unknown)")
        let kinds = Set(MeshFinding.Kind.allCases.map(\.rawValue))
        #expect(rules.matches(of: /kind="(\w+)"/).allSatisfy { kinds.contains(String($0.output.1)) })
        // Each fires in an example.
        let alerts = rules.matches(of: /- alert: (\w+)/).map { $0.output.1 }
        let examples = try Self.text("monitoring/prometheus-rules-test.yml")
            .matches(of: /alertname: (\w+)\n.*\n +exp_alerts:\n +- exp_labels/).map { $0.output.1 }
        #expect(alerts.count > 20 && alerts.sorted() == examples.sorted())
        // What is said of an alert has to stand somewhere.
        #expect(rules.contains("docs/operations.md"))
    }

    @Test func promtoolAcceptsTheRules() async throws {
        let (folder, status, output) = try await promtool("test", "rules", "prometheus-rules-test.yml")
        defer { folder.remove() }
        #expect(status == .exited(0), "\(output)")
        let (other, checked, said) = try await promtool("check", "rules", "prometheus-rules.yml")
        defer { other.remove() }
        #expect(checked == .exited(0) && said.contains("SUCCESS"), "\(said)")
    }

    /// The check can fail: an alert that does not fire in its example, and one that does not parse.
    @Test(arguments: [("patroni_primary) > 1", "patroni_primary) > 7"), ("sum by (scope)", "sum by scope)")])
    func promtoolRefusesBrokenRules(right: String, wrong: String) async throws {
        let (folder, status, output) = try await promtool("test", "rules", "prometheus-rules-test.yml") {
            try #require($0.contains(right))
            return $0.replacing(right, with: wrong)
        }
        defer { folder.remove() }
        #expect(status == .exited(1), "\(output)")
    }

    /// The names that promtool does not like are the contract's.
    @Test func promtoolReadsTheMetricsOfAMesh() async throws {
        for text in Self.exposition {
            let folder = try TemporaryFolder("metrics")
            defer { folder.remove() }
            let input = try folder.write("metrics", text)
            let (status, output) = try await run(
                "exec promtool check metrics <'\(input)'", in: folder)
            let expected = ["location", "received_location", "replayed_location"].map {
                "patroni_xlog_\($0) counter metrics should have \"_total\" suffix"
            }
            #expect(output.split(separator: "\n").map(String.init).sorted() == expected)
            #expect(status == .exited(3))
        }
    }

    // MARK: -

    private static func text(_ path: String) throws -> String {
        let checkout = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: checkout.appending(path: path), encoding: .utf8)
    }

    /// Copies, since the user of the tests may not be able to read this checkout.
    private func promtool(
        _ arguments: String..., rules change: (String) throws -> String = { $0 }
    ) async throws -> (TemporaryFolder, UnprivilegedProcess.ExitStatus, String) {
        let folder = try TemporaryFolder("rules")
        try folder.write("prometheus-rules.yml", change(try Self.text("monitoring/prometheus-rules.yml")))
        try folder.write("prometheus-rules-test.yml", try Self.text("monitoring/prometheus-rules-test.yml"))
        let (status, output) = try await run("exec promtool \(arguments.joined(separator: " "))", in: folder)
        return (folder, status, output)
    }

    private func run(_ command: String, in folder: TemporaryFolder) async throws -> (
        UnprivilegedProcess.ExitStatus, String
    ) {
        let output = folder.path("output")
        let status = try await UnprivilegedProcess.start(
            "/bin/sh", ["-c", command], folder: folder.path, output: output
        ).wait(within: .seconds(30))
        if status == .exited(127) {
            if ClusterEquipment.isContinuousIntegration { throw SupportError("promtool is missing: make deps") }
            FileHandle.standardError.write(Data("*** SKIPPED: promtool is missing\n".utf8))
            try Test.cancel("promtool is missing")
        }
        return (status, try String(contentsOfFile: output, encoding: .utf8))
    }
}
