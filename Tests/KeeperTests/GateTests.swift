import Foundation
import HACore
import PostgresControl
import Support
import SystemPackage
import Testing

extension KeeperTests {
    /// A standby is promoted only while its service file keeps apply workers from every peer (zones.md 1).
    @Suite(.timeLimit(.minutes(2)))
    struct GateTests {
        private static let closed = "[n1]\nhost=10.0.0.1\n\n# closed\n[n2]\nhost=/gate-closed\n"

        /// Each is open, or not understood. The keeper reads as the agent does.
        private static let open: [(name: String, text: String)] = [
            ("a peer is reached", "[n1]\nhost=a\n[n2]\nhost=10.0.0.2\nport=5432\n"),
            ("the last of three is reached", "[n1]\nhost=a\n[n2]\nhost=/gate-closed\n[n3]\nhost=b\n"),
            ("the first of three is reached", "[n3]\nhost=b\n[n2]\nhost=/gate-closed\n[n1]\nhost=a\n"),
            ("a host beside another setting", "[n1]\nhost=a\n[n2]\nhost=/gate-closed\nhostaddr=10.0.0.2\n"),
            ("nothing in a stanza", "[n1]\nhost=a\n[n2]\n"),
            ("another folder", "[n1]\nhost=a\n[n2]\nhost=/gate-closed/x\n"),
            ("an empty file", ""),
            ("only comments", "# [n1]\n"),
            ("no local stanza", "[n2]\nhost=/gate-closed\n"),
            ("the local name is a part of another", "[n11]\nhost=a\n[n2]\nhost=/gate-closed\n"),
            ("blanks before", " [n1]\nhost=a\n"),
            ("a setting before the first stanza", "host=/gate-closed\n[n1]\nhost=a\n"),
            ("words", "[n1]\nhost=a\n[n2]\nhost is /gate-closed\n"),
            ("blanks around '='", "[n1]\nhost=a\n[n2]\nhost = /gate-closed\n"),
            ("something after a name", "[n1]\nhost=a\n[n2]x\nhost=/gate-closed\n"),
            ("a name in a name", "[n1]\nhost=a\n[n2]n3]\nhost=/gate-closed\n"),
            ("an empty name", "[n1]\nhost=a\n[]\nhost=/gate-closed\n"),
            ("no end of the last line", "[n1]\nhost=a\n[n2]\nhost=/gate-closed"),
            ("a zero byte", "[n1]\nhost=a\n[n2]\nhost=/gate-closed\0\n"),
            ("carriage returns", "[n1]\r\nhost=a\r\n[n2]\r\nhost=/gate-closed\r\n"),
            ("a line that libpq refuses", "[n1]\nhost=\(String(repeating: "a", count: 1_017))\n"),
        ]

        /// A standby of nobody, running with a gate, armed.
        private func standby() async throws -> (KeeperProgram, KeeperClient, KeeperGate, pid: Int32) {
            let member = try KeeperProgram()
            try await member.initialize()
            try await member.startKeeper()
            try await member.run("/usr/bin/touch", ["\(member.data)/standby.signal"])
            let client = try await member.attach()
            let gate = KeeperGate(serviceFile: FilePath(member.folder.path("services")), localService: "n1")
            let pid = try await member.start(client, as: .standby, gate: gate)
            try await client.arm(until: now() + .seconds(60), epochZxid: 1)
            return (member, client, gate, pid)
        }

        private func promote(_ member: KeeperProgram, _ client: KeeperClient) async throws {
            try await client.promote(epochZxid: 1, promoteFile: FileName.promote(in: member), deadline: .seconds(5))
        }

        @Test func `an open gate keeps a standby from its promotion, and closing it lets it go on`() async throws {
            let (member, client, gate, pid) = try await standby()
            #expect(try await client.status().isGated == true)
            let refusedAtFirst = await #expect(throws: KeeperError.self) { try await promote(member, client) }
            #expect(refusedAtFirst?.code == .gate && refusedAtFirst?.message.contains("missing") == true)
            for (name, text) in Self.open {
                _ = try member.folder.write("services", text)
                let read = try? await ServiceFile.read(gate.serviceFile)
                #expect(read?.isClosed(exceptFor: "n1") ?? false == false, "\(name)")
                await refused(.gate) { try await promote(member, client) }
                let status = try await client.status()
                #expect(!status.promoteRequested && !status.mayBeWritable && status.armedUntil != nil, "\(name)")
            }
            #expect(!FileManager.default.fileExists(atPath: FileName.promote(in: member).string))
            #expect(try await member.sql("select pg_is_in_recovery()") == "t")
            // Nothing is left of the refusals: the lease may go, and come again.
            try await client.disarm()
            try await client.arm(until: now() + .seconds(60), epochZxid: 1)

            _ = try member.folder.write("services", Self.closed)
            try await promote(member, client)
            #expect(try await client.status().promoteRequested)
            #expect(try await client.status().postmasterPID == pid)
            #expect(try await member.sql("select pg_is_in_recovery()") == "f")
            try await member.end()
        }

        @Test func `what is no file is no gate`() async throws {
            let (member, client, gate, _) = try await standby()
            try await member.run("/usr/bin/mkfifo", [gate.serviceFile.string])
            await refused(.gate) { try await promote(member, client) }
            try FileManager.default.removeItem(atPath: gate.serviceFile.string)
            try await member.run("/usr/bin/mkdir", [gate.serviceFile.string])
            await refused(.gate) { try await promote(member, client) }
            try FileManager.default.removeItem(atPath: gate.serviceFile.string)
            let real = try member.folder.write("elsewhere", Self.closed, mode: 0o000)
            try await member.run("/usr/bin/ln", ["-s", real, gate.serviceFile.string])
            await refused(.gate) { try await promote(member, client) }
            chmod(real, 0o644)
            try await promote(member, client)
            #expect(try await member.sql("select pg_is_in_recovery()") == "f")
            try await member.end()
        }

        @Test func `a gate belongs to one start of a standby`() async throws {
            let (member, client, gate, pid) = try await standby()
            let files = ServerFiles(dataDirectory: member.dataPath)
            #expect(await files.hasServiceFile(gate.serviceFile, postmaster: pid) == true)
            #expect(await files.hasServiceFile("/elsewhere", postmaster: pid) == false)
            #expect(await files.hasServiceFile(nil, postmaster: pid) == false)
            try await client.stop(.fast)
            try await client.empty()
            #expect(await files.hasServiceFile(gate.serviceFile, postmaster: pid) == nil)

            // Without one the promotion is asked for as before.
            let second = try await member.start(client, as: .standby)
            #expect(await files.hasServiceFile(nil, postmaster: second) == true)
            #expect(try await client.status().isGated == false)
            try await promote(member, client)
            #expect(try await member.sql("select pg_is_in_recovery()") == "f")
            // A primary that restarts in place keeps its gate as it is.
            try await client.stop(.fast)
            try await client.empty()
            _ = try member.folder.write("services", Self.open[0].text)
            try await member.start(client, as: .primary, gate: gate)
            #expect(try await member.sql("select pg_is_in_recovery()") == "f")
            try await member.end()
        }

        @Test func `a gate that cannot be used is refused before anything starts`() async throws {
            let member = try KeeperProgram()
            try await member.initialize()
            try await member.startKeeper()
            try await member.run("/usr/bin/touch", ["\(member.data)/standby.signal"])
            let client = try await member.attach()
            let folder = FilePath(member.folder.path)
            for gate in [
                KeeperGate(serviceFile: "services", localService: "n1"),
                KeeperGate(serviceFile: folder.appending("services"), localService: ""),
                KeeperGate(serviceFile: folder.appending("services"), localService: String(repeating: "n", count: 256)),
                KeeperGate(
                    serviceFile: folder.appending(String(repeating: "s", count: 5_000)), localService: "n1"),
            ] {
                await refused(.badRequest) { try await member.start(client, as: .standby, gate: gate) }
            }
            #expect(try await client.status().isEmpty)
            try await member.end()
        }
    }
}
