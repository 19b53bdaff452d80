public import HACore
public import Logging
public import SystemPackage

/// The agent's side of the keeper's socket (keeper.md). One agent is attached at a time; attaching ends the one before.
///
/// `extend`, `lower` and `fence` do not wait and may be called from any thread: they are what the lease's code uses.
public final class KeeperClient: Sendable {
    /// What the keeper reports; one consumer. Ends with `.closed`.
    public let events: AsyncStream<KeeperEvent>
    public let keeperPID: Int32
    /// nil when it has ended meanwhile.
    public let identity: KeeperIdentity?
    let connection: KeeperConnection

    init(keeperPID: Int32, connection: KeeperConnection) {
        self.keeperPID = keeperPID
        self.identity = KeeperIdentity(running: keeperPID)
        self.connection = connection
        self.events = connection.events
    }

    /// Attaches to the keeper of this runtime folder, and starts one when none listens. The agent that was attached
    /// before is killed by the keeper, with the tool it had started, before this returns (lock.md 6).
    ///
    /// Throws `unreachable` or `timedOut`; the old agent may have been killed then.
    public static func attach(
        runtime: RuntimeFolder, binary: FilePath, dataDirectory: FilePath, member: String, deadline: Duration,
        logger: Logger
    ) async throws(KeeperError) -> KeeperClient {
        try await KeeperAttachment(
            runtime: runtime, binary: binary, dataDirectory: dataDirectory, member: member, logger: logger
        ).run(deadline: deadline)
    }

    /// Ends the connection. The keeper and its PostgreSQL go on; the deadline stays.
    public func close() { connection.close() }

    // MARK: Questions

    public func ping(deadline: Duration) async throws(KeeperError) {
        _ = try await connection.request("ping", [], deadline: deadline)
    }

    /// Pings it each second from now on. An element when an answer took more than 300 ms; ends with the connection.
    public func missedBeats() async -> AsyncStream<Void> { await connection.missedBeats() }

    /// Pings it now if that is about due, so that nobody has to wake for it. Never waits.
    public func beat() { connection.beat() }

    /// Why it does not answer to any of the pings, 0.3 s each; nil when it does. Throws `closed` when the connection is
    /// over. One is enough after a missed beat.
    public func silence(pings: Int = 2) async throws(KeeperError) -> KeeperSilence? {
        try await connection.silence(of: keeperPID, pings: pings)
    }

    /// Grows with each event, command and answer to one: a status that was asked for before may not be true any more.
    /// Extensions of the deadline do not count.
    public var changes: UInt64 { connection.changes }

    public func status(deadline: Duration = .seconds(1)) async throws(KeeperError) -> KeeperStatus {
        let fields = try await connection.request("status", [], deadline: deadline)
        guard let status = KeeperStatus(fields: fields.map { $0[...] }) else {
            throw KeeperError(.garbled, outcome: .didNotHappen, "the status was not understood")
        }
        return status
    }

    // MARK: The lease

    /// Arms, or moves the deadline later. `epochZxid` is the mzxid of `epoch` after acquire or adopt.
    ///
    /// Throws `past` for a deadline in the past, `latched` when it fenced under this or a later state of `epoch`.
    public func arm(
        until deadline: Instant, epochZxid: Int64, answerWithin: Duration = .seconds(1)
    ) async throws(KeeperError) {
        _ = try await connection.request(
            "arm", [String(deadline.rawValue), String(epochZxid)], deadline: answerWithin)
    }

    /// Moves the deadline later; ignored by the keeper when not armed, or when it is not later. False when the
    /// message could not be handed over: the deadline then stands where it stood.
    @discardableResult
    public func extend(until deadline: Instant) -> Bool {
        connection.post("extend", [String(deadline.rawValue)], beats: true)
    }

    /// Moves the deadline earlier; ignored when it is not earlier, or not armed.
    @discardableResult
    public func lower(to deadline: Instant) -> Bool { connection.post("lower", [String(deadline.rawValue)]) }

    /// After this nothing is fenced, started as a primary or promoted. Throws `writable` while PostgreSQL is writable
    /// or may be. `planned`: also allowed once the control file says "shut down" and no client backend is left
    /// (rulings, Lock 10).
    public func disarm(planned: Bool = false, answerWithin: Duration = .seconds(2)) async throws(KeeperError) {
        _ = try await connection.request("disarm", planned ? ["planned"] : [], deadline: answerWithin)
    }

    /// Stops PostgreSQL at once, SIGKILL after 100 ms, and latches. False when the message could not be handed over:
    /// kill the keeper then.
    @discardableResult
    public func fence() -> Bool { connection.post("fence", []) }

    public func setMode(_ mode: KeeperMode, answerWithin: Duration = .seconds(1)) async throws(KeeperError) {
        _ = try await connection.request("mode", [mode.rawValue], deadline: answerWithin)
    }

    // MARK: PostgreSQL

    /// Starts the postmaster; `arguments` begins with the path of the program. Its environment is exactly
    /// `environment`. Returns its pid after exec; whether it accepts connections is for the caller to find out.
    ///
    /// Throws `notArmed`, `tooLate`, `latched` (as primary), `noStandbySignal` (as standby), `notEmpty`,
    /// `toolRunning`, `spawn`; `outdated` when a gate was named to a keeper of an older version: without one it starts
    /// the server and promotes it unasked, and it gives way to a newer one once nothing runs and nobody is attached.
    /// - Parameter gate: of a standby; a start as a primary is no promotion of this keeper's and asks nothing.
    public func start(
        as role: StartRole, epochZxid: Int64, dataDirectory: FilePath, arguments: [String],
        environment: [String: String], gate: KeeperGate? = nil, answerWithin: Duration = .seconds(5)
    ) async throws(KeeperError) -> Int32 {
        let gate = role == .standby ? gate : nil
        let fields =
            [role.rawValue, String(epochZxid), dataDirectory.string] + (gate?.fields ?? [])
            + Self.program(arguments, environment)
        do {
            return try Self.pid(try await connection.request("start", fields, deadline: answerWithin))
        } catch  where error.code == .badRequest && gate != nil {
            guard try await status().isGated == nil else { throw error }
            throw KeeperError(.outdated, outcome: .didNotHappen, "a keeper of an older version runs: it knows no gate")
        }
    }

    /// Sends the postmaster the signal; its end comes as `.postmasterExited` and `.empty`. Throws `notRunning`.
    public func stop(_ mode: KeeperStopMode, answerWithin: Duration = .seconds(1)) async throws(KeeperError) {
        _ = try await connection.request("stop", [mode.rawValue], deadline: answerWithin)
    }

    /// Promotes the standby and returns when it is in production. Throws `notArmed`, `tooLate`, `latched`,
    /// `notStandby`, `notRunning`, `gate` before anything was done: after the last it goes on as a standby and may be
    /// promoted once its gate is closed. `promoteFailed` or `timedOut` when it may have been:
    /// PostgreSQL then counts as writable until it is empty.
    public func promote(
        epochZxid: Int64, promoteFile: FilePath, deadline: Duration
    ) async throws(KeeperError) {
        _ = try await connection.request("promote", [String(epochZxid), promoteFile.string], deadline: deadline)
    }

    /// Wakes the startup process each 100 ms for this long, so that it does not sleep out
    /// `wal_retrieve_retry_interval`; zero ends it. Does nothing when no standby runs.
    public func kick(for duration: Duration, answerWithin: Duration = .seconds(1)) async throws(KeeperError) {
        _ = try await connection.request("kick", [String(duration.milliseconds)], deadline: answerWithin)
    }

    /// Watches and fences a postmaster that this keeper did not start (from Patroni), and arms in the same step when
    /// given a deadline: with zxid 0, since no move of `epoch` was made for it (lock.md 4.A0).
    ///
    /// Throws `notRunning` when `pid` does not run in the data directory, `notEmpty` when the keeper has one already;
    /// `past`, `latched` when it was taken over and not armed.
    public func takeOver(
        postmaster pid: Int32, as role: StartRole, until deadline: Instant? = nil, answerWithin: Duration = .seconds(2)
    ) async throws(KeeperError) {
        let lease = deadline.map { [String($0.rawValue), "0"] } ?? []
        _ = try await connection.request("take-over", [String(pid), role.rawValue] + lease, deadline: answerWithin)
    }

    // MARK: Tools

    /// Runs a program that writes the data directory as a child of the keeper; its output goes to a file. Returns
    /// its wait status. When `deadline` passes or the task is cancelled it is ended, by SIGKILL after 10 s.
    ///
    /// Throws `toolRunning`; `running` unless `alongside` when PostgreSQL runs; `spawn`; `timedOut`, `cancelled` or
    /// `closed` when it was ended early: what it did is unknown.
    public func runTool(
        arguments: [String], environment: [String: String], output: FilePath, alongside: Bool = false,
        deadline: Duration
    ) async throws(KeeperError) -> Int32 {
        let fields = [output.string, alongside ? "alongside" : "alone"] + Self.program(arguments, environment)
        // Not cancelled with the caller: a tool whose pid nobody learnt could not be waited for.
        let started = await Task { [connection] () -> KeeperConnection.Answer in
            do throws(KeeperError) {
                return .success(try await connection.request("run", fields, deadline: .seconds(5)))
            } catch { return .failure(error) }
        }.value
        let pid = try Self.pid(try started.get())
        let status = await withTaskCancellationHandler {
            await connection.endOfTool(pid, deadline: deadline)
        } onCancel: {
            _ = connection.post("cancel-tool", [])
        }
        if let status, !Task.isCancelled { return status }
        guard status == nil else { throw KeeperError(.cancelled, outcome: .unknown, "the tool was ended") }
        // SIGTERM, 10 s, SIGKILL: only after its end may something else touch the data directory.
        _ = connection.post("cancel-tool", [])
        if await connection.endOfTool(pid, deadline: .seconds(12)) == nil {
            throw KeeperError(.closed, outcome: .unknown, "the keeper went away while a tool was running")
        }
        throw KeeperError(.timedOut, outcome: .unknown, "the tool did not end within \(deadline) and was ended")
    }

    /// Ends the tool that runs: SIGTERM, after 10 s SIGKILL, to its process group.
    @discardableResult
    public func cancelTool() -> Bool { connection.post("cancel-tool", []) }

    private static func program(_ arguments: [String], _ environment: [String: String]) -> [String] {
        let variables = environment.map { "\($0.key)=\($0.value)" }.sorted()
        return [String(variables.count)] + variables + arguments
    }

    private static func pid(_ fields: [String]) throws(KeeperError) -> Int32 {
        guard let pid = fields.first.flatMap({ Int32($0) }) else {
            throw KeeperError(.garbled, outcome: .unknown, "the keeper named no pid")
        }
        return pid
    }
}
