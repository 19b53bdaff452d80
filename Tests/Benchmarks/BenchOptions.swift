import Support

/// What `make bench` was asked for, from the environment that `scripts/bench` hands on.
struct BenchOptions {
    let rounds: Int
    /// The names of the scenarios to run.
    let scenarios: Set<String>
    let modes: Set<BenchMode>
    /// Patroni runs the same scenarios, round by round beside ours.
    let withPatroni: Bool

    /// - Throws: `SupportError` that names the variable, its value and what is allowed.
    init(_ environment: [String: String], known: [String]) throws {
        let count = environment["ROUNDS"] ?? "10"
        guard let rounds = Int(count), (1...1000).contains(rounds) else {
            throw SupportError("ROUNDS is '\(count)': a number from 1 to 1000 is allowed")
        }
        let patroni = environment["PATRONI"] ?? "0"
        guard ["0", "1"].contains(patroni) else { throw SupportError("PATRONI is '\(patroni)': 0 or 1 is allowed") }
        self.rounds = rounds
        scenarios = Set(try Self.list(environment, "ONLY", known))
        modes = Set(
            try Self.list(environment, "MODE", BenchMode.allCases.map(\.rawValue)).compactMap(BenchMode.init))
        withPatroni = patroni == "1"
    }

    /// Names of `known`, parted by commas; all of them when the variable is missing or empty.
    private static func list(_ environment: [String: String], _ key: String, _ known: [String]) throws -> [String] {
        let asked = (environment[key] ?? "").split(separator: ",").map(String.init)
        if let unknown = asked.first(where: { !known.contains($0) }) {
            throw SupportError(
                "\(key) names '\(unknown)': \(known.joined(separator: ", ")) are allowed, parted by commas")
        }
        return asked.isEmpty ? known : asked
    }
}
