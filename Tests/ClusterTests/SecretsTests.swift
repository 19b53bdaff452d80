import Foundation
import Support
import Testing

extension ClusterTests.Views {
    /// Each password holds a word that occurs nowhere else: it must stand in the YAML file and in the password file only.
    @Test func passwordsStayWhereTheyWerePut() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let canary = ClusterSettings.Passwords.canary
        for (name, text) in try await ClusterTree.with(cluster, { try await $0.everything() }) {
            #expect(!text.contains(canary), "znode \(name)")
        }
        for node in [roles.leader] + roles.replicas {
            #expect(!node.logText.contains(canary), "log of \(node.name)")
            for file in ownFiles(node) {
                let holds = FileManager.default.contents(atPath: file)?.range(of: Data(canary.utf8)) != nil
                #expect(!holds, "\(file)")
            }
            let user = node.supervisor?.pid
            for process in node.everything() {
                let line = ProcessTable.commandLine(process.pid) ?? ""
                #expect(!line.contains(canary), "\(line)")
                // What a foreign program was started with stays in its own environment.
                if AgentCommand.isForeign, process.pid == user { continue }
                let holds = ProcessTable.environment(process.pid)?.contains(canary) == true
                #expect(!holds, "environment of \(line)")
            }
            for target in ["/", "/patroni", "/cluster", "/config", "/history", "/metrics", "/failsafe", "/nonsense"] {
                let answer = try await HTTPProbe.send("GET", target, port: node.restPort)
                #expect(!answer.body.contains(canary), "\(node.name)\(target)")
                #expect(!answer.headers.values.contains { $0.contains(canary) }, "\(node.name)\(target)")
            }
            let refused = try await HTTPProbe.send(
                "POST", "/reload", port: node.restPort, headers: ["Authorization": "Basic bm9ib2R5Om5vdGhpbmc="])
            #expect([401, 501].contains(refused.status))
            #expect(!refused.body.contains(canary))
        }
    }

    /// Files of the node but the two that hold passwords on purpose and PostgreSQL's own data.
    private func ownFiles(_ node: ClusterNode) -> [String] {
        let kept = [node.place.configuration, node.place.passwordFile]
        let found = FileManager.default.enumerator(atPath: node.place.folder)?.compactMap { $0 as? String } ?? []
        return found.filter { entry in
            let data = entry.hasPrefix("data/") && (entry.contains("/base/") || entry.contains("/pg_wal/"))
            return !data && !entry.hasPrefix("bin/")
        }.map { "\(node.place.folder)/\($0)" }.filter { !kept.contains($0) }
    }
}
