import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// Strict synchronous replication: what was acknowledged survives the loss of any one node.
    @Suite(.serialized, .cluster { $0.dynamic = ["synchronous_mode: true", "synchronous_mode_strict: true"] })
    struct Synchronous {
        @Test(arguments: 1...2)
        func nothingAcknowledgedIsLostWithTheLeadersNode(round: Int) async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let standby = try await confirmed(cluster, leader: before.leader)
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress(200)
            try await before.leader.kill()
            let between = try await cluster.whole("without \(before.leader.name)", members: before.replicas)
            #expect(between.leader.name == standby, "only the synchronous standby may lead")
            try await writer.progress(on: between.leader)
            try before.leader.start()
            let after = try await cluster.whole(within: AgentCommand.deadline(40))
            let history = await writer.stop()
            expectOnePrimary(history, "strict synchronous, node of the leader killed, round \(round)")
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
            #expect(history.invented(present: present).isEmpty)
        }

        @Test func killOfThePrimaryLosesNothing() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            _ = try await confirmed(cluster, leader: before.leader)
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress(200)
            try before.leader.kill(\.postmaster, "postmaster")
            try await writer.progress(within: AgentCommand.deadline(), "after the kill")
            let after = try await cluster.whole()
            let history = await writer.stop()
            expectOnePrimary(history, "strict synchronous, postmaster killed")
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
        }

        /// Faults that move the leader, each under a writer: the new one has every acknowledged row.
        @Test(arguments: ["postmaster", "keeper", "agent frozen", "SIGTERM"])
        func nothingAcknowledgedIsLost(fault: String) async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let standby = try await confirmed(cluster, leader: before.leader)
            try await cluster.configure("primary_start_timeout", 0)
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress(200)
            let agent = before.leader.agent
            switch fault {
            case "postmaster": try before.leader.kill(\.postmaster, "postmaster")
            case "keeper": try before.leader.kill(\.keeper, "keeper")
            case "agent frozen": ProcessTable.signal(SIGSTOP, try #require(agent))
            default: #expect(try await before.leader.stop() == .exited(0))
            }
            let isAway = fault == "agent frozen" || fault == "SIGTERM"
            let between = try await cluster.whole(
                "after: \(fault)", members: isAway ? before.replicas : nil, within: AgentCommand.deadline(40)
            ) { $0.leader !== before.leader }
            #expect(between.leader.name == standby, "only the synchronous standby may lead")
            try await writer.progress(on: between.leader)
            if fault == "agent frozen" { ProcessTable.signal(SIGCONT, try #require(agent)) }
            if fault == "SIGTERM" { try before.leader.start() }
            let after = try await cluster.whole("again", within: AgentCommand.deadline(40))
            let history = await writer.stop()
            expectOnePrimary(history, "strict synchronous, \(fault)")
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
            #expect(history.invented(present: present).isEmpty)
            try await cluster.configure("primary_start_timeout", nil)
        }

        /// The synchronous standby goes: another takes its part, commits go on, `sync` names the new one.
        @Test(arguments: [true, false])
        func aLostStandbyIsReplaced(inOrder: Bool) async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let standby = try cluster[try await confirmed(cluster, leader: before.leader)]
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress(200)
            if inOrder { _ = try await standby.stop() } else { try await standby.kill() }
            try await writer.progress(200)
            try await eventually("sync names another standby", within: AgentCommand.deadline()) {
                try await confirmed(cluster, leader: before.leader) != standby.name
            }
            try standby.start()
            let after = try await cluster.whole()
            let history = await writer.stop()
            #expect(after.leader === before.leader)
            #expect(history.unknown.isEmpty)
        }

        /// One client, and nothing else writes: PostgreSQL lets it go only when the new standby speaks again, which it
        /// does each `wal_receiver_status_interval` (10 s).
        @Test func aLoneCommitDoesNotWaitForTheNextStandbysWord() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let standby = try cluster[try await confirmed(cluster, leader: before.leader)]
            try await before.leader.query("CREATE TABLE IF NOT EXISTS public.lone (at timestamptz)")
            try await standby.kill()
            let start = ContinuousClock.now
            try await before.leader.query("INSERT INTO public.lone VALUES (now())", deadline: .seconds(8))
            report("a lone commit went on after \(ContinuousClock.now - start)")
            try standby.start()
            try await cluster.whole("with the standby again")
        }

        @Test func switchoverGoesToTheSynchronousStandbyOnly() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            let standby = try await confirmed(cluster, leader: before.leader)
            let other = try #require(before.replicas.first { $0.name != standby })
            let refused = try await Rest.ask(
                other, "switchover",
                ["leader": .string(before.leader.name), "candidate": .string(other.name)])
            #expect(refused.status == 412)
            #expect(refused.body == "candidate name does not match with sync_standby")
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            writer.start()
            try await writer.progress(200)
            let answer = try await Rest.ask(other, "switchover", ["leader": .string(before.leader.name)])
            #expect(answer.body == "Successfully switched over to \"\(standby)\"")
            let after = try await cluster.whole("led by \(standby)") { $0.leader.name == standby }
            try await writer.progress(on: after.leader)
            let history = await writer.stop()
            expectOnePrimary(history, "strict synchronous, switchover")
            let present = try await writer.present(on: after.leader)
            #expect(history.lost(present: present).isEmpty)
        }

        /// Strict, and nobody is there: nothing is acknowledged, and it goes on with the first that comes back.
        @Test func withoutAStandbyNothingIsAcknowledged() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            _ = try await confirmed(cluster, leader: before.leader)
            // Its table is acknowledged yet.
            let writer = try await AcknowledgedWriter(cluster, leader: before.leader)
            for replica in before.replicas { try await replica.kill() }
            writer.start()
            try await Task.sleep(for: .seconds(2))
            #expect(writer.soFar.acknowledged.isEmpty)
            #expect(await before.leader.rest("/primary") == 200)
            try before.replicas[0].start()
            try await writer.progress()
            try before.replicas[1].start()
            try await cluster.whole()
            _ = await writer.stop()
        }

        @Test func switchedOffAndOnAgain() async throws {
            let (cluster, before) = try await SharedCluster.whole()
            _ = try await confirmed(cluster, leader: before.leader)
            try await cluster.configure("synchronous_mode", false)
            try await eventually("sync is off", within: AgentCommand.deadline()) {
                try await ClusterTree.with(cluster) { try await $0.text("sync") } == "{}"
            }
            try await eventually("commits wait for nobody", within: AgentCommand.deadline()) {
                try await before.leader.query("SHOW synchronous_standby_names", deadline: .seconds(5)).first()
                    .text("synchronous_standby_names").isEmpty
            }
            try await cluster.configure("synchronous_mode", true)
            _ = try await confirmed(cluster, leader: before.leader)
        }

        /// The standby that `sync` names once it names one; the znode has the keys that others read, in their order.
        private func confirmed(_ cluster: TestCluster, leader: ClusterNode) async throws -> String {
            try await ClusterTree.with(cluster) { tree in
                try await eventually("sync names a standby of \(leader.name)", within: AgentCommand.deadline()) {
                    let sync = try await tree.object("sync")
                    guard sync["leader"]?.asString == leader.name, let standby = sync["sync_standby"]?.asString else {
                        return nil
                    }
                    #expect(sync.keys == ["leader", "quorum", "sync_standby"])
                    #expect(sync["quorum"]?.asInt == 0)
                    return standby
                }
            }
        }
    }
}
