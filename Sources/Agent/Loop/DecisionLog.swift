import HACore
import Logging

/// Writes a decision when it differs from the one before: what changed, why, what happens next. The unchanged heartbeat
/// is at debug.
final class DecisionLog {
    private let logger: Logger
    private let log: AgentLog
    private var last: (rule: RuleID?, reason: String) = (nil, "")

    init(_ log: AgentLog, logger: Logger) {
        self.log = log
        self.logger = logger
    }

    func note(_ decision: Decision, _ view: ClusterView) {
        // While an effect runs, what matters was said when it began.
        if decision.rule == "busy" { return }
        let isNew =
            last.rule != decision.rule
            || last.reason != decision.reason
                && Self.withoutNumbers(last.reason) != Self.withoutNumbers(decision.reason)
        last = (decision.rule, decision.reason)
        guard decision.urgent || isNew || logger.logLevel <= .debug && !log.dropsHeartbeats else { return }
        var line = "\(decision.reason) rule=\(decision.rule)"
        if let term = view.leadership?.term ?? view.store?.leader?.term { line += " term=\(term)" }
        if let lsn = view.local.sql?.position { line += " lsn=\(lsn)" }
        if !decision.effects.isEmpty { line += " next=\(decision.effects.map(\.name).joined(separator: ","))" }
        if decision.urgent {
            logger.error("\(line)")
        } else if isNew {
            logger.info("\(line)")
        } else {
            logger.debug("\(line)")
        }
    }

    func note(_ text: String) {
        guard last.rule != nil || last.reason != text else { return }
        last = (nil, text)
        logger.info("\(text)")
    }

    /// A countdown or a moving position is not a change.
    private static func withoutNumbers(_ text: String) -> String { text.filter { !$0.isNumber } }
}
