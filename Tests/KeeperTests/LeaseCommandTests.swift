import Foundation
import HACore
import PostgresControl
import Support
import Testing

extension KeeperTests {
    /// What the keeper takes and what it refuses.
    @Suite(.timeLimit(.minutes(2)))
    struct LeaseCommandTests {
        @Test func `a deadline in the past is refused, and thousands of renewals hold`() async throws {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            await refused(.past) { try await client.arm(until: now() - .seconds(1), epochZxid: 9) }
            await refused(.past) { try await client.arm(until: Instant(nanoseconds: -5), epochZxid: 9) }
            client.lower(to: now() + .seconds(1))
            var last = now() + .seconds(1)
            for round in 0..<5_000 {
                last = now() + .seconds(1)
                // The queue between us is short: what does not fit was not sent, and the next one says more.
                if !client.extend(until: last), round % 50 == 0 { try await client.ping(deadline: .seconds(1)) }
            }
            try await client.ping(deadline: .seconds(1))
            #expect(client.extend(until: last + .seconds(5)))
            #expect(client.extend(until: last))  // earlier: ignored
            #expect(client.lower(to: last + .seconds(9)))  // later: ignored
            let status = try await client.status()
            #expect(status.armedUntil == last + .seconds(5))
            #expect(status.postmasterPID == postmaster)
            await refused(.writable) { try await client.disarm() }
            await refused(.writable) { try await client.disarm(planned: true) }
            try await client.stop(.immediate)
            try await client.empty()
            try await client.disarm()
            #expect(client.extend(until: now() + .seconds(60)))
            #expect(try await client.status().armedUntil == nil, "not armed: an extension arms nothing")
            try await member.end()
        }

        @Test func `starts and promotions are refused without their conditions`() async throws {
            let member = try KeeperProgram()
            try await member.initialize()
            try await member.startKeeper()
            let client = try await member.attach()
            await refused(.notArmed) { try await member.start(client, as: .primary) }
            await refused(.noStandbySignal) { try await member.start(client, as: .standby) }
            try await client.arm(until: now() + .milliseconds(90), epochZxid: 1)
            await refused(.tooLate) { try await member.start(client, as: .primary) }
            #expect(try await client.fenced().why == .deadline)
            try await client.empty()
            await refused(.latched) { try await client.arm(until: now() + .seconds(9), epochZxid: 1) }
            await refused(.latched) { try await member.start(client, as: .primary, epoch: 1) }

            try await member.run("/usr/bin/touch", ["\(member.data)/standby.signal"])
            try await member.start(client, as: .standby)
            let file = FileName.promote(in: member)
            await refused(.latched) { try await client.promote(epochZxid: 1, promoteFile: file, deadline: .seconds(1)) }
            await refused(.notArmed) {
                try await client.promote(epochZxid: 2, promoteFile: file, deadline: .seconds(1))
            }
            try await client.arm(until: now() + .milliseconds(95), epochZxid: 2)
            await refused(.tooLate) { try await client.promote(epochZxid: 2, promoteFile: file, deadline: .seconds(1)) }
            #expect(!FileManager.default.fileExists(atPath: "\(file)"))
            try await client.arm(until: now() + .seconds(20), epochZxid: 2)
            await refused(.running) { try await member.start(client, as: .standby) }
            try await client.stop(.fast)
            try await client.empty()
            await refused(.notRunning) {
                try await client.promote(epochZxid: 2, promoteFile: file, deadline: .seconds(1))
            }
            await refused(.notRunning) { try await client.stop(.fast) }
            let missing = FileName.missing(in: member)
            await refused(.spawn) {
                _ = try await client.start(
                    as: .standby, epochZxid: 2, dataDirectory: member.dataPath, arguments: [missing], environment: [:])
            }
            try await member.end()
        }

        @Test func `after a fence only a newer state of epoch starts a primary`() async throws {
            let member = try KeeperProgram()
            let (client, _) = try await member.primary()
            #expect(client.fence())
            try await client.empty()
            await refused(.latched) { try await client.arm(until: now() + .seconds(9), epochZxid: 1) }
            await refused(.latched) { try await member.start(client, as: .primary, epoch: 1) }
            await refused(.notArmed) { try await member.start(client, as: .primary, epoch: 2) }
            try await client.arm(until: now() + .seconds(9), epochZxid: 2)
            await refused(.latched) { try await member.start(client, as: .primary, epoch: 1) }
            try await member.start(client, as: .primary, epoch: 2)
            #expect(try await member.sql("select pg_is_in_recovery()") == "f")
            try await member.end()
        }

        @Test func `a planned release is granted once nothing can write any more`() async throws {
            let member = try KeeperProgram()
            let (client, _) = try await member.primary()
            // An archiver that hangs keeps the postmaster after its shutdown checkpoint.
            try await member.sql("alter system set archive_command = 'sleep 20'")
            try await member.sql("alter system set archive_mode = 'on'")
            try await client.stop(.fast)
            try await client.empty()
            try await member.start(client, as: .primary)
            try await member.sql("create table archived()")
            try await member.sql("select pg_switch_wal()")
            await refused(.writable) { try await client.disarm(planned: true) }
            try await client.stop(.fast)
            try await eventually("the release is granted while the postmaster lives") {
                do throws(KeeperError) { try await client.disarm(planned: true) } catch {
                    if error.code == .writable { return false }
                    throw error
                }
                return true
            }
            let status = try await client.status()
            #expect(status.postmasterPID != nil, "the archiver keeps it")
            #expect(status.armedUntil == nil && !status.mayBeWritable)
            try await client.stop(.immediate)
            try await client.empty()
            try await member.end()
        }

        @Test func `a server that somebody else started is taken over, fenced and swept`() async throws {
            let member = try KeeperProgram()
            try await member.initialize()
            let server = try UnprivilegedProcess.start(
                member.arguments[0], Array(member.arguments.dropFirst()), output: member.folder.path("foreign.log"))
            try await eventually("PostgreSQL accepts connections") { try await member.isReady() }
            try await member.startKeeper()
            let client = try await member.attach()
            await refused(.notEmpty) { try await member.start(client, as: .standby) }
            let first = now() + .seconds(20)
            try await client.takeOver(postmaster: server.pid, as: .primary, until: first)
            let status = try await client.status()
            #expect(status.takenOver && status.postmasterPID == server.pid && status.mayBeWritable)
            #expect(status.armedUntil == first && status.armedZxid == 0, "armed in the same step, for no move of epoch")
            try await client.arm(until: first + .seconds(1), epochZxid: 1)
            let writer = try await member.busyBackend()
            server.freeze()
            let deadline = now() + .milliseconds(100)
            client.lower(to: deadline)
            // The test is its parent: until it is reaped here, it is there.
            try await server.wait()
            try await client.empty()
            #expect(now() - deadline < .seconds(1))
            #expect(member.census().isEmpty)
            #expect(!FileManager.default.fileExists(atPath: "\(member.data)/postmaster.pid"))
            try await writer.wait()
            try await member.end()
        }
    }
}
