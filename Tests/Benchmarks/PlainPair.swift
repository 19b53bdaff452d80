import Foundation
import LibPQ
import Support

/// A primary and a streaming standby without any agent: what PostgreSQL itself costs.
final class PlainPair: Sendable {
    let primary: PostgresInstance
    let standby: PostgresInstance

    private static let settings = ["shared_buffers": "16MB", "autovacuum": "off"]
    static let binaries = ClusterSettings().binaries

    /// Both are copies of one stopped server, so that the standby needs no base backup.
    static func start() async throws -> PlainPair {
        let primary = try await PostgresInstance("plain-primary", binaries: binaries)
        let standby = try await PostgresInstance("plain-standby", binaries: binaries)
        let pair = PlainPair(primary, standby)
        do {
            let login = "user=''\(PostgresInstance.superuser)'' password=''\(PostgresInstance.password)''"
            let conninfo = "host=127.0.0.1 port=\(primary.port) \(login) application_name=standby"
            try standby.folder.write("data/postgresql.auto.conf", "primary_conninfo = '\(conninfo)'\n", mode: 0o600)
            try standby.folder.write("data/standby.signal", "", mode: 0o600)
            try await primary.start(settings)
            try await standby.start(settings)
            let watch = try await StreamWatch(primary.conninfo)
            _ = try await watch.streamsAgain("standby", unlike: nil, within: .seconds(20))
            await watch.close()
        } catch {
            let log = standby.logTail
            await pair.discard()
            throw SupportError("\(error); the end of the standby's log: \(log)")
        }
        return pair
    }

    private init(_ primary: PostgresInstance, _ standby: PostgresInstance) {
        self.primary = primary
        self.standby = standby
    }

    func discard() async {
        await standby.discard()
        await primary.discard()
    }

    func writer() async throws -> RowWriter {
        let writer = try await RowWriter(
            [("primary", primary.conninfo), ("standby", standby.conninfo)], primary: primary.conninfo)
        try await writer.start()
        return writer
    }

    // MARK: What is done to them

    /// The startup process of the standby, to be found before time counts.
    func startup() throws -> ProcessTable.Entry {
        let children = standby.pid.map { ProcessTable().children(of: $0) } ?? []
        guard let found = children.first(where: { ProcessTable.commandLine($0.pid)?.contains(": startup ") == true })
        else { throw SupportError("the standby has no startup process") }
        return found
    }

    /// A bare promotion. The startup process may sleep for `wal_retrieve_retry_interval`; a SIGHUP each 10 ms wakes it.
    func promote(_ startup: ProcessTable.Entry) async throws {
        try standby.folder.write("data/promote", "", mode: 0o600)
        standby.signal(SIGUSR1)
        try await eventually("the promotion ends", within: .seconds(20), pace: .milliseconds(10)) {
            !ProcessTable.signal(SIGHUP, startup)
        }
    }

    /// SIGKILL of a postmaster, and its start as soon as no child of it holds the data directory.
    static func restart(_ server: PostgresInstance) async throws {
        let children = server.pid.map { ProcessTable().children(of: $0) } ?? []
        server.signal(SIGKILL)
        try await eventually("what the postmaster left ends", within: .seconds(20), pace: .milliseconds(1)) {
            !server.isRunning && children.allSatisfy { ProcessTable.entry($0.pid) != $0 }
        }
        try await server.start(settings)
    }
}
