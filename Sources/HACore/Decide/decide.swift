/// Every rule, in order: the first that applies decides.
public let ruleTable: [Rule] =
    foundFences + fencingRules + detachRules + pauseSwitch + foundRules + leavingRules + coordinationRules
    + ownershipRules
    + bootstrapRules + plannedRules + orderRules + directoryRules + pauseRules + leaderRules + candidacyRules
    + replicaRules + [idleRule]

let idleRule = Rule("idle", "Nothing is to be done.", inPause: .always) { _ in Conclusion("no action") }

/// Looks at one view. Pure: the same view and memory give the same decision, and nothing happens by asking.
/// - Parameter rules: all of them; a test leaves some out to show what they are for.
public func decide(_ view: ClusterView, _ memory: DecisionMemory, by rules: [Rule] = ruleTable) -> Decision {
    var next = memory
    next.observe(view)
    let situation = Situation(view: view, memory: next)
    for rule in rules where (view.running == nil || rule.urgent) && situation.counts(rule) {
        guard let conclusion = rule.conclude(situation) else { continue }
        if conclusion.steppingDown { next.steppingDown = true }
        if conclusion.clearing { next.clearing = true }
        if let term = conclusion.handingOver { next.handOver = .init(term: term, since: view.now) }
        if conclusion.handingBack { next.handOver = nil }
        if conclusion.givesUp { next.owed = false }
        return Decision(
            rule: rule.id, reason: (situation.isPaused ? "PAUSE: " : "") + conclusion.reason, urgent: rule.urgent,
            effects: conclusion.effects, memory: next,
            recheckAfter: situation.recheck(conclusion.recheckAfter), ends: conclusion.ends)
    }
    return Decision(
        rule: "busy", reason: "\(view.running?.effect.name ?? "an effect") in progress", urgent: false, effects: [],
        memory: next, recheckAfter: situation.recheck(nil), ends: false)
}
