import Agent
import HACore
import PostgresControl

/// How old an answer of the local PostgreSQL may be for what is asked, and how long a new one is waited for.
struct ServerQuestion: Sendable {
    enum Need: Hashable, Sendable {
        /// Running, primary or standby.
        case role
        /// Also how far it is: `lag`.
        case position
        /// The same for peers, whose election depends on it.
        case patroni
    }

    var need: Need

    /// What peers wait for in a race, less the way there and back (design/rulings, Lock 15).
    static let raceDeadline = Duration.milliseconds(80)
    private static let deadline = Duration.milliseconds(300)

    /// Positions may be 1 s old (rulings). Peers get younger ones: the answer that they begin an election with may have
    /// been asked for before this agent learnt that the leader is gone.
    private var maxAge: Duration { need == .patroni ? .milliseconds(100) : .seconds(1) }

    /// Nil when PostgreSQL does not run or does not answer in time.
    func ask(_ board: StatusBoard) async -> ServerStatus? {
        guard let status = board.status, let local = status.local, local.isRunning, !local.stopRequested else {
            return nil
        }
        let asked = Instant.current
        if need != .role, Self.isRace(status, local, asked) {
            return await board.serverStatus(maxAge: .zero, deadline: Self.raceDeadline)
        }
        let server = await board.serverStatus(maxAge: maxAge, deadline: Self.deadline)
        guard let server, server.sql.at < asked, Self.isOutdated(server, need, board) else { return server }
        return await board.serverStatus(maxAge: .zero, deadline: Self.raceDeadline)
    }

    /// No leader is known, or nothing is received any more: what counts is the position of this moment.
    static func isRace(_ status: AgentStatus, _ local: LocalPostgres, _ now: Instant) -> Bool {
        guard status.treeIsFresh(at: now), status.tree?.view.leader != nil else { return true }
        guard let sql = local.sql else { return false }
        return sql.inRecovery && !sql.streaming
    }

    /// What a recent answer says must not be believed without asking again: that a lock holder has not been promoted
    /// yet, since clients wait for it, and that the walreceiver has ended.
    private static func isOutdated(_ server: ServerStatus, _ need: Need, _ board: StatusBoard) -> Bool {
        guard server.sql.inRecovery else { return false }
        return board.holdsProvedLock(at: .current) || (need != .role && !server.sql.streaming)
    }
}
