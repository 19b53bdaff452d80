import AdminModel
import Foundation
import LibPQ
import Support
import Testing
import ZooKeeper

extension ClusterTests {
    /// keeper.md's table, and what is done to the lock or to a standby behind the agent's back.
    @Suite(
        // What the agent got in its environment must reach each successor.
        .serialized, .cluster { $0.passwordsInEnvironment = Set($0.members) },
        .disabled(if: AgentCommand.isForeign, "a foreign program promises neither keeper nor supervisor"))
    struct Fences {
        @Test func aFreezeWithinTheLeaseIsNoEvent() async throws {
            let scene = try await Scenario.begin()
            let (cluster, before, writer) = (scene.cluster, scene.before, scene.writer)
            let agent = try #require(before.leader.agent)
            let postmaster = before.leader.postmaster
            ProcessTable.signal(SIGSTOP, agent)
            defer { ProcessTable.signal(SIGCONT, agent) }
            try await writer.progress(100, on: before.leader)
            ProcessTable.signal(SIGCONT, agent)
            try await writer.progress(100, on: before.leader)
            let after = try await cluster.whole("with the thawed agent")
            #expect(after.leader === before.leader && after.timeline == before.timeline)
            #expect(before.leader.postmaster == postmaster && before.leader.agent == agent)
            #expect(writer.soFar.unknown.isEmpty && writer.soFar.refused.isEmpty)
            try await scene.end(after, "agent frozen for less than the lease")
        }

        @Test func anAgentThatIsNotRestartedLosesThePrimary() async throws {
            let scene = try await Scenario.begin()
            let (cluster, before, writer) = (scene.cluster, scene.before, scene.writer)
            let (agent, keeper) = (try #require(before.leader.agent), try #require(before.leader.keeper))
            try before.leader.kill(\.supervisor, "supervisor")
            try await eventually("the agent follows its supervisor") {
                ProcessTable.entry(agent.pid)?.started != agent.started
            }
            #expect(ProcessTable.entry(keeper.pid)?.started == keeper.started)
            let between = try await cluster.whole("without the agent", members: before.replicas)
            try await writer.progress(on: between.leader)
            #expect(before.leader.postmaster == nil, "the keeper fences at the lease's end")
            try before.leader.start()
            let after = try await cluster.whole("with a new supervisor")
            try await scene.end(after, "supervisor killed")
        }

        @Test func aFrozenKeeperIsKilledByItsAgent() async throws {
            let scene = try await Scenario.begin()
            let (cluster, before, writer) = (scene.cluster, scene.before, scene.writer)
            let keeper = try #require(before.leader.keeper)
            ProcessTable.signal(SIGSTOP, keeper)
            try await eventually("the keeper is killed", within: AgentCommand.deadline()) {
                ProcessTable.entry(keeper.pid)?.started != keeper.started
            }
            let after = try await cluster.whole("with a new keeper")
            try await writer.progress(on: after.leader)
            try await scene.end(after, "keeper frozen")
        }

        @Test func aRemovedRuntimeFolderIsMadeAgain() async throws {
            let scene = try await Scenario.begin()
            let (cluster, before, writer) = (scene.cluster, scene.before, scene.writer)
            let said = before.leader.logText
            let folder = before.leader.place.runtimeFolder
            for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
                try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
            }
            try before.leader.kill(\.keeper, "keeper")
            let between = try await cluster.whole("with a new keeper")
            try await writer.progress(on: between.leader)
            #expect(before.leader.logText(since: said).contains("was removed while its member runs: made again"))
            // The session is kept there again, for the next agent.
            let agent = try #require(before.leader.agent)
            try before.leader.kill(\.agent, "agent")
            try await eventually("the agent is started again") {
                before.leader.agent.map { $0 != agent } == true
            }
            let after = try await cluster.whole("with a new agent")
            try await writer.progress(on: after.leader)
            #expect(after.timeline == between.timeline)
            try await scene.end(after, "runtime folder removed, keeper killed")
        }

        @Test func aFrozenKeeperIsKilledByTheNextAgent() async throws {
            let scene = try await Scenario.begin()
            let (cluster, before, writer) = (scene.cluster, scene.before, scene.writer)
            let keeper = try #require(before.leader.keeper)
            ProcessTable.signal(SIGSTOP, keeper)
            try before.leader.kill(\.agent, "agent")
            try await eventually("the keeper is killed", within: AgentCommand.deadline()) {
                ProcessTable.entry(keeper.pid)?.started != keeper.started
            }
            let after = try await cluster.whole("with a new agent and a new keeper")
            try await writer.progress(on: after.leader)
            try await scene.end(after, "keeper frozen, agent killed")
        }

        /// Not covered without fencing by a quorum or by hardware: this shows what it costs, and how it ends.
        @Test func frozenAgentAndKeeperTogetherAreNotCovered() async throws {
            let scene = try await Scenario.begin()
            let (cluster, before, writer) = (scene.cluster, scene.before, scene.writer)
            let frozen = [try #require(before.leader.agent), try #require(before.leader.keeper)]
            for process in frozen { ProcessTable.signal(SIGSTOP, process) }
            defer { for process in frozen { ProcessTable.signal(SIGCONT, process) } }
            let between = try await cluster.whole("without the frozen ones", members: before.replicas)
            try await writer.progress(on: between.leader)
            try await writer.progress(on: before.leader)
            #expect(before.leader.postmaster != nil)
            for process in frozen { ProcessTable.signal(SIGCONT, process) }
            let after = try await cluster.whole("with the thawed ones")
            #expect(after.leader === between.leader && after.timeline == between.timeline)
            let history = await writer.stop()
            let twice = TwoPrimariesCheck.violations(history.acknowledged)
            report("agent and keeper frozen: \(history.summary); \(twice.count) rows beside another primary")
            #expect(!twice.isEmpty, "if this is covered now, README.md has to say so")
            #expect(twice.allSatisfy { $0.write.node == before.leader.name })
            let present = try await writer.present(on: after.leader)
            #expect(!history.lost(present: present).contains { $0.timeline == after.timeline })
        }

        /// Only the member that `epoch` names may take an absent lock while its session lives (lock.md M2).
        @Test func aLockDeletedUnderAFrozenAgentIsNotTakenWhileItsSessionLives() async throws {
            let scene = try await Scenario.begin()
            let (cluster, before, writer) = (scene.cluster, scene.before, scene.writer)
            let agent = try #require(before.leader.agent)
            try await ClusterTree.with(cluster) { tree in
                let owner = try #require(try await tree.get("leader")).stat.ephemeralOwner
                ProcessTable.signal(SIGSTOP, agent)
                try await tree.delete("leader")
                var looks = 0
                try await eventually("the session of the frozen agent ends", within: AgentCommand.deadline()) {
                    // In this order: the end of a session takes all that it owns at once.
                    let taken = try await tree.get("leader")
                    let member = try await tree.get("members/\(before.leader.name)")
                    guard member?.stat.ephemeralOwner == owner else { return true }
                    #expect(taken == nil, "taken while the session of its holder lives")
                    looks += 1
                    return false
                }
                #expect(looks > 10)
            }
            defer { ProcessTable.signal(SIGCONT, agent) }
            let between = try await cluster.whole("without the frozen agent", members: before.replicas)
            try await writer.progress(on: between.leader)
            ProcessTable.signal(SIGCONT, agent)
            let after = try await cluster.whole("with the thawed agent")
            #expect(after.leader === between.leader)
            try await scene.end(after, "leader deleted under a frozen agent")
        }

        /// Rows that are acknowledged before the keeper sees it are reported, not prevented (lock.md 4.A6).
        @Test func aStandbyPromotedByHandIsStopped() async throws {
            let scene = try await Scenario.begin()
            let (cluster, before, writer) = (scene.cluster, scene.before, scene.writer)
            let standby = try #require(before.replicas.first)
            // Ended before its first checkpoint, the timeline that it made cannot be rewound by every pg_rewind.
            try await ClusterTree.with(cluster) { tree in
                var config = try await tree.object("config")
                var postgresql = try #require(config["postgresql"]?.asObject)
                postgresql["remove_data_directory_on_rewind_failure"] = true
                config["postgresql"] = .object(postgresql)
                try await tree.set("config", config.text(.compact))
            }
            try await cluster.seen("that a clone is allowed")
            let postmaster = try #require(standby.postmaster)
            let log = standby.logText
            _ = try? await standby.query("SELECT pg_promote(false)")
            try await eventually("the keeper stops it", within: AgentCommand.deadline()) {
                ProcessTable.entry(postmaster.pid)?.started != postmaster.started
            }
            // Whoever sees it first: the keeper, or the agent that asks its server.
            try await eventually("it says why") {
                let said = standby.logText(since: log)
                return said.contains("stopped PostgreSQL at once (unarmed-primary)")
                    || said.contains("stopped PostgreSQL at once (requested)")
                        && said.contains("rule=fence.other-leader")
            }
            let after = try await cluster.whole("with the standby back")
            #expect(after.leader === before.leader && after.timeline == before.timeline)
            try await writer.progress(on: after.leader)
            let history = await writer.stop()
            let apart = history.acknowledged.filter { $0.node == standby.name }
            report("standby promoted by hand: \(history.summary); \(apart.count) rows acknowledged there")
            #expect(TwoPrimariesCheck.violations(history.acknowledged.filter { $0.node != standby.name }).isEmpty)
            let present = try await writer.present(on: after.leader)
            #expect(!history.lost(present: present).contains { $0.node == after.leader.name })
        }

        /// SIGUSR2: new programs for supervisor and agent, the same pid, lock and session.
        @Test func anUpgradeOfEachMemberIsNoEvent() async throws {
            let scene = try await Scenario.begin()
            let (cluster, before, writer) = (scene.cluster, scene.before, scene.writer)
            let lock = try await ClusterTree.with(cluster) { try #require(try await $0.get("leader")).stat }
            for node in [before.leader] + before.replicas {
                let (supervisor, agent) = (try #require(node.supervisor), try #require(node.agent))
                let (keeper, postmaster) = (node.keeper, node.postmaster)
                try node.upgrade()
                try await eventually("\(node.name) has a new agent", within: AgentCommand.deadline()) {
                    node.agent.map { $0 != agent } ?? false
                }
                try await cluster.whole("with \(node.name) upgraded")
                try await writer.progress()
                #expect(node.supervisor == supervisor && node.keeper == keeper && node.postmaster == postmaster)
                for process in [supervisor, try #require(node.agent)] {
                    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process.pid)/exe")
                    #expect(!program.hasSuffix(" (deleted)"), "runs the program before the upgrade")
                }
            }
            let after = try await cluster.whole("with all upgraded")
            #expect(after.leader === before.leader && after.timeline == before.timeline)
            #expect(writer.soFar.unknown.isEmpty && writer.soFar.refused.isEmpty)
            let kept = try await ClusterTree.with(cluster) { try #require(try await $0.get("leader")).stat }
            #expect(kept.czxid == lock.czxid && kept.ephemeralOwner == lock.ephemeralOwner)
            try await scene.end(after, "three members upgraded")
        }
    }
}
