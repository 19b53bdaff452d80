import Foundation
import PostgresControl
import Support
import SystemPackage
import Testing

/// A crash leaves lock files; in a container that starts again their number is soon that of a thread of the agent.
@Suite(.timeLimit(.minutes(2)))
struct LockFilesTests {
    /// A process of PostgreSQL's user that stands in `folder`.
    private func bystander(_ server: PostgresInstance, in folder: String = "/tmp") async throws -> UnprivilegedProcess {
        let process = try UnprivilegedProcess.start(
            "/usr/bin/sleep", ["1000"], folder: folder, output: server.folder.path("sleep.log"))
        try await eventually("it has become another user's") {
            try String(contentsOfFile: "/proc/\(process.pid)/comm", encoding: .utf8) == "sleep\n"
        }
        return process
    }

    private func write(_ line: Int32, into file: String, _ server: PostgresInstance) async throws {
        try await PostgresInstance.run("/bin/sed", ["-i", "1s/.*/\(line)/", file], log: server.log)
    }

    /// A crashed server with a socket in its own folder.
    private func crashed(_ name: String) async throws -> (server: PostgresInstance, files: [String], LockFiles) {
        let server = try await PostgresInstance(name)
        try await server.start(["unix_socket_directories": server.folder.path])
        try await server.kill()
        let files = [server.dataDirectory + "/postmaster.pid", server.folder.path(".s.PGSQL.\(server.port).lock")]
        #expect(files.allSatisfy(FileManager.default.fileExists))
        return (server, files, LockFiles(dataDirectory: server.directory, port: Int(server.port)))
    }

    @Test(arguments: [0, 1])
    func aServerStartsAlthoughAnotherProcessHasTheNumberOfTheOneThatCrashed(in index: Int) async throws {
        let (server, files, locks) = try await crashed("locked\(index)")
        let (other, folder) = (try await bystander(server), server.folder.path)
        try await write(other.pid, into: files[index], server)
        await #expect(throws: SupportError.self) { try await server.start(["unix_socket_directories": folder]) }
        #expect(server.logTail.contains("Is another postmaster (PID \(other.pid)"))
        let told = await locks.clear(sockets: folder)
        #expect(told.contains("removed \(files[index]), which a crash had left: process \(other.pid) is another now"))
        try await server.start(["unix_socket_directories": folder])
        #expect(other.isRunning)
        try await other.end()
        await server.discard()
    }

    @Test func aServerOfSomebodyElseKeepsItsFiles() async throws {
        let (server, files, locks) = try await crashed("kept")
        // It stands in the data directory from before it writes them.
        let starting = try await bystander(server, in: server.dataDirectory)
        for file in files { try await write(starting.pid, into: file, server) }
        #expect(await locks.clear(sockets: server.folder.path).isEmpty)
        try await starting.end()
        // That of a process that is gone is PostgreSQL's own business, but the socket's may be another's soon.
        #expect(await locks.clear(sockets: "@abstract, \(server.folder.path)").count == 1)
        #expect(files.map(FileManager.default.fileExists) == [true, false])
        // One of another data directory's socket in the same folder stays.
        let elsewhere = "1\n/tmp\n1\n\(server.port)\n"
        try elsewhere.write(toFile: files[1], atomically: true, encoding: .utf8)
        #expect(await locks.clear(sockets: server.folder.path).isEmpty)
        #expect(try String(contentsOfFile: files[1], encoding: .utf8) == elsewhere)
        for garbage in ["", "\n", "none\n", "0\n", "-2147483648\n"] {
            for file in files { try garbage.write(toFile: file, atomically: true, encoding: .utf8) }
            #expect(await locks.clear(sockets: server.folder.path).isEmpty, "\(garbage)")
            #expect(files.allSatisfy(FileManager.default.fileExists))
        }
        await server.discard()
    }
}
