import AdminModel
import Support
import Testing

extension ClusterTests.Views {
    /// Whatever stands in a znode, the cluster goes on with what it knew.
    @Test(
        .disabled(if: AgentCommand.isForeign, "Patroni demotes itself over nested brackets"),
        arguments: ["config", "status", "history", "sync", "failover", "initialize", "members/ghost"]
    )
    func damageToAZnodeIsNoEvent(znode: String) async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        let logs = cluster.nodes.map { ($0, $0.logText) }
        try await ClusterTree.with(cluster) { tree in
            let intact = try await tree.text(znode)
            for damage in Self.damages {
                try await tree.set(znode, damage)
                try await writer.progress(150, "with \(damage.prefix(12))... in \(znode)")
            }
            switch (znode, intact) {
            case ("members/ghost", _): try await tree.delete(znode)
            case (_, let text?): try await tree.set(znode, text)
            case (_, nil): try await tree.set(znode, znode == "history" ? "[]" : "{}")
            }
        }
        let after = try await cluster.whole("with \(znode) restored")
        let history = await writer.stop()
        expectOnePrimary(history, "\(znode) damaged")
        #expect(after.leader === before.leader)
        #expect(after.timeline == before.timeline)
        #expect(history.unknown.isEmpty)
        guard !AgentCommand.isForeign else { return }
        for (node, log) in logs {
            let complaints = node.logText(since: log).split(separator: "\n")
                .count {
                    ($0.contains("WARNING") || $0.contains("ERROR"))
                        && $0.contains(znode.split(separator: "/").last ?? "")
                }
            #expect(complaints <= 2 * Self.damages.count, "\(node.name) says it on change, not in each cycle")
            if znode == "config" { #expect(complaints >= 1, "\(node.name) says that it keeps what it knew") }
        }
    }

    /// A member's own record, overwritten by somebody: the others go on, and the member repairs it with its next word.
    @Test(.disabled(if: AgentCommand.isForeign, "Patroni rewrites a record only when its own content changes"))
    func damageToAMembersRecordIsNoEvent() async throws {
        let (cluster, before) = try await SharedCluster.whole()
        let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
        try await ClusterTree.with(cluster) { tree in
            for node in cluster.nodes {
                for damage in Self.damages {
                    try await tree.set("members/\(node.name)", damage)
                    try await writer.progress(50, "with \(damage.prefix(12))... of \(node.name)")
                }
                try await eventually("\(node.name) has repaired its record", within: AgentCommand.deadline()) {
                    try await tree.text("members/\(node.name)")?.hasPrefix("{\"conn_url\":") == true
                }
            }
        }
        let after = try await cluster.whole("with repaired records")
        let history = await writer.stop()
        expectOnePrimary(history, "records damaged")
        #expect(after.leader === before.leader)
        #expect(after.timeline == before.timeline)
        #expect(history.unknown.isEmpty)
    }

    private static let damages = [
        "{not json", "", "\u{0}\u{1}\u{7f}\u{85}", String(repeating: "[", count: 100_000),
        "{\"ttl\":\"" + String(repeating: "x", count: 900_000), "[1,\"a\",null]", "\"text\"", "-1e999",
    ]
}
