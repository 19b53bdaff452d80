import AdminModel
import Agent
import Glibc
import HACore
import Logging
import PostgresControl

/// Carries out what is wanted of this member's PostgreSQL: `POST /restart`, `DELETE /restart`, `POST /reinitialize`
/// (contract/patroni.md 2.6, 2.7).
struct MemberChange: Sendable {
    let board: StatusBoard
    let trees: TreeReads
    let actions: ClusterActions
    let logger: Logger

    /// Answers when the restart is over, or at once when it is for later.
    func restart(_ body: JSONObject) async -> Answer {
        guard let status = board.status else { return .failure(503, "the agent has not looked yet") }
        let request: RestartRequest
        do throws(Schedule.Refusal) {
            request = try RestartRequest(body, isPaused: status.dynamic.values.pause)
        } catch { return error.answer }
        let server = await ServerQuestion(need: .patroni).ask(board)
        if let moment = request.schedule { return schedule(request, moment, server?.postmasterStartTime) }
        let role = server.map { $0.sql.inRecovery ? MemberRole.replica : .primary } ?? status.role
        let obstacle = request.conditions.obstacle(
            role: role, serverVersion: server?.serverVersion, isPending: !status.pendingRestart.isEmpty)
        guard obstacle == nil else { return .text(503, "restart conditions are not satisfied") }
        if let action = Self.tool(status.running) { return .text(503, "\(action) already in progress") }
        do {
            logger.notice("received a request to restart PostgreSQL")
            let outcomes = try actions.orders.place(.restart(timeout: request.timeout))
            for await outcome in outcomes {
                switch outcome {
                case .done: return .text(200, "restarted successfully")
                case .stillStarting: return .text(503, "postgres is still starting")
                case .failed: return .text(503, "restart failed")
                }
            }
            return .text(503, "restart failed")
        } catch {
            return .text(503, "\(error.action) already in progress")
        }
    }

    private func schedule(_ request: RestartRequest, _ moment: Duration, _ postmasterStartTime: String?) -> Answer {
        var record = request.record
        record["postmaster_start_time"] = postmasterStartTime.map(JSONValue.string)
        let restart = OrderBook.ScheduledRestart(
            record: record, dueAt: .current + (moment - MomentText.now), conditions: request.conditions,
            timeout: request.timeout, postmasterStartTime: postmasterStartTime)
        guard actions.orders.schedule(restart) else { return .text(409, "Another restart is already scheduled") }
        logger.notice("a restart of PostgreSQL is planned: \(record.text(.spaced))")
        return .text(202, "Restart scheduled")
    }

    func unschedule() -> Answer {
        guard actions.orders.unschedule() != nil else { return .text(404, "no restarts are scheduled") }
        logger.notice("the planned restart of PostgreSQL was withdrawn")
        return .text(200, "scheduled restart deleted")
    }

    /// Answers as soon as it has begun.
    func reinitialize(_ body: JSONObject) async -> Answer {
        guard let status = board.status else { return .failure(503, "the agent has not looked yet") }
        return await trees.answer { tree in
            guard let leader = tree.view.leader else {
                return .text(503, "Cluster has no leader, can not reinitialize")
            }
            guard leader.member != status.name else {
                return .text(503, "I am the leader, can not reinitialize")
            }
            let isForced = body["force"]?.boolText ?? false
            if !isForced, let action = Self.tool(status.running) { return .text(503, "\(action) already in progress") }
            do throws(OrderBook.Busy) {
                try actions.orders.place(
                    .reinitialize(fromLeader: body["from_leader"]?.boolText ?? false), replacing: isForced)
            } catch { return .text(503, "\(error.action) already in progress") }
            logger.notice("received a request to reinitialize this member")
            if isForced { actions.cancel() }
            return .text(200, "reinitialize started")
        }
    }

    /// Answers when PostgreSQL runs on without a keeper, just before the agent ends.
    func detach() async -> Answer {
        guard let status = board.status else { return .failure(503, "the agent has not looked yet") }
        if let action = Self.tool(status.running) { return .text(503, "\(action) already in progress") }
        guard getppid() != 1 else {
            return .text(503, "the agent's supervisor is process 1 of this container: PostgreSQL would end with it")
        }
        do throws(OrderBook.Busy) {
            logger.notice("received a request to give PostgreSQL back")
            for await outcome in try actions.orders.place(.detach) {
                switch outcome {
                case .done: return .text(200, "PostgreSQL is given back")
                case .stillStarting: break
                case .failed(let reason): return .text(503, reason)
                }
            }
            return .text(503, "another order took its place")
        } catch { return .text(503, "\(error.action) already in progress") }
    }

    /// Effects that must not be cut short without `force`.
    private static func tool(_ effect: String?) -> String? {
        effect.flatMap { ["clone", "rewind", "reinitialize", "initdb", "finish-bootstrap"].contains($0) ? $0 : nil }
    }
}
