import Support

/// The phases of a failover, in their order.
enum Phase: String, CaseIterable {
    /// Somebody knows that the leader is to be replaced.
    case detected
    /// The old leader gives the lock away; a dead node does not.
    case released
    /// A member takes the lock.
    case elected
    /// It orders PostgreSQL to promote.
    case ordered
    /// It knows that recovery has ended.
    case promoted
    /// The client's first row is acknowledged.
    case reachable
}

/// How the agents divide a failover, by the times of their log lines (whole milliseconds of the wall clock), so that the
/// next millisecond to win is visible.
struct AgentPhases {
    enum Fault {
        case crash, lostNode, planned

        /// What the line that begins a phase contains. The first such line counts, whichever member says it.
        fileprivate var lines: [(phase: Phase, words: [String])] {
            let end: [(Phase, [String])] = [
                (.elected, ["rule=candidate.acquire", "next=acquire"]),
                (.ordered, ["rule=leader.promote", "next=arm,promote"]),
                (.promoted, ["PostgreSQL takes writes, "]),
            ]
            switch self {
            case .crash:
                return [(.detected, ["PostgreSQL ended: "]), (.released, ["rule=leader.crashed", "next=release"])] + end
            case .lostNode: return [(.detected, ["rule=candidate."])] + end
            case .planned:
                return [
                    (.detected, [".hand-over", "next=stop-planned"]),
                    (.released, ["rule=planned.release", "next=release"]),
                ] + end
            }
        }
    }

    private let nodes: [ClusterNode]
    private let before: [String]

    /// Taken before the fault.
    init(_ nodes: [ClusterNode]) {
        self.nodes = nodes
        before = nodes.map(\.logText)
    }

    /// - Throws: `SupportError` when a line is missing: the log has changed, or it was no such failover.
    func times(
        of fault: Fault, since start: Moment, written: ContinuousClock.Instant
    ) throws -> [(phase: Phase, time: Duration)] {
        let lines = zip(nodes, before).flatMap { $0.logText(since: $1).split(separator: "\n") }
        let seen = try fault.lines.map { phase, words in
            let said = lines.filter { line in words.allSatisfy { line.contains($0) } }
            guard let first = said.compactMap(Self.timeOfDay).map({ start.until(timeOfDay: $0) }).min() else {
                let found = said.first.map { "without a time: '\($0)'" } ?? "among \(lines.count)"
                throw SupportError("no log line with '\(words.joined(separator: "' and '"))' \(found)")
            }
            return (phase: phase, time: first)
        }
        return seen + [(.reachable, start.instant.duration(to: written))]
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
