/// What happened in a run, for a person who looks at a failure.
struct Trace {
    private(set) var lines: [String] = []

    mutating func add(_ time: Int64, _ who: String, _ text: String) {
        lines.append("\(pad(time / millisecond)) \(who) \(text)")
    }

    private func pad(_ number: Int64) -> String {
        let text = String(number)
        return String(repeating: " ", count: max(0, 7 - text.count)) + text
    }
}
