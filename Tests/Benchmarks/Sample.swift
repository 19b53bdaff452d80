/// The measurements of one thing in one run.
struct Sample {
    private(set) var values: [Duration] = []

    init(_ values: [Duration] = []) { self.values = values.sorted() }

    mutating func add(_ value: Duration) {
        values.append(value)
        values.sort()
    }

    var median: Duration? { rank(0.5) }
    var maximum: Duration? { values.last }

    /// The nearest rank: the least measured value that at least this share of all values does not exceed. Nothing is
    /// interpolated, so every number in the table was measured.
    func rank(_ share: Double) -> Duration? {
        guard !values.isEmpty else { return nil }
        let rank = (share * Double(values.count)).rounded(.up)
        return values[min(max(Int(rank), 1), values.count) - 1]
    }
}

/// What one round of a scenario yields.
struct Outcome {
    /// By what was measured; the first is what the scenario is about.
    var times: [(what: String, time: Duration)] = []
    /// What was counted, such as refused writes: added up over all rounds.
    var counts: [String: Int] = [:]
    /// How the agents divide the time.
    var phases: [(phase: Phase, time: Duration)] = []
}
