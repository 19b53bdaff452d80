/// One step out of a state: what happens, as a code that the model can put into words, and where it leads.
struct SearchStep {
    let label: UInt32
    let state: PackedState
}

/// A finite world: where it begins, what can happen next, what must never be.
protocol SearchedModel: Sendable {
    var name: String { get }
    var initial: [PackedState] { get }
    func addSteps(from state: PackedState, to steps: inout [SearchStep])
    /// What is wrong with a state; nil = nothing.
    func violation(in state: PackedState) -> String?
    func line(_ label: UInt32, in state: PackedState) -> String
}

/// What a search saw.
public struct SearchResult: Sendable, CustomStringConvertible {
    public struct Violation: Sendable {
        public let what: String
        /// The shortest way there, one line for each step.
        public let trace: [String]
    }

    public let name: String
    /// Different states found.
    public let states: Int
    /// Steps from the beginning to the state that was looked at last.
    public let depth: Int
    /// Every state that can be reached was looked at.
    public let exhausted: Bool
    public let violation: Violation?
    public let seconds: Double

    public var isViolated: Bool { violation != nil }

    /// One line for a test's output.
    public var description: String {
        let end: String
        if let violation {
            end = "violated in \(violation.trace.count) steps"
        } else {
            end = exhausted ? "exhausted, no violation" : "cut off, no violation"
        }
        let time = Double(Int(seconds * 100)) / 100
        return "search \(name): \(states) states, depth \(depth), \(end), \(time) s"
    }

    /// The line, and the way to what is broken.
    public var explanation: String {
        guard let violation else { return description }
        let steps = violation.trace.enumerated().map { "  \($0.offset + 1). \($0.element)" }
        return ([description] + steps + ["  => \(violation.what)"]).joined(separator: "\n")
    }
}

/// Breadth-first, so that the first violation found has the shortest trace.
///
/// The visited set is an open-addressing table of indices into one array of states: about 46 bytes a state.
struct Search {
    private var states: [PackedState] = []
    private var parents: [UInt32] = []
    private var table: [UInt32]
    private var mask: Int
    private static let empty = UInt32.max

    init() {
        table = Array(repeating: Self.empty, count: 1 << 16)
        mask = table.count - 1
    }

    static func run(_ model: any SearchedModel, limit: Int) -> SearchResult {
        var search = Search()
        let clock = ContinuousClock()
        let start = clock.now
        var (depth, exhausted, broken) = (0, true, Int?.none)
        for state in model.initial where search.insert(state, from: Self.empty) {
            if model.violation(in: state) != nil { broken = broken ?? search.states.count - 1 }
        }
        var next = 0
        var levelEnd = search.states.count
        var steps: [SearchStep] = []
        while broken == nil, next < search.states.count {
            if next == levelEnd {
                depth += 1
                levelEnd = search.states.count
            }
            if search.states.count >= limit {
                exhausted = false
                break
            }
            steps.removeAll(keepingCapacity: true)
            model.addSteps(from: search.states[next], to: &steps)
            for step in steps where search.insert(step.state, from: UInt32(next)) {
                if model.violation(in: step.state) != nil {
                    broken = search.states.count - 1
                    break
                }
            }
            next += 1
        }
        let elapsed = (clock.now - start).components
        return SearchResult(
            name: model.name, states: search.states.count, depth: depth, exhausted: exhausted && broken == nil,
            violation: broken.map { search.violation(at: $0, model) },
            seconds: Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18)
    }

    /// True when the state is new.
    private mutating func insert(_ state: PackedState, from parent: UInt32) -> Bool {
        var slot = Int(truncatingIfNeeded: state.mixed) & mask
        while table[slot] != Self.empty {
            if states[Int(table[slot])] == state { return false }
            slot = (slot + 1) & mask
        }
        table[slot] = UInt32(states.count)
        states.append(state)
        parents.append(parent)
        if states.count * 2 > table.count { grow() }
        return true
    }

    private mutating func grow() {
        table = Array(repeating: Self.empty, count: table.count * 2)
        mask = table.count - 1
        for (index, state) in states.enumerated() {
            var slot = Int(truncatingIfNeeded: state.mixed) & mask
            while table[slot] != Self.empty { slot = (slot + 1) & mask }
            table[slot] = UInt32(index)
        }
    }

    private func violation(at index: Int, _ model: any SearchedModel) -> SearchResult.Violation {
        var way = [index]
        while let first = way.first, parents[first] != Self.empty { way.insert(Int(parents[first]), at: 0) }
        var trace: [String] = []
        for (from, to) in zip(way, way.dropFirst()) {
            var steps: [SearchStep] = []
            model.addSteps(from: states[from], to: &steps)
            let step = steps.first { $0.state == states[to] }
            trace.append(step.map { model.line($0.label, in: states[to]) } ?? "?")
        }
        return SearchResult.Violation(what: model.violation(in: states[index]) ?? "", trace: trace)
    }
}
