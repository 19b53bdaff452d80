import Foundation
import HACore
import PostgresControl
import Support
import Testing

extension KeeperTests {
    /// lock.md 6: one agent at a time, the newest, and only over the dead body of the one before.
    @Suite(.timeLimit(.minutes(2)))
    struct AttachTests {
        @Test func `attaching kills the agent before, also a frozen one`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let first = try await member.agent(output: "first")
            first.freeze()
            let second = try await member.agent(output: "second")
            #expect(first.exitStatus == .signalled(SIGKILL))
            let client = try await member.attach()
            #expect(second.exitStatus == .signalled(SIGKILL))
            try await client.ping(deadline: .seconds(1))
            try await member.end()
        }

        @Test func `an agent that has lost its socket is killed as well`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            // Garbage costs the connection; the process goes on with its output.
            let agent = try await member.agent(["nonsense"], output: "first")
            try await eventually("its connection is closed") { member.log.contains("the agent has gone") }
            agent.freeze()
            let client = try await member.attach()
            #expect(!agent.isRunning)
            try await client.ping(deadline: .seconds(1))
            try await member.end()
        }

        @Test func `a frozen keeper is killed with its PostgreSQL, and the next one confirms`() async throws {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            client.close()
            kill(client.keeperPID, SIGSTOP)
            let next = try await member.attach()
            #expect(next.keeperPID != client.keeperPID)
            #expect(!isAlive(client.keeperPID))
            try await eventually("PostgreSQL follows its keeper") { !isAlive(postmaster) }
            try await eventually("nothing of it is left") { try await next.status().isEmpty }
            try await member.end()
        }

        @Test func `of many that attach at once one is left`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let agents = try (0..<6).map { number in
                try UnprivilegedProcess.start(
                    member.binary, ["talk", "--runtime", member.runtimePath, "--", "attach a\(number)"],
                    output: member.folder.path("a\(number)"))
            }
            try await eventually("one is left") { agents.filter(\.isRunning).count == 1 }
            let survivor = agents.firstIndex { $0.isRunning }
            let left = try #require(survivor)
            try await eventually("it is confirmed") { member.folder.read("a\(left)")?.contains("1 1 ok ") ?? false }
            let client = try await member.attach()
            let running = agents.filter { $0.isRunning }
            #expect(running.isEmpty)
            try await client.ping(deadline: .seconds(1))
            try await member.end()
        }

        @Test func `two keepers for one folder are one`() async throws {
            let member = try KeeperProgram()
            async let first: Void = member.startKeeper()
            async let second: Void = member.startKeeper()
            _ = try await (first, second)
            let client = try await member.attach()
            let again = try await member.run(
                member.binary, ["start", "--runtime", member.runtimePath, "--data", member.data])
            #expect(again == "ready \(client.keeperPID)\n")
            try await member.end()
        }

        @Test func `garbage closes its connection and changes nothing else`() async throws {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            let before = try await client.status()
            for bytes: [UInt8] in [
                [0], [1, 2, 3], Array("1".utf8), Array("1\0007\0".utf8), Array("2\0001\0ping\0".utf8),
                Array("1\0-4\0ping\0".utf8), Array("1\u{0}1\u{0}fence\u{0}".utf8), Array("1\u{0}0\u{0}fence\u{0}".utf8),
                Array(repeating: 0, count: 60_000), Array(repeating: 65, count: 140_000),
            ] { #expect(try RawSocket.closes(after: bytes, at: member.socketPath), "\(bytes.prefix(20))") }
            let after = try await client.status()
            #expect(after == before && after.postmasterPID == postmaster)
            try await member.end()
        }

        @Test func `an agent that sends half a command loses its connection, and nothing happens`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            for (round, command) in [
                "arm", "arm 1", "arm x 1", "arm 99999999999999999999 1", "extend", "lower y", "start",
                "start odd 1 /tmp 0 /bin/true", "kick", "mode", "stop", "promote 1", "take-over 1", "ping-pong",
            ].enumerated() {
                _ = try await member.agent([command], output: "agent\(round)")
                try await eventually("\(command) closes the connection") {
                    member.folder.read("agent\(round)")?.hasSuffix("closed\n") ?? false
                }
            }
            let refusals = [
                "start primary 1", "start primary 1 /tmp 5 /bin/true", "start standby 1 /tmp 0 true", "run",
                "run /tmp/x alone 9", "mode odd",
                "stop odd",
            ]
            let agent = try await member.agent(refusals, output: "refused")
            #expect(member.folder.read("refused")?.components(separatedBy: " no ").count == refusals.count + 1)
            #expect(agent.isRunning)
            let status = try await member.attach().status()
            #expect(status.isEmpty && status.armedUntil == nil && status.toolPID == nil && status.mode == .normal)
            try await member.end()
        }

        @Test func `a keeper with nothing to keep ends, and the next attach starts another`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let client = try await member.attach()
            client.close()
            try await eventually("it ends", within: .seconds(10)) { !isAlive(client.keeperPID) }
            #expect(!FileManager.default.fileExists(atPath: member.socketPath))
            // This one is started by the client, and so runs as the test's own user.
            let next = try await member.attach()
            #expect(next.keeperPID != client.keeperPID)
            try await next.ping(deadline: .seconds(1))
            try await member.end()
        }
    }
}
