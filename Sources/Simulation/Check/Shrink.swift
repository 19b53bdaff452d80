extension SimWorld {
    /// Leaves out faults, halves first, while the run still breaks something: what remains is what matters.
    public static func shrink(seed: UInt64, options: SimOptions? = nil, faults: [Fault]) -> [Fault] {
        let options = options ?? SimOptions(seed: seed)
        var kept = faults
        var chunk = max(1, kept.count / 2)
        while true {
            var removed = false
            var index = 0
            while index < kept.count {
                var fewer = kept
                fewer.removeSubrange(index..<min(index + chunk, kept.count))
                if SimWorld(seed: seed, options: options, faults: fewer).run().violation != nil {
                    kept = fewer
                    removed = true
                } else {
                    index += chunk
                }
            }
            if chunk == 1 {
                if !removed { return kept }
            } else {
                chunk = max(1, chunk / 2)
            }
        }
    }

    /// Everything that a person needs to see: the seed, the shrunk faults, what broke, the decisions that led there.
    public static func explain(seed: UInt64, options: SimOptions? = nil, lines: Int = 120) -> String {
        var options = options ?? SimOptions(seed: seed)
        let faults = shrink(seed: seed, options: options, faults: Fault.list(seed: seed, options))
        options.keepsTrace = true
        let outcome = SimWorld(seed: seed, options: options, faults: faults).run()
        return """
            seed \(seed): \(outcome.violation ?? "nothing breaks with the shrunk faults")
            T \(options.sessionTimeout / millisecond) ms, tick \(options.tick / millisecond) ms, \(options.nodes) nodes
            faults: \(faults.map(\.description).joined(separator: "; "))
            \(outcome.trace.suffix(lines).joined(separator: "\n"))
            """
    }
}
