import AdminModel
import HACore
import NIOConcurrencyHelpers
import PostgresControl

/// Builds one consistent observation of the local PostgreSQL from its keeper, its directory and its own words.
actor LocalObserver {
    private let server: LocalServer
    private let monitor: PostgresMonitor
    private var directory: DataDirectory?
    private var lastPostmaster: Int32?
    private var lastProcess: LocalPostgres.Process?

    init(server: LocalServer, monitor: PostgresMonitor) {
        self.server = server
        self.monitor = monitor
    }

    /// Something may have changed the data directory or its control file.
    func invalidateDirectory() { directory = nil }

    /// Nil while no keeper answers: nothing is known then.
    func observe() async -> LocalPostgres? {
        guard let keeper = await server.keeper.status() else { return nil }
        let process = Self.process(keeper)
        if process != lastProcess || keeper.postmasterPID != lastPostmaster { directory = nil }
        lastProcess = process
        lastPostmaster = keeper.postmasterPID

        var local = LocalPostgres(directory: await look(keeper), process: process)
        local.ending = Self.ending(keeper)
        local.startedAt = keeper.startedAt
        local.promoteRequested = keeper.promoteRequested
        local.armedUntil = keeper.armedUntil
        local.armedZxid = keeper.armedZxid
        local.latch = keeper.latch
        if case .running = process, let pid = keeper.postmasterPID {
            // A server that answered before and does not now is busy, not gone (issue of exhausted connections).
            var status = await monitor.status(postmaster: pid, maxAge: .milliseconds(5), deadline: .milliseconds(300))
            if status == nil { status = await monitor.lastStatus(postmaster: pid) }
            local.sql = status?.sql
            // The control file lags behind a promotion until the checkpoint after it: look until they agree.
            if let sql = status?.sql, !sql.inRecovery, let control = local.control, control.timeline < sql.timeline {
                directory = nil
            }
        }
        return local
    }

    /// The same after an orderly stop, without anything remembered.
    static func stopped(_ server: LocalServer) async -> LocalPostgres? {
        LocalPostgres(directory: await server.inspector.inspect(server.dataDirectory))
    }

    private func look(_ keeper: KeeperStatus) async -> DataDirectory {
        // What is there while PostgreSQL runs, or was made by an effect, changes only by what invalidates it.
        if let directory, case .ready = directory { return directory }
        if let directory, keeper.toolPID != nil { return directory }
        let found = Self.readable(await server.inspector.inspect(server.dataDirectory))
        directory = found
        return found
    }

    /// The marker's line in words.
    private static func readable(_ directory: DataDirectory) -> DataDirectory {
        guard case .unfinished(let line) = directory, let marker = try? JSONParser.parse(line),
            let operation = marker["operation"]?.asString, let source = marker["source"]?.asString
        else { return directory }
        return .unfinished("a \(operation) from \(source)")
    }

    private static func process(_ keeper: KeeperStatus) -> LocalPostgres.Process {
        if keeper.postmasterPID != nil { return .running(as: keeper.startedAs ?? .standby) }
        return keeper.isEmpty ? .absent : .remains
    }

    private static func ending(_ keeper: KeeperStatus) -> LocalPostgres.Ending {
        guard let at = keeper.exitedAt else { return .neverStarted }
        return keeper.stopRequested && !keeper.fenced ? .requested : .crashed(at: at)
    }
}
