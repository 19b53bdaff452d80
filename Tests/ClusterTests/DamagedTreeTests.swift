import Support
import Testing

extension ClusterTests.Views {
    /// Whatever stands in the znodes, the cluster goes on with what it knew, and says so once.
    @Test(
        .disabled(if: AgentCommand.isForeign, "Patroni demotes itself over nested brackets"), arguments: Damage.allCases
    )
    func damageToTheZnodesIsNoEvent(damage: Damage) async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        let records = cluster.nodes.map { "members/\($0.name)" }
        let shared = ["config", "status", "history", "sync", "failover", "initialize"]
        let logs = cluster.nodes.map { ($0, $0.logText) }
        try await ClusterTree.with(cluster) { tree in
            var intact: [(znode: String, text: String?)] = []
            for znode in shared { intact.append((znode, try await tree.text(znode))) }
            for znode in shared + records + ["members/ghost"] { try await tree.set(znode, damage.text) }
            try await cluster.seen("the damage")
            // Once more, for those who would complain again.
            if damage == .text { try await cluster.seen("the damage again") }
            try await writer.progress(20, "with \(damage) in every znode")
            try await tree.delete("members/ghost")
            for (znode, text) in intact { try await tree.set(znode, text ?? (znode == "history" ? "[]" : "{}")) }
            for record in records {
                try await eventually("\(record) is repaired", within: AgentCommand.deadline()) {
                    try await tree.text(record)?.hasPrefix("{\"conn_url\":") == true
                }
            }
        }
        let after = try await cluster.whole("with the znodes repaired")
        let history = await writer.stop()
        expectOnePrimary(history, "\(damage) in every znode")
        #expect(after.leader === before.leader)
        #expect(after.timeline == before.timeline)
        #expect(history.unknown.isEmpty)
        let present = try await writer.present(on: after.leader)
        #expect(history.lost(present: present).isEmpty)
        for (node, log) in logs {
            let lines = node.logText(since: log).split(separator: "\n").filter { line in
                (line.contains("WARNING") || line.contains("ERROR")) && line.contains("config")
            }
            #expect(lines.count == 1, "\(node.name) says once that it keeps its configuration: \(lines)")
        }
    }

    enum Damage: String, CaseIterable, CustomTestStringConvertible {
        case text, controlCharacters, nesting, size, otherType, number

        var testDescription: String { rawValue }

        var text: String {
            switch self {
            case .text: "{not json"
            case .controlCharacters: "\u{0}\u{1}\u{7f}\u{85}"
            case .nesting: String(repeating: "[", count: 100_000)
            case .size: "{\"ttl\":\"" + String(repeating: "x", count: 900_000)
            case .otherType: "[1,\"a\",null]"
            case .number: "-1e999"
            }
        }
    }
}
