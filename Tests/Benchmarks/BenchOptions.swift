import Support

/// What `make bench` was asked for, from the environment that `scripts/bench` hands on.
struct BenchOptions {
    let rounds: Int
    /// The names of the scenarios to run.
    let scenarios: Set<String>
    /// Patroni runs the same scenarios, round by round beside ours.
    let withPatroni: Bool

    /// - Throws: `SupportError` that names the variable, its value and what is allowed.
    init(_ environment: [String: String], known: [String]) throws {
        let count = environment["ROUNDS"] ?? "10"
        guard let rounds = Int(count), (1...1000).contains(rounds) else {
            throw SupportError("ROUNDS is '\(count)': a number from 1 to 1000 is allowed")
        }
        let asked = (environment["ONLY"] ?? "").split(separator: ",").map(String.init)
        if let unknown = asked.first(where: { !known.contains($0) }) {
            throw SupportError(
                "ONLY names '\(unknown)': \(known.joined(separator: ", ")) are allowed, parted by commas")
        }
        let patroni = environment["PATRONI"] ?? "0"
        guard ["0", "1"].contains(patroni) else { throw SupportError("PATRONI is '\(patroni)': 0 or 1 is allowed") }
        self.rounds = rounds
        scenarios = Set(asked.isEmpty ? known : asked)
        withPatroni = patroni == "1"
    }
}
