/// When a standby restarts to take the slots in that it lacks: all of them together, and not again and again. Pure.
public struct SlotRestarts: Hashable, Sendable {
    private struct Wait: Hashable, Sendable {
        var need: SlotCopies.Need
        var since: Instant
    }

    fileprivate struct Restart: Hashable, Sendable {
        var at: Instant
        var count: Int
    }

    private var waits: [String: Wait] = [:]
    private var restarts: [String: Restart] = [:]

    public init() {}

    /// Slots of a mesh are made one after the other: a restart waits until no new one is missing.
    /// - Parameters:
    ///   - needs: of this look.
    ///   - proved: a slot that is usable counts as never restarted for.
    ///   - settle: `copy_interval`.
    /// - Returns: the slots for which this standby should restart now, by name.
    public mutating func due(
        _ needs: [String: SlotCopies.Need], proved: Set<String>, settle: Duration, now: Instant
    ) -> [String] {
        waits = Dictionary(
            uniqueKeysWithValues: needs.map { name, need in
                if let wait = waits[name], wait.need == need { return (name, wait) }
                return (name, Wait(need: need, since: now))
            })
        restarts = restarts.filter { !proved.contains($0.key) }
        let eligible = waits.filter { name, wait in
            now - wait.since >= Self.patience(wait.need, settle)
                && restarts[name].map { now - $0.at >= $0.pause } ?? true
        }
        guard !eligible.isEmpty else { return [] }
        let isGrowing = waits.contains { now - $0.value.since < settle }
        let oldest = eligible.values.map(\.since).min() ?? now
        guard !isGrowing || now - oldest >= settle * 6 else { return [] }
        return eligible.keys.sorted()
    }

    public mutating func restarted(for slots: [String], at now: Instant) {
        for name in slots { restarts[name] = Restart(at: now, count: (restarts[name]?.count ?? 0) + 1) }
    }

    /// A leader that was just promoted is behind the others' copies until its peers have connected.
    private static func patience(_ need: SlotCopies.Need, _ settle: Duration) -> Duration {
        need == .ahead ? settle * 6 : settle
    }
}

extension SlotRestarts.Restart {
    /// One that did not help is not done again soon: a minute, then twice as long each time, at most an hour.
    fileprivate var pause: Duration { .seconds(min(3600, 60 << min(count - 1, 6))) }
}
