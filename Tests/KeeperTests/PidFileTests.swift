import Foundation
import HACore
import PostgresControl
import Support
import SystemPackage
import Testing

extension KeeperTests {
    /// A crash leaves `postmaster.pid`; in a container that starts again its number is soon a thread of the agent.
    @Suite(.timeLimit(.minutes(2)))
    struct PidFileTests {
        private func bystander(
            _ member: KeeperProgram, in folder: String = "/tmp"
        ) async throws -> UnprivilegedProcess {
            let process = try UnprivilegedProcess.start(
                "/usr/bin/sleep", ["1000"], folder: folder, output: member.folder.path("sleep.log"))
            try await eventually("it has become another user's") {
                try String(contentsOfFile: "/proc/\(process.pid)/comm", encoding: .utf8) == "sleep\n"
            }
            return process
        }

        /// What the first line of `postmaster.pid` is for a tool that follows a crash; empty when there is no file.
        private func isFound(
            _ line: String, _ client: KeeperClient, _ member: KeeperProgram, alongside: Bool = false
        ) async throws -> String {
            try await member.run("/bin/sh", ["-c", "echo \(line) > \(member.data)/postmaster.pid"])
            _ = try await client.runTool(
                arguments: ["/bin/sh", "-c", "head -n 1 \(member.data)/postmaster.pid || true"], environment: [:],
                output: FilePath(member.folder.path("tool.out")), alongside: alongside, deadline: .seconds(5))
            return (member.folder.read("tool.out") ?? "").split(separator: "\n").first { !$0.contains("head:") }
                .map(String.init) ?? ""
        }

        @Test func `a server starts although another process has the number of one that crashed`() async throws {
            let member = try KeeperProgram()
            let (client, postmaster) = try await member.primary()
            kill(postmaster, SIGKILL)
            try await client.empty()
            let other = try await bystander(member)
            try await member.run("/bin/sed", ["-i", "1s/.*/\(other.pid)/", "\(member.data)/postmaster.pid"])
            try await member.start(client, as: .primary)
            #expect(member.log.contains("pid \(other.pid) is another process's now"))
            #expect(isAlive(other.pid))
            try await other.end()
            try await member.end()
        }

        @Test func `a tool finds the file gone only if its number is another process's`() async throws {
            let member = try KeeperProgram()
            try await member.initialize()
            try await member.startKeeper()
            let client = try await member.attach()
            let other = try await bystander(member)
            #expect(try await isFound("\(other.pid)", client, member) == "")
            #expect(try await isFound("-\(other.pid)", client, member) == "")
            // A server of somebody else's stands here from before it writes the file.
            let here = try await bystander(member, in: member.data)
            #expect(try await isFound("\(here.pid)", client, member) == "\(here.pid)")
            #expect(try await isFound("\(other.pid)", client, member, alongside: true) == "\(other.pid)")
            #expect(try await isFound("none", client, member) == "none")
            for process in [other, here] { try await process.end() }
            #expect(try await isFound("\(other.pid)", client, member) == "\(other.pid)")
            try await member.end()
        }
    }
}
