import AdminModel
import Agent

/// The body of `POST /restart` (contract/patroni.md 2.7).
struct RestartRequest: Sendable {
    var conditions = RestartConditions()
    /// For the start; nil = `primary_start_timeout`.
    var timeout: Duration?
    /// Since 1970; nil = now.
    var schedule: Duration?
    /// As it is stored and shown.
    private(set) var record: JSONObject

    /// - Throws: the answer to the first key, in the body's order, that does not hold.
    init(_ body: JSONObject, isPaused: Bool) throws(Schedule.Refusal) {
        record = body
        for member in body {
            switch member.key {
            case "schedule":
                if isPaused { throw Self.refused(500, "Can't schedule restart in the paused state") }
                schedule = try Schedule.read(member.value.pythonText, for: "restart").get()
            case "role":
                guard let role = MemberRole(rawValue: member.value.asString ?? ""),
                    [.primary, .standbyLeader, .replica].contains(role)
                else {
                    throw Self.refused(
                        400, "PostgreSQL role should be either primary, standby_leader, or replica")
                }
                conditions.role = role
            case "postgres_version":
                do throws(PostgresVersion.Invalid) {
                    conditions.olderThan = try PostgresVersion(member.value.pythonText).number
                } catch {
                    throw Self.refused(400, error.description)
                }
            case "timeout":
                guard let seconds = SettingText.integer(member.value.pythonText, in: .seconds), seconds > 0,
                    seconds < 1 << 31
                else { throw Self.refused(400, "Timeout should be a positive number of seconds") }
                timeout = .seconds(seconds)
                record["timeout"] = .int(seconds)
            case "restart_pending": conditions.onlyPending = member.value.isTruthy
            default: throw Self.refused(400, "Unknown filter for the scheduled restart: \(member.key)")
            }
        }
    }

    private static func refused(_ code: Int, _ text: String) -> Schedule.Refusal {
        Schedule.Refusal(answer: .text(code, text))
    }
}
