import Foundation
import HACore
import PostgresControl
import Support
import Testing

extension KeeperTests {
    /// keeper.md's table, row by row, from outside: real processes, real PostgreSQL.
    @Suite(.timeLimit(.minutes(2)))
    struct FencingTests {
        @Test func `an agent that is killed leaves PostgreSQL running, and its successor finds it`() async throws {
            let member = try KeeperProgram()
            try await member.initialize()
            try await member.startKeeper()
            let arguments = member.arguments.joined(separator: " ")
            let agent = try await member.agent([
                "arm \((now() + .seconds(30)).rawValue) 7", "start primary 7 \(member.data) 1 LC_ALL=C \(arguments)",
            ])
            try await eventually("PostgreSQL accepts connections") { try await member.isReady() }
            try await agent.end()
            try await eventually("the keeper has noticed") { member.log.contains("the agent has gone") }

            let client = try await member.attach()
            let status = try await client.status()
            let postmaster = try #require(status.postmasterPID)
            #expect(isAlive(postmaster))
            #expect(status.startedAs == .primary)
            #expect(status.mayBeWritable)
            #expect(status.armedZxid == 7)
            let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(status.keeperPID)/task")
            #expect(threads.count == 1, "PDEATHSIG belongs to the thread that forked")
            #expect(status.armedUntil != nil)
            #expect(try await member.sql("select pg_is_in_recovery()") == "f")
            try await client.stop(.fast)
            try await client.empty()
            let after = try await client.status()
            #expect(after.isEmpty && after.stopRequested && !after.fenced && after.lastExit == 0)
            #expect(member.serverLog.contains("database system is shut down"), "the logger's last lines are not lost")
            try await member.end()
        }

        @Test(arguments: [SIGKILL, SIGSTOP])
        func `an agent that does not come back, or stands still, costs the lease`(signal: Int32) async throws {
            let member = try KeeperProgram()
            try await member.initialize()
            try await member.startKeeper()
            let arguments = member.arguments.joined(separator: " ")
            let deadline = now() + .seconds(3)
            let agent = try await member.agent([
                "arm \(deadline.rawValue) 7", "start primary 7 \(member.data) 1 LC_ALL=C \(arguments)",
            ])
            agent.signal(signal)
            try await eventually("PostgreSQL runs") { !member.census().isEmpty }
            try await eventually("the keeper fences") { member.log.contains("fenced: deadline") }
            try await eventually("nothing of PostgreSQL is left") { member.census().isEmpty }
            #expect(now() > deadline)
            #expect(now() - deadline < .seconds(1))
            let client = try await member.attach()
            #expect(!agent.isRunning)
            let status = try await client.status()
            #expect(status.latch == 7 && status.fenced)
            try await eventually("the keeper says so, too") { try await client.status().isEmpty }
            try await member.end()
        }

        @Test func `the deadline ends PostgreSQL with a busy backend within M`() async throws {
            let member = try KeeperProgram()
            let (client, _) = try await member.primary()
            let writer = try await member.busyBackend()
            let deadline = now() + .milliseconds(200)
            #expect(client.lower(to: deadline))
            let fenced = try await client.fenced()
            try await client.empty()
            let took = now() - deadline
            #expect(fenced.why == .deadline)
            #expect(fenced.lateBy < .milliseconds(300))
            #expect(took < .seconds(1), "gone \(took) after the deadline")
            #expect(member.census().isEmpty)
            try await writer.wait()
            let status = try await client.status()
            #expect(status.latch == 1 && status.armedUntil == nil && status.fenced && status.isEmpty)
            try await member.end()
        }

        @Test func `a stopped postmaster does not survive the deadline`() async throws {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            let writer = try await member.busyBackend()
            kill(postmaster, SIGSTOP)
            let deadline = now() + .milliseconds(100)
            #expect(client.lower(to: deadline))
            try await client.empty()
            let took = now() - deadline
            #expect(took < .seconds(1), "gone \(took) after the deadline")
            #expect(member.census().isEmpty)
            try await writer.wait()
            try await member.end()
        }

        @Test func `a killed keeper takes PostgreSQL with it`() async throws {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            kill(client.keeperPID, SIGKILL)
            let killed = now()
            try await eventually("nothing of PostgreSQL is left") { member.census().isEmpty && !isAlive(postmaster) }
            #expect(now() - killed < .seconds(1))
            _ = try await client.event("the connection ends") { $0 == .closed }
            await #expect(
                performing: { try await client.ping(deadline: .seconds(1)) },
                throws: {
                    ($0 as? KeeperError)?.code == .closed
                })
            try await member.end()
        }

        @Test func `a new keeper starts nothing beside what a killed one left`() async throws {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            // A stopped postmaster does not hear the kernel's SIGQUIT: the case that no keeper covers.
            kill(postmaster, SIGSTOP)
            kill(client.keeperPID, SIGKILL)
            try await eventually("the keeper is gone") { !isAlive(client.keeperPID) }
            try await member.startKeeper()
            let second = try await member.attach()
            #expect(try await second.status().isEmpty == false)
            try await second.arm(until: now() + .seconds(20), epochZxid: 2)
            await refused(.notEmpty) { try await member.start(second, as: .primary, epoch: 2) }
            await refused(.writable) { try await second.disarm() }
            kill(postmaster, SIGCONT)
            try await second.empty()
            try await member.start(second, as: .primary, epoch: 2)
            try await member.end()
        }

        @Test func `a postmaster killed under a busy backend is empty soon, and nothing more is written`() async throws
        {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            let writer = try await member.busyBackend()
            kill(postmaster, SIGKILL)
            let killed = now()
            let exited = try await client.event("its end is told") {
                if case .postmasterExited = $0 { true } else { false }
            }
            #expect(exited == .postmasterExited(waitStatus: SIGKILL))
            try await client.empty()
            #expect(now() - killed < .seconds(1))
            #expect(member.census().isEmpty)
            #expect(writer.exitStatus != .exited(0))
            // Crash recovery in place is a start as primary: it is armed still.
            try await member.start(client, as: .primary)
            let rows = try await member.sql("select count(*), max(at) < clock_timestamp() - interval '1 ms' from ticks")
            #expect(rows.hasSuffix("|t"))
            try await member.end()
        }

        @Test func `a standby promoted behind the keeper's back is fenced`() async throws {
            let member = try KeeperProgram()
            try await member.initialize()
            try await member.startKeeper()
            try await member.run("/usr/bin/touch", ["\(member.data)/standby.signal"])
            let client = try await member.attach()
            try await member.start(client, as: .standby)
            try await client.disarm()
            #expect(try await client.status().mayBeWritable == false)
            try await eventually("the startup process is known") { try await client.status().startupPID != nil }
            _ = try await member.sql("select pg_promote(false)")
            #expect(try await client.fenced().why == .unarmedPrimary)
            try await client.empty()
            #expect(member.census().isEmpty)
            try await member.end()
        }

        @Test func `a paused keeper fences nothing, and wants a lease before it is normal again`() async throws {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            try await client.setMode(.paused)
            let deadline = now() + .milliseconds(50)
            client.lower(to: deadline)
            try await eventually("the deadline has passed") { now() > deadline + .milliseconds(200) }
            #expect(isAlive(postmaster))
            let status = try await client.status()
            #expect(status.mode == .paused && status.latch == nil && status.armedUntil == deadline)
            // Renewed first, then enforced again.
            try await client.arm(until: now() + .seconds(20), epochZxid: 1)
            try await client.setMode(.normal)
            #expect(try await client.status().postmasterPID == postmaster)
            #expect(client.fence())
            #expect(try await client.fenced().why == .requested)
            try await client.empty()
            try await member.end()
        }

        @Test func `what is given back is left alone until it is taken over again`() async throws {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            let deadline = now() + .milliseconds(150)
            client.lower(to: deadline)
            try await client.setMode(.detached)
            try await eventually("the deadline has passed") { now() > deadline + .milliseconds(200) }
            #expect(isAlive(postmaster))
            await refused(.notArmed) { try await client.setMode(.normal) }

            let end = now() + .seconds(1)
            await refused(.running) { try await client.takeOver(postmaster: postmaster + 1, as: .primary, until: end) }
            try await client.takeOver(postmaster: postmaster, as: .primary, until: end)
            let status = try await client.status()
            #expect(status.mode == .normal && status.takenOver && status.postmasterPID == postmaster)
            #expect(status.armedUntil == end && status.armedZxid == 0)
            #expect(try await client.fenced().why == .deadline)
            try await client.empty()
            #expect(!isAlive(postmaster))
            await refused(.notRunning) { try await client.setMode(.detached) }
            try await member.end()
        }
    }
}
