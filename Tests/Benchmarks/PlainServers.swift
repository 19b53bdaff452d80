import Foundation
import LibPQ
import Support

/// A primary and a streaming standby without any agent: what PostgreSQL itself costs. In strict mode another standby
/// beside them, without which the promoted one acknowledges nothing.
final class PlainServers: Sendable {
    let primary: PostgresInstance
    let standby: PostgresInstance
    private let other: PostgresInstance?

    private static let settings = ["shared_buffers": "16MB", "autovacuum": "off", "wal_keep_size": "128MB"]
    static let binaries = ClusterSettings().binaries
    private static let patience = Duration.seconds(20)

    /// All are copies of one stopped server, so that the standbys need no base backup.
    static func start(_ mode: BenchMode) async throws -> PlainServers {
        let primary = try await server("primary")
        let standby = try await server("standby")
        let servers = PlainServers(primary, standby, mode == .strict ? try await server("other") : nil)
        do {
            try await servers.start()
        } catch {
            let log = standby.logTail
            await servers.discard()
            throw SupportError("\(error); the end of the standby's log: \(log)")
        }
        return servers
    }

    private init(_ primary: PostgresInstance, _ standby: PostgresInstance, _ other: PostgresInstance?) {
        (self.primary, self.standby, self.other) = (primary, standby, other)
    }

    /// With checksums, as the agents make theirs.
    private static func server(_ name: String) async throws -> PostgresInstance {
        let server = try await PostgresInstance("plain-\(name)", binaries: binaries)
        try await PostgresInstance.run(
            "\(binaries)/pg_checksums", ["--enable", "--no-sync", "--pgdata=\(server.dataDirectory)"], log: server.log)
        return server
    }

    private func start() async throws {
        let standbys = [("standby", standby)] + (other.map { [("other", $0)] } ?? [])
        for (name, server) in standbys {
            try Self.point(server, name, at: primary)
            try server.folder.write("data/standby.signal", "", mode: 0o600)
        }
        for server in [primary] + standbys.map(\.1) { try await server.start(settings(of: server)) }
        let watch = try await StreamWatch(primary.conninfo)
        for (name, _) in standbys { _ = try await watch.streamsAgain(name, unlike: nil, within: Self.patience) }
        await watch.close()
    }

    /// Strict: a commit waits for the one standby that would be promoted, and after that for the other. A standby waits
    /// for nobody, so its setting may be there from the start.
    private func settings(of server: PostgresInstance) -> [String: String] {
        guard other != nil else { return Self.settings }
        let names = server === primary ? "standby" : server === standby ? "other" : ""
        return Self.settings.merging(["synchronous_standby_names": names]) { $1 }
    }

    private static func point(_ standby: PostgresInstance, _ name: String, at primary: PostgresInstance) throws {
        let login = "user=''\(PostgresInstance.superuser)'' password=''\(PostgresInstance.password)''"
        let conninfo = "host=127.0.0.1 port=\(primary.port) \(login) application_name=\(name)"
        try standby.folder.write("data/postgresql.auto.conf", "primary_conninfo = '\(conninfo)'\n", mode: 0o600)
    }

    func discard() async {
        if let other { await other.discard() }
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

    /// Startup processes of the standbys, to be found before time counts.
    struct Startups {
        fileprivate let standby: ProcessTable.Entry
        fileprivate let other: ProcessTable.Entry?
    }

    func startups() throws -> Startups {
        Startups(standby: try Self.startup(standby), other: try other.map(Self.startup))
    }

    private static func startup(_ server: PostgresInstance) throws -> ProcessTable.Entry {
        let children = server.pid.map { ProcessTable().children(of: $0) } ?? []
        guard let found = children.first(where: { ProcessTable.commandLine($0.pid)?.contains(": startup ") == true })
        else { throw SupportError("a standby has no startup process") }
        return found
    }

    /// A bare promotion; then the other standby follows, until `body` has ended.
    ///
    /// A startup process may sleep for `wal_retrieve_retry_interval`; a SIGHUP each 10 ms wakes it.
    func promote<Value>(_ startups: Startups, until body: () async throws -> Value) async throws -> Value {
        try standby.folder.write("data/promote", "", mode: 0o600)
        standby.signal(SIGUSR1)
        try await eventually("the promotion ends", within: Self.patience, pace: .milliseconds(10)) {
            !ProcessTable.signal(SIGHUP, startups.standby)
        }
        guard let other, let process = startups.other else { return try await body() }
        try Self.point(other, "other", at: standby)
        other.signal(SIGHUP)
        do { return try await Self.kicking(process, body) } catch {
            let log = try? String(contentsOfFile: other.log, encoding: .utf8)
            if log?.contains("before current recovery point") == true { throw OtherIsAhead() }
            throw error
        }
    }

    /// The other standby had received more than the promoted one: it cannot follow without a rewind.
    struct OtherIsAhead: Error {}

    /// SIGKILL of the primary, and its start in place; a standby is kicked until `body` has ended, since commits may wait
    /// for it.
    func restartPrimary<Value>(_ startups: Startups, until body: () async throws -> Value) async throws -> Value {
        try await Self.kicking(startups.standby) {
            try await restart(primary)
            return try await body()
        }
    }

    private static func kicking<Value>(
        _ startup: ProcessTable.Entry, _ body: () async throws -> Value
    ) async throws -> Value {
        let kicks = Task {
            while !Task.isCancelled {
                ProcessTable.signal(SIGHUP, startup)
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        defer { kicks.cancel() }
        return try await body()
    }

    /// SIGKILL of a postmaster, and its start as soon as no child of it holds the data directory.
    func restart(_ server: PostgresInstance) async throws {
        let children = server.pid.map { ProcessTable().children(of: $0) } ?? []
        server.signal(SIGKILL)
        try await eventually("what the postmaster left ends", within: Self.patience, pace: .milliseconds(1)) {
            !server.isRunning && children.allSatisfy { ProcessTable.entry($0.pid) != $0 }
        }
        try await server.start(settings(of: server))
    }
}
