/// The parameters that a server of one version accepts.
public struct KnownParameters: Hashable, Sendable {
    public struct Parameter: Hashable, Sendable {
        /// `internal`, `postmaster`, `sighup`, ...
        public let context: String
        /// `BOOLEAN`, `INTEGER`, `REAL`, `STRING` or `ENUM`.
        public let type: String
        /// The server's own default, as printed.
        let initial: String
        /// As printed; empty when it has no range. In the parameter's own unit.
        public let minimum: String
        public let maximum: String

        var range: ClosedRange<Double>? {
            guard type == "INTEGER" || type == "REAL", let low = Double(minimum), let high = Double(maximum),
                low <= high
            else { return nil }
            return low...high
        }
    }

    public let parameters: [String: Parameter]
    /// Names that `--describe-config` leaves out although the server takes them.
    public let hidden: Set<String>

    func contains(_ name: String) -> Bool { parameters[name] != nil || hidden.contains(name) }

    func initial(_ name: String) -> String? { parameters[name]?.initial }

    /// Reads the output of `postgres --describe-config`.
    init(description: String, hidden: Set<String> = []) {
        var parameters: [String: Parameter] = [:]
        for line in description.split(separator: "\n") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map { String($0) }
            guard fields.count >= 7 else { continue }
            parameters[fields[0].lowercased()] = Parameter(
                context: fields[1], type: fields[3], initial: fields[4], minimum: fields[5], maximum: fields[6])
        }
        self.parameters = parameters
        self.hidden = hidden
    }
}

extension Installation {
    /// Asks `postgres --describe-config`, which leaves out some; these are asked for one by one.
    /// - Parameter names: the names that are going to be used.
    /// - Throws: `.tool`, `.timedOut`, `.unexpected`.
    public func knownParameters(
        including names: some Sequence<String> = [String](), deadline: Duration = .seconds(10)
    ) async throws(PostgresControlError) -> KnownParameters {
        let program = path(of: .postgres)
        let output = try await QuickCommand.run(program, ["--describe-config"], deadline: deadline)
        let listed = KnownParameters(description: output.standardOutput)
        guard output.succeeded, listed.parameters.count > 100 else {
            throw PostgresControlError(
                .unexpected, "postgres --describe-config: \(output.status) \(output.standardError)",
                outcome: .didNotHappen)
        }
        var hidden: Set<String> = []
        for name in Set(names.map { $0.lowercased() }) where listed.parameters[name] == nil && !name.contains(".") {
            guard name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else { continue }
            // -D has to be a folder, no more: nothing is read from it.
            let arguments = ["-C", name, "-D", "/", "--config-file=/dev/null"]
            if try await QuickCommand.run(program, arguments, deadline: deadline).succeeded { hidden.insert(name) }
        }
        return KnownParameters(description: output.standardOutput, hidden: hidden)
    }
}
