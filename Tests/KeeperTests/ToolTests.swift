import Foundation
import HACore
import PostgresControl
import Support
import SystemPackage
import Testing

extension KeeperTests {
    /// rulings, Lock 12: programs that write the data directory.
    @Suite(.timeLimit(.minutes(2)))
    struct ToolTests {
        private func shell(
            _ client: KeeperClient, _ member: KeeperProgram, _ script: String, alongside: Bool = false,
            deadline: Duration = .seconds(5)
        ) async throws -> Int32 {
            try await client.runTool(
                arguments: ["/bin/sh", "-c", script], environment: ["WORD": "given"],
                output: FilePath(member.folder.path("tool.out")), alongside: alongside, deadline: deadline)
        }

        @Test func `a tool runs with its environment, and its end is told`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let client = try await member.attach()
            #expect(try await shell(client, member, "echo $WORD; env | wc -l; exit 3") == 3 << 8)
            #expect(member.folder.read("tool.out")?.hasPrefix("given\n") == true)
            #expect(try await shell(client, member, "kill -9 $$") == SIGKILL)
            await refused(.spawn) {
                _ = try await client.runTool(
                    arguments: [FileName.missing(in: member)], environment: [:],
                    output: FilePath(member.folder.path("tool.out")), deadline: .seconds(5))
            }
            #expect(try await client.status().toolPID == nil)
            try await member.end()
        }

        @Test func `one tool at a time, none beside PostgreSQL, and PostgreSQL beside none`() async throws {
            let member = try KeeperProgram()
            let (client, _) = try await member.primary()
            await refused(.running) { _ = try await shell(client, member, "true") }
            #expect(try await shell(client, member, "true", alongside: true) == 0)
            try await client.stop(.fast)
            try await client.empty()
            async let long = shell(client, member, "sleep 100")
            try await eventually("it runs") { try await client.status().toolPID != nil }
            await refused(.toolRunning) { _ = try await shell(client, member, "true") }
            await refused(.toolRunning) { try await member.start(client, as: .primary) }
            #expect(client.cancelTool())
            #expect(try await long == SIGTERM)
            try await member.end()
        }

        @Test func `a tool past its deadline is ended with all that it started`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let client = try await member.attach()
            let pids = member.folder.path("pids")
            let script = "sleep 1000 & echo $! > \(pids); setsid sleep 1000 & echo $! >> \(pids); wait"
            await #expect(
                performing: { _ = try await shell(client, member, script, deadline: .milliseconds(300)) },
                throws: { ($0 as? KeeperError)?.code == .timedOut && ($0 as? KeeperError)?.outcome == .unknown })
            let started = (member.folder.read("pids") ?? "").split(separator: "\n").compactMap { pid_t($0) }
            #expect(started.count == 2)
            #expect(started.allSatisfy { !isAlive($0) })
            try await member.end()
        }

        @Test func `the next agent finds the tool of the one before killed`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let pids = member.folder.path("pids")
            try member.folder.write("tool.sh", "echo $$ > \(pids); trap '' TERM; while :; do sleep 0.1; done")
            let agent = try await member.agent([
                "run \(member.folder.path("tool.out")) alone 0 /bin/sh \(member.folder.path("tool.sh"))"
            ])
            let tool = try await eventually("it runs") {
                (member.folder.read("pids")?.trimmingCharacters(in: .whitespacesAndNewlines)).flatMap { pid_t($0) }
            }
            #expect(isAlive(tool))
            let client = try await member.attach()
            #expect(!isAlive(tool))
            #expect(!agent.isRunning)
            #expect(try await client.status().toolPID == nil)
            #expect(try await shell(client, member, "true") == 0)
            try await member.end()
        }

        @Test func `what a killed keeper's tool has started ends before the next keeper listens`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let client = try await member.attach()
            let started = member.folder.path("started")
            try member.folder.write("tool.sh", "sleep 1000 & echo $! > \(started); wait")
            let task = Task { try await shell(client, member, ". \(member.folder.path("tool.sh"))") }
            let child = try await eventually("it runs") {
                (member.folder.read("started")?.trimmingCharacters(in: .whitespacesAndNewlines)).flatMap { pid_t($0) }
            }
            kill(client.keeperPID, SIGKILL)
            await #expect(throws: KeeperError.self) { _ = try await task.value }
            #expect(isAlive(child), "the kernel ends the tool, not what that has started")
            try await member.startKeeper()
            #expect(!isAlive(child))
            try await member.end()
        }

        @Test func `a cancelled task ends its tool`() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let client = try await member.attach()
            let task = Task { try await shell(client, member, "sleep 1000", deadline: .seconds(100)) }
            try await eventually("it runs") { try await client.status().toolPID != nil }
            task.cancel()
            await #expect(
                performing: { _ = try await task.value }, throws: { ($0 as? KeeperError)?.code == .cancelled })
            #expect(try await client.status().toolPID == nil)
            try await member.end()
        }
    }
}
