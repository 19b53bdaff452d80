/// Whether the local data may follow a leader's timeline, by its history (contract 4.12; postgres.md 6).
public enum Divergence: Hashable, Sendable {
    /// It may follow.
    case sound
    /// It has WAL that the leader does not: `own` is past `fork` of `timeline`.
    case diverged(own: LSN, fork: LSN?, timeline: Timeline)
    /// A crashed primary on an older timeline: where its WAL ends is known only after recovery.
    case unknownEnd(Timeline)

    public init(_ local: LocalPostgres, upstream: UpstreamView) {
        guard let control = local.control else {
            self = .sound
            return
        }
        if local.isRunning, let sql = local.sql {
            self = Self.compare(sql.position, sql.timeline, upstream) { own, fork in own > fork }
            return
        }
        switch control.state {
        case .shutDown:
            // The shutdown checkpoint is the last record here: a fork behind its location means that the leader has it.
            self = Self.compare(control.checkpoint, control.timeline, upstream) { own, fork in own >= fork }
        case .shutDownInRecovery, .inArchiveRecovery:
            let known = control.minRecoveryPoint > .zero
            let own = known ? max(control.minRecoveryPoint, control.checkpoint) : control.checkpoint
            let timeline = known ? max(control.minRecoveryTimeline, control.timeline) : control.timeline
            self = Self.compare(own, timeline, upstream) { own, fork in own > fork }
        case .startingUp, .shuttingDown, .inCrashRecovery, .inProduction:
            if control.timeline == upstream.timeline {
                self = .sound
            } else {
                let early = Self.compare(control.checkpoint, control.timeline, upstream) { own, fork in own >= fork }
                self = early == .sound ? .unknownEnd(control.timeline) : early
            }
        }
    }

    private static func compare(
        _ own: LSN, _ timeline: Timeline, _ upstream: UpstreamView, isPast: (LSN, LSN) -> Bool
    ) -> Divergence {
        if timeline == upstream.timeline { return .sound }
        guard timeline < upstream.timeline, let fork = upstream.history.switchPoint(of: timeline) else {
            return .diverged(own: own, fork: nil, timeline: timeline)
        }
        return isPast(own, fork) ? .diverged(own: own, fork: fork, timeline: timeline) : .sound
    }
}
