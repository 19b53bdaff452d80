/// The stable name of a rule: log key, metric label, anchor in the docs.
public struct RuleID: RawRepresentable, Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }
    public init(stringLiteral value: String) { self.rawValue = value }

    public var description: String { rawValue }
}

/// The outcome of looking at one view.
public struct Decision: Hashable, Sendable {
    public let rule: RuleID
    /// A sentence for the operator: the contract's where it has one.
    public let reason: String
    /// Carried out even while another effect runs.
    public let urgent: Bool
    /// In order; the first failure ends the list.
    public let effects: [Effect]
    /// What the next decision starts from.
    public let memory: DecisionMemory
    /// Look again after this time at the latest. Never needed for safety, only for progress.
    public let recheckAfter: Duration
    /// The process was asked to end and everything is in order for it.
    public let ends: Bool
}

/// One row of the decision table.
public struct Rule: Sendable {
    public let id: RuleID
    /// What it guards or brings about, for the docs.
    public let summary: String
    /// Also looked at while an effect runs.
    public let urgent: Bool
    let inPause: InPause
    let conclude: @Sendable (Situation) -> Conclusion?

    /// Whether a rule counts while the cluster is paused (contract 4.18).
    enum InPause {
        /// What acts on its own is not looked at.
        case never
        /// What brings to its end what an operator began, such as the start after a stop that was asked for.
        case owed
        case always
        /// Not looked at otherwise.
        case only
    }

    init(
        _ id: RuleID, _ summary: String, urgent: Bool = false, inPause: InPause = .never,
        conclude: @escaping @Sendable (Situation) -> Conclusion?
    ) {
        self.id = id
        self.summary = summary
        self.urgent = urgent
        self.inPause = inPause
        self.conclude = conclude
    }
}

/// What a rule that applies concludes.
struct Conclusion {
    var reason: String
    var effects: [Effect] = []
    var recheckAfter: Duration?
    var steppingDown = false
    var clearing = false
    /// The term in which a planned change begins.
    var handingOver: Term?
    /// A planned change is given up.
    var handingBack = false
    /// What an operator began does not go on.
    var givesUp = false
    /// The loop has nothing more to do.
    var ends = false

    init(
        _ reason: String, _ effects: Effect..., recheckAfter: Duration? = nil, steppingDown: Bool = false,
        clearing: Bool = false, handingOver: Term? = nil, handingBack: Bool = false, givesUp: Bool = false,
        ends: Bool = false
    ) {
        self.reason = reason
        self.effects = effects
        self.recheckAfter = recheckAfter
        self.steppingDown = steppingDown
        self.clearing = clearing
        self.handingOver = handingOver
        self.handingBack = handingBack
        self.givesUp = givesUp
        self.ends = ends
    }
}
