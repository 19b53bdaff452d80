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
            case "postgres_version": conditions.olderThan = try Self.version(member.value.pythonText)
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

    /// `server_version_num` of `X.Y` (from 10 on) or `X.Y.Z`.
    private static func version(_ text: String) throws(Schedule.Refusal) -> Int {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        let numbers = parts.compactMap { $0 }
        guard numbers.count == parts.count, numbers.allSatisfy({ (0..<10_000).contains($0) }) else {
            throw refused(400, "Invalid PostgreSQL version: \(text)")
        }
        switch numbers.count {
        case 2 where numbers[0] >= 10: return numbers[0] * 10_000 + numbers[1]
        case 3: return numbers[0] * 10_000 + numbers[1] * 100 + numbers[2]
        default: throw refused(400, "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: \(text)")
        }
    }

    private static func refused(_ code: Int, _ text: String) -> Schedule.Refusal {
        Schedule.Refusal(answer: .text(code, text))
    }
}
