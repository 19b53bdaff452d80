import AdminModel
import HACore
import Logging
import NIOConcurrencyHelpers
import PostgresControl

/// Builds one consistent observation of the local PostgreSQL from its keeper, its directory and its own words.
actor LocalObserver {
    private let server: LocalServer
    private let monitor: PostgresMonitor
    private var directory: DataDirectory?
    private var lastPostmaster: Int32?
    private var lastProcess: LocalPostgres.Process?
    /// What the files said of a primary that could not be asked: it stays one until its end.
    private var inferred: (postmaster: Int32, sql: SQLStatus)?
    private var givenUp: GivenUpWAL?
    /// It runs, and said so itself: its keeper tells of what happens to it.
    private var isCalm = false
    /// So old a keeper's words may be while nothing happens.
    private static let trusted = Duration.seconds(5)
    private var said: (obstacle: String?, replayWait: String?)

    init(server: LocalServer, monitor: PostgresMonitor) {
        self.server = server
        self.monitor = monitor
    }

    /// Something may have changed the data directory or its control file.
    func invalidateDirectory() { directory = nil }

    /// A rewind has ended.
    func note(givenUp wal: GivenUpWAL?) { givenUp = wal }

    /// Nil while no keeper answers: nothing is known then.
    func observe() async -> LocalPostgres? {
        guard let keeper = await server.keeper.status(maxAge: isCalm ? Self.trusted : .zero) else { return nil }
        let process = await process(keeper)
        // A server that was asked to stop says in its control file how far it is.
        let isStopping = keeper.stopRequested && keeper.postmasterPID != nil
        // What a dead postmaster left is looked at once nobody is left who could change it.
        if process != .remains || directory == nil {
            if process != lastProcess || keeper.postmasterPID != lastPostmaster || isStopping { directory = nil }
            lastProcess = process
            lastPostmaster = keeper.postmasterPID
        }

        var local = LocalPostgres(directory: await look(keeper), process: process)
        local.ending = Self.ending(keeper)
        local.wasFenced = keeper.fenced
        local.startedAt = keeper.startedAt
        local.promoteRequested = keeper.promoteRequested
        local.stopRequested = keeper.stopRequested
        local.isShutDown = isStopping && !keeper.mayBeWritable
        local.armedUntil = keeper.armedUntil
        local.armedZxid = keeper.armedZxid
        local.latch = keeper.latch
        local.keeperPaused = keeper.mode == .paused
        local.takenOver = keeper.postmasterPID != nil && keeper.takenOver
        local.givenUp = givenUp
        if case .running = process, let pid = keeper.postmasterPID, !isStopping { await ask(pid, keeper, &local) }
        isCalm = local.obstacle == nil && local.sql.map { !$0.isInferred } ?? false
        say(local)
        return local
    }

    private func ask(_ pid: Int32, _ keeper: KeeperStatus, _ local: inout LocalPostgres) async {
        let answer = await monitor.status(postmaster: pid, maxAge: .milliseconds(5), deadline: .milliseconds(300))
        local.sql = answer?.sql
        if answer == nil {
            // A server that answered before and does not now is busy, not gone.
            local.sql = await monitor.lastStatus(postmaster: pid)?.sql
            if local.sql?.inRecovery != false, let sql = await infer(pid, keeper, local.control, last: local.sql) {
                local.sql = sql
            }
            // One slow answer is no news.
            if let sql = local.sql, sql.isInferred || Instant.now - sql.at > .seconds(1) {
                local.obstacle = await monitor.trouble ?? "no answer"
            }
        }
        // PostgreSQL's sessions go on, new ones hang.
        if ProcessState(of: pid) == .stopped {
            local.obstacle = "its postmaster (pid \(pid)) was stopped by a signal: nobody can connect until SIGCONT"
        }
        // The control file lags behind a promotion until the checkpoint after it: look until they agree.
        if let sql = local.sql, !sql.inRecovery, let control = local.control, control.timeline < sql.timeline {
            directory = nil
        }
    }

    /// A primary without SQL: started as one and ready, or seen by its keeper to have left recovery.
    private func infer(
        _ pid: Int32, _ keeper: KeeperStatus, _ control: ControlFile?, last: SQLStatus?
    ) async -> SQLStatus? {
        if let inferred, inferred.postmaster == pid { return inferred.sql }
        let files = ServerFiles(dataDirectory: server.dataDirectory)
        var isPrimary = keeper.inProduction
        if !isPrimary, keeper.startedAs == .primary { isPrimary = await files.isReady(postmaster: pid) }
        guard isPrimary, let control else { return nil }
        let timeline = max(control.timeline, await files.newestTimeline() ?? control.timeline)
        let sql = SQLStatus(
            at: Instant.now, inRecovery: false, timeline: timeline,
            written: max(control.checkpoint, last?.position ?? .zero), isInferred: true)
        inferred = (pid, sql)
        return sql
    }

    /// On change: what stands between this agent and its PostgreSQL, and between that one and its WAL.
    private func say(_ local: LocalPostgres) {
        if let obstacle = local.obstacle, obstacle != said.obstacle {
            let role = local.sql.map { $0.inRecovery ? "a standby" : "a primary" } ?? "what it is"
            server.logger.warning("cannot reach the local PostgreSQL, it stays \(role): \(obstacle)")
        } else if local.obstacle == nil, said.obstacle != nil, local.isRunning {
            server.logger.info("the local PostgreSQL answers again")
        }
        if local.sql?.replayWait != said.replayWait, let wait = local.sql?.replayWait {
            server.logger.warning(
                "replay waits for a query here (\(wait)): a promotion would end the sessions that hold it up")
        }
        said = (local.obstacle, local.sql?.replayWait)
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
        guard case .unfinished(let line, let left) = directory, let marker = try? JSONParser.parse(line),
            let operation = marker["operation"]?.asString, let source = marker["source"]?.asString
        else { return directory }
        return .unfinished("a \(operation) from \(source)", left)
    }

    private func process(_ keeper: KeeperStatus) async -> LocalPostgres.Process {
        let role = keeper.startedAs ?? .standby
        if keeper.postmasterPID != nil, keeper.mode != .detached { return .running(as: role) }
        if keeper.isEmpty { return .absent }
        if let found = await ServerFiles(dataDirectory: server.dataDirectory).runningPostmaster() {
            return .unkept(as: found.role)
        }
        // Given back while it starts, or on a slow disk: the files say nothing, and it lives all the same.
        return keeper.postmasterPID == nil ? .remains : .unkept(as: role)
    }

    private static func ending(_ keeper: KeeperStatus) -> LocalPostgres.Ending {
        // Of the last postmaster: its end says nothing about one that runs, nor whether that was asked to stop.
        guard keeper.postmasterPID == nil, let at = keeper.exitedAt else { return .neverStarted }
        return keeper.stopRequested && !keeper.fenced ? .requested : .crashed(at: at)
    }
}
