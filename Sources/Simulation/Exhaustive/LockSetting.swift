/// A guard of the lock protocol that the search can do without, to show what it is for (design/lock.md 7).
public enum LockGuard: Int, Sendable, CaseIterable {
    /// Own lock of an earlier session: one transaction. Without: delete, then acquire.
    case replaceAtOnce
    /// The keeper stops PostgreSQL at the lease's end.
    case keeperDeadline
    /// A lease counts from the sending of a request. Without: from the look at its answer.
    case countFromSending
    /// The keeper promotes, while its deadline is ahead. Without: the agent checks, then promotes.
    case keeperPromotes
    /// An unknown outcome is read back. Without: taken for success.
    case settle
    /// PostgreSQL is stopped before the lock is released.
    case stopBeforeRelease
    /// A new process kills its predecessor before it takes up the session.
    case killPredecessor
    /// The session file is removed before the session is closed.
    case fileBeforeClose
    /// A new process moves `epoch` before it believes in the session's lock.
    case adopt
    /// The version of `epoch` that each transaction expects, and the bump of a release.
    case epochInAcquire, epochInRenew, epochInRelease, bumpInRelease
    /// The mark that a renewal expects of `leader`.
    case markInRenew
    /// An absent lock proves nothing while the session that `epoch` names is alive (M2).
    case absenceProof
    /// The version of an `epoch` that is made anew is above every one ever used.
    case liftedEpoch
    /// After `epoch` was made anew: as long as a lease lasts is waited before its first acquire (M2 c).
    case waitForNobody
    /// Every peer is asked after the lock was proved, before each promotion (A4). Without: once, before acquiring.
    case askBeforePromotion
    /// The same question after an adoption, too.
    case askAfterAdoption
    /// A silent peer that no keeper has is waited for as long as a lease lasts. Without: one unit less.
    case fullWaitForSilent
    /// A primary found running without our lock is armed once, when it is found. Without the first: never. Without the
    /// second: again by each try to acquire.
    case armFound, armFoundOnce
    /// A new `ttl`: the old session is closed after the new one has the lock. Without: before.
    case replaceBeforeClose
}

/// The world of a search over the lock protocol.
public struct LockSetting: Sendable {
    public enum Start: Sendable {
        /// A leads, its PostgreSQL is writable and armed.
        case leading
        /// Nobody has led yet.
        case nothing
        /// The same, and once, while nobody has the lock, A's PostgreSQL is found running as a primary (4.A0).
        case foundPrimary
    }

    public var name: String
    public var start = Start.leading
    /// Of a session, in units.
    public var timeout: UInt8 = 2
    /// Lost requests and replies, restarts, exits, changes of `ttl`.
    public var faults: UInt8 = 1
    /// How often `epoch` may be moved.
    public var moves: UInt8 = 4
    public var leaderDeletions: UInt8 = 0
    public var epochDeletions: UInt8 = 0
    /// Reads may come from a server that lags behind.
    public var staleReads = false
    /// A's process may be restarted: into the same session, or into a new one.
    public var restarts = true
    public var restartsIntoNewSession = false
    /// A process may take another `ttl`: a second session, then *replace* from it (2.4).
    public var ttlChanges = false
    /// A peer may leave the question before a promotion unanswered.
    public var silentPeers = false
    public private(set) var removed: [LockGuard] = []

    public init(_ name: String, _ change: (inout Self) -> Void = { _ in }) {
        self.name = name
        change(&self)
    }

    public init(without removed: LockGuard..., change: (inout Self) -> Void = { _ in }) {
        self.name = "without " + removed.map { "\($0)" }.joined(separator: ", ")
        self.removed = removed
        change(&self)
    }
}
