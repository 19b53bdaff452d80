import Support

/// How the agents divide a failover after a crash, by the times of their log lines (the wall clock, in milliseconds).
///
/// Each step is counted from the line that says that PostgreSQL ended, so the next millisecond to win is visible.
struct AgentSteps {
    private static let end = "PostgreSQL ended: "
    /// What a step is called, and what the first line of its kind contains, in the log of whichever member says it.
    private static let steps = [
        ("until the lock is released", "rule=leader.crashed", "next=release"),
        ("until a member takes the lock", "rule=candidate.acquire", "next=acquire"),
        ("until its promotion begins", "rule=leader.promote", "next=arm,promote"),
        ("until it is promoted", "rule=leader.checkpoint", "next=checkpoint"),
    ]

    private let nodes: [ClusterNode]
    private let before: [String]

    /// Taken before the fault.
    init(_ nodes: [ClusterNode]) {
        self.nodes = nodes
        before = nodes.map(\.logText)
    }

    /// - Throws: `SupportError` when a line is missing: the log has changed, or it was no such failover.
    func times() throws -> [(what: String, time: Duration)] {
        let lines = zip(nodes, before).flatMap { $0.logText(since: $1).split(separator: "\n") }
        let start = try Self.first(lines, Self.end, "")
        return try Self.steps.map { name, rule, next in
            // Both times may lie on two sides of midnight.
            let passed = try Self.first(lines, rule, next) - start
            return (name, .milliseconds(passed < 0 ? passed + 86_400_000 : passed))
        }
    }

    /// The least time of day, in milliseconds, of the lines that contain both.
    private static func first(_ lines: [Substring], _ one: String, _ other: String) throws -> Int {
        let times = lines.filter { $0.contains(one) && (other.isEmpty || $0.contains(other)) }.compactMap(timeOfDay)
        guard let first = times.min() else { throw SupportError("no log line with '\(one)' and '\(other)'") }
        return first
    }

    /// Of "2026-11-29 21:13:17,308 INFO: ...".
    static func timeOfDay(_ line: Substring) -> Int? {
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count == 3 else { return nil }
        let numbers = words[1].split { ":,".contains($0) }.compactMap { Int($0) }
        guard numbers.count == 4 else { return nil }
        return ((numbers[0] * 60 + numbers[1]) * 60 + numbers[2]) * 1000 + numbers[3]
    }
}
