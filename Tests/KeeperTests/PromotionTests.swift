import Foundation
import HACore
import PostgresControl
import Support
import Testing

extension KeeperTests {
    @Suite(.timeLimit(.minutes(2)))
    struct PromotionTests {
        /// Without the kicks one in three of these sleeps 5 s (`wal_retrieve_retry_interval`).
        @Test(arguments: 1...3) func `a streaming standby is promoted at once after its primary's death`(
            round: Int
        ) async throws {
            let old = try KeeperProgram()
            let new = try KeeperProgram()
            let (primary, postmaster) = try await old.primary()
            try await new.startKeeper()
            let standby = try await new.attach()
            try await new.clone(from: old, standby)
            try await new.start(standby, as: .standby)
            try await standby.kick(for: .seconds(5))
            try await eventually("it streams") {
                try await new.sql("select status from pg_stat_wal_receiver") == "streaming"
            }
            try await standby.kick(for: .zero)
            let writer = try await old.busyBackend()
            try await eventually("the startup process is known") { try await standby.status().startupPID != nil }
            try await standby.arm(until: now() + .seconds(20), epochZxid: 3)

            kill(postmaster, SIGKILL)
            let began = now()
            try await standby.promote(
                epochZxid: 3, promoteFile: FileName.promote(in: new), deadline: .seconds(3))
            #expect(now() - began < .seconds(3))
            try await new.sql("create table after(round int)")
            let status = try await standby.status()
            #expect(status.promoteRequested && status.mayBeWritable)
            await refused(.writable) { try await standby.disarm() }
            try await primary.empty()
            try await writer.wait()
            try await old.end()
            try await new.end()
        }

        @Test func `a promotion of a server whose backends crashed still comes to its end`() async throws {
            let member = try KeeperProgram()
            try await member.initialize()
            try await member.run("/usr/bin/touch", ["\(member.data)/standby.signal"])
            try await member.startKeeper()
            let client = try await member.attach()
            try await member.start(client, as: .standby)
            let first = try await eventually("the startup process is known") { try await client.status().startupPID }
            let backend = pid_t(
                try await member.sql("select pid from pg_stat_activity where backend_type = 'checkpointer'"))
            kill(try #require(backend), SIGKILL)
            try await eventually("there is a new startup process") {
                let now = try await client.status().startupPID
                return now != nil && now != first
            }
            try await client.arm(until: now() + .seconds(20), epochZxid: 1)
            try await client.promote(epochZxid: 1, promoteFile: FileName.promote(in: member), deadline: .seconds(3))
            #expect(try await member.sql("select pg_is_in_recovery()") == "f")
            try await member.end()
        }

        @Test func `a fence during a promotion ends both`() async throws {
            let member = try KeeperProgram()
            try await member.initialize()
            try await member.run("/usr/bin/touch", ["\(member.data)/standby.signal"])
            try await member.startKeeper()
            let client = try await member.attach()
            try await member.start(client, as: .standby)
            let startup = try await eventually("the startup process is known") { try await client.status().startupPID }
            // It cannot come to its end while it stands still.
            kill(startup, SIGSTOP)
            try await client.arm(until: now() + .milliseconds(400), epochZxid: 1)
            await #expect(
                performing: {
                    try await client.promote(
                        epochZxid: 1, promoteFile: FileName.promote(in: member), deadline: .seconds(3))
                },
                throws: { ($0 as? KeeperError)?.code == .promoteFailed && ($0 as? KeeperError)?.outcome == .unknown })
            try await client.empty()
            #expect(member.census().isEmpty)
            try await member.end()
        }
    }
}
