import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Tags that say whom a member streams from.
    @Suite(.serialized, .cluster(.shared, { _ in })) struct Cascade {
        private func upstream(_ node: ClusterNode) async throws -> String? {
            try await node.query("SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'")
                .rows.first?["sender_port"]
        }

        private func slots(_ node: ClusterNode) async throws -> [String] {
            try await node.query("SELECT slot_name FROM pg_replication_slots WHERE active ORDER BY 1").rows.map {
                try $0.text("slot_name")
            }
        }

        private func tag(_ node: ClusterNode, _ lines: String, over text: String) throws {
            try node.write(configuration: text + "\ntags: {\(lines)}\n")
            ProcessTable.signal(SIGHUP, try #require(node.supervisor))
        }

        @Test func aMemberStreamsFromWhomItsTagNames() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let (parent, child) = (roles.replicas[0], roles.replicas[1])
            let text = child.configuration
            try tag(child, "replicatefrom: \(parent.name)", over: text)
            try await eventually("\(child.name) streams from \(parent.name)", within: AgentCommand.deadline()) {
                try await upstream(child) == String(parent.port)
            }
            try await eventually("with a slot of its own there", within: AgentCommand.deadline()) {
                try await slots(parent) == [child.name.replacing("-", with: "_")]
            }
            // The one above goes: the leader takes its place until it is back.
            try await parent.stop()
            try await eventually("\(child.name) streams from the leader", within: AgentCommand.deadline()) {
                try await upstream(child) == String(roles.leader.port)
            }
            try parent.start()
            try await eventually("\(child.name) streams from \(parent.name) again", within: AgentCommand.deadline()) {
                try await upstream(child) == String(parent.port)
            }
            // Never a circle: the leader's death makes another lead, and everybody gets its rows.
            try await roles.leader.kill()
            try await eventually("somebody leads", within: AgentCommand.deadline()) {
                for node in [parent, child] where await node.rest("/primary") == 200 { return true }
                return false
            }
            try roles.leader.start()
            try child.write(configuration: text)
            ProcessTable.signal(SIGHUP, try #require(child.supervisor))
            try await cluster.whole("with plain tags again")
        }

        @Test func nostreamReadsTheArchiveAlone() async throws {
            let (cluster, roles) = try await SharedCluster.whole()
            let node = roles.replicas[0]
            let text = node.configuration
            try tag(node, "nostream: true", over: text)
            try await eventually("\(node.name) receives nothing", within: AgentCommand.deadline()) {
                try await upstream(node) == nil
            }
            let conninfo = try await node.query("SHOW primary_conninfo").first()["primary_conninfo"]
            #expect(conninfo == "")
            try await eventually("the leader has no slot for it", within: AgentCommand.deadline(40)) {
                let found = try await roles.leader.query(
                    "SELECT 1 AS one FROM pg_replication_slots WHERE slot_name = $1 AND active",
                    [node.name.replacing("-", with: "_")])
                return found.rows.isEmpty
            }
            try node.write(configuration: text)
            ProcessTable.signal(SIGHUP, try #require(node.supervisor))
            try await cluster.whole("with plain tags again")
        }
    }
}
