import HACore
import Logging
import NIOConcurrencyHelpers
import PostgresControl
import Waiting
import ZooKeeper

/// Renews the session's lease on a thread of its own and hands each proved deadline to the keeper.
///
/// Nothing here waits for SQL, a disk, DNS, a log or a Swift task: the thread submits, the completion on the ZooKeeper
/// client's thread computes the lease and sends the keeper its deadline (rulings, Lock 4).
final class LeaseGuard: Sendable {
    /// What the renewal proves.
    private enum Role {
        /// No own znode to write yet.
        case idle
        /// Keeps the chain long with writes to `lease/NAME`, so that the lease is ready when the lock is taken.
        case candidate
        case leader(Leadership)
    }

    private struct InFlight {
        let sentAt: Instant
        let generation: UInt64
        var abandoned = false
    }

    /// The time without a connection, and how long the library's present attempt may take.
    private struct Attempt {
        let since: Instant
        let patience: Duration
    }

    /// One write and what it is made for: the proof that it may end is the one it was made under.
    private struct Renewal {
        let operations: [Operation]
        let port: RenewalPort
        var leadership: Leadership?
    }

    /// What the thread does next.
    private struct Step {
        let wait: Duration
        var renewal: Renewal?
        var abandon: ZooKeeperSession?
    }

    private struct State {
        var port: RenewalPort?
        var session: ZooKeeperSession?
        var lease: AnchoredLease?
        var candidateNode: ZNodePath?
        var role = Role.idle
        var isPaused = false
        /// The keeper answered that it is armed under this leadership: from then on deadlines are sent to it.
        var armed = false
        var status = Array("{}".utf8)
        var nodeMissing = false
        var inFlight: InFlight?
        var attempt: Attempt?
        var nextAt = Instant(nanoseconds: 0)
        var loopWait = Duration.seconds(10)
        var tickTime: Duration?
        /// While the lock moves to a session with another timeout: until when the one that had it proves it.
        var servesUntil: Instant?
        var delays = RenewalDelays()
        var stopped = false
    }

    private let state = NIOLockedValueBox(State())
    private let work = Doorbell()
    private let transactions: LockTransactions
    private let keeper: KeeperLink
    private let wakeup: Wakeup

    init(transactions: LockTransactions, tickTime: Duration?, keeper: KeeperLink, wakeup: Wakeup) {
        self.transactions = transactions
        self.keeper = keeper
        self.wakeup = wakeup
        state.withLockedValue { $0.tickTime = tickTime }
    }

    /// Starts the thread; it ends after `stop()`.
    func start() {
        startThread(named: "lease") { [self] in run() }
    }

    func stop() {
        state.withLockedValue { $0.stopped = true }
        work.ring()
    }

    // MARK: What the rest of the agent tells it

    /// A session is connected and owns `lease/NAME`: renew from here on.
    /// - Parameter inherits: the session before lives, and its lock goes on to this one.
    func use(_ session: ZooKeeperSession, candidateNode: ZNodePath, inherits: Bool = false) {
        state.withLockedValue { state in
            // What the session before has under way says nothing of this one.
            if state.port !== session.renewals { state.inFlight = nil }
            state.session = session
            state.port = session.renewals
            // A lease does not outlive its session, nor does leadership.
            if state.lease?.session != session.credentials?.session.rawValue {
                if inherits, case .leader = state.role, let lease = state.lease {
                    // The lock goes on to this session in one transaction, and is proved until then (lock.md 2.4).
                    state.servesUntil = min(lease.provenUntil - lease.terms.earlyStop, Instant.now + Self.handOver)
                }
                state.lease = nil
                state.armed = false
                state.role = .idle
            }
            if let connection = session.renewals.connection { note(connection, &state) }
            state.candidateNode = candidateNode
            if case .idle = state.role { state.role = .candidate }
        }
        work.ring()
    }

    /// A lock that moves from one session to the next does so within this time, or is not shown as held.
    private static let handOver = Duration.seconds(1)

    /// The session is over: its lease and its lock are not ours any more. The keeper's deadline stands.
    func sessionEnded() {
        state.withLockedValue { state in
            state.session = nil
            state.port = nil
            state.lease = nil
            state.role = .idle
            state.armed = false
            state.inFlight = nil
            state.servesUntil = nil
        }
    }

    /// An acknowledged transaction of this session proved the lock: renew it instead of the candidate's znode.
    func lead(_ leadership: Leadership, in session: SessionID) {
        state.withLockedValue { state in
            // A reply that is processed after its session's end proves nothing in the next one (lock.md 4.B).
            guard state.lease?.session == session.rawValue else { return }
            state.role = .leader(leadership)
            state.servesUntil = nil
            state.armed = false
            state.nextAt = Instant.now
        }
        work.ring()
    }

    /// The lock was released, or is somebody else's: go on as a candidate.
    func standDown() { state.withLockedValue { Self.standDown(&$0) } }

    private static func standDown(_ state: inout State) {
        state.role = state.candidateNode == nil ? .idle : .candidate
        state.servesUntil = nil
        state.armed = false
    }

    /// The keeper answered that it is armed for this term: deadlines follow.
    func armed(_ term: Term) {
        state.withLockedValue { state in
            guard case .leader(let leadership) = state.role, leadership.term == term else { return }
            state.armed = true
            if let lease = state.lease { keeper.extend(until: lease.provenUntil) }
        }
    }

    /// Bytes of `status` that the next renewal writes.
    func setStatus(_ bytes: [UInt8]) { state.withLockedValue { $0.status = bytes } }

    /// Found out before the first session is used; counts for connections made from here on.
    func setTickTime(_ tickTime: Duration?) { state.withLockedValue { $0.tickTime = tickTime } }

    /// While the cluster is paused a lock that is lost stops nothing (contract/patroni.md 4.18).
    func setPaused(_ paused: Bool) { state.withLockedValue { $0.isPaused = paused } }

    func setLoopWait(_ loopWait: Duration) { state.withLockedValue { $0.loopWait = loopWait } }

    // MARK: What it knows

    var leadership: Leadership? {
        state.withLockedValue { state in
            guard case .leader(let leadership) = state.role else { return nil }
            return leadership
        }
    }

    /// What stands against leading on a session that was granted this timeout.
    func problem(timeout: Duration) -> LeaseProblem? {
        let (tickTime, loopWait) = state.withLockedValue { ($0.tickTime, $0.loopWait) }
        return LeaseTerms(timeout: timeout, tickTime: tickTime).problem(loopWait: loopWait)
    }

    var delays: RenewalDelays { state.withLockedValue { $0.delays } }

    var lease: AnchoredLease? { state.withLockedValue { $0.lease } }

    /// The last renewal found `status`, or the candidate's own znode, gone: no lease can be proved until it is back.
    var nodeMissing: Bool { state.withLockedValue { $0.nodeMissing } }

    /// True while the lock is proved ours with more left than the early stop: what `/primary` needs (rulings, Lock 5).
    func mayServeWrites(at now: Instant) -> Bool {
        state.withLockedValue { state in
            if let until = state.servesUntil { return now < until }
            guard case .leader = state.role, let lease = state.lease else { return false }
            return now < lease.provenUntil - lease.terms.earlyStop
        }
    }

    // MARK: The thread

    private func run() {
        while true {
            let now = Instant.now
            let step: Step? =
                state.withLockedValue { state in
                    if state.stopped { return nil }
                    if let connection = state.port?.connection { note(connection, &state) }
                    return plan(now, &state)
                }
            guard let step else { return }
            if let renewal = step.renewal { submit(renewal) }
            if let session = step.abandon { _ = session.abandonConnection() }
            work.wait(nanoseconds: max(1_000_000, step.wait.nanoseconds))
        }
    }

    private func plan(_ now: Instant, _ state: inout State) -> Step {
        guard let port = state.port, let lease = state.lease else { return Step(wait: .milliseconds(200)) }
        guard let connection = port.connection else { return reconnecting(now, lease.terms, &state) }
        state.attempt = nil
        if let inFlight = state.inFlight {
            // A server that vanished silently would outlast a short lease: look elsewhere once (rulings, Lock 6).
            let patience = Self.patience(lease.terms)
            let overdue = now - inFlight.sentAt
            if overdue >= patience, !inFlight.abandoned, inFlight.generation == connection.generation {
                state.inFlight?.abandoned = true
                return Step(wait: patience, abandon: state.session)
            }
            return Step(wait: max(patience - overdue, .milliseconds(20)))
        }
        guard now >= state.nextAt else { return Step(wait: state.nextAt - now) }
        let renewal: Renewal
        switch state.role {
        case .idle: return Step(wait: .milliseconds(200))
        case .candidate:
            guard let node = state.candidateNode else { return Step(wait: .milliseconds(200)) }
            renewal = Renewal(operations: [.set(node, [], .any)], port: port)
        case .leader(let leadership):
            renewal = Renewal(
                operations: transactions.renew(epoch: Version(counted: leadership.epochVersion), status: state.status),
                port: port, leadership: leadership)
        }
        let interval = lease.terms.renewalInterval(loopWait: state.loopWait)
        state.inFlight = InFlight(sentAt: now, generation: connection.generation)
        if state.nextAt > Instant(nanoseconds: 0) { state.delays.note(now - state.nextAt) }
        state.nextAt = now + interval
        return Step(wait: interval, renewal: renewal)
    }

    /// How long a server may be silent (rulings, Lock 6).
    private static func patience(_ terms: LeaseTerms) -> Duration { terms.timeout / 8 + .milliseconds(100) }

    /// A server that starts accepts connections and leaves some handshakes without an answer for ever (seen with 3.8),
    /// and the library waits for two thirds of the session. Each attempt may take twice as long as the one before, up to
    /// half of the session: a server may be slow, too.
    private func reconnecting(_ now: Instant, _ terms: LeaseTerms, _ state: inout State) -> Step {
        let attempt = state.attempt ?? Attempt(since: now, patience: Self.patience(terms))
        state.attempt = attempt
        guard now - attempt.since >= attempt.patience else { return Step(wait: .milliseconds(100)) }
        state.attempt = Attempt(since: now, patience: min(attempt.patience * 2, terms.timeout / 2))
        return Step(wait: .milliseconds(100), abandon: state.session)
    }

    private func submit(_ renewal: Renewal) {
        let accepted = renewal.port.submit(renewal.operations) { [self] result in
            finished(result, of: renewal)
        }
        if !accepted {
            state.withLockedValue { state in
                state.inFlight = nil
                state.nextAt = Instant.now + .milliseconds(100)
            }
        }
    }

    /// Takes a new connection of the session into account before anything else is concluded from it.
    private func note(_ connection: Connection, _ state: inout State) {
        let terms = LeaseTerms(timeout: connection.negotiatedTimeout, tickTime: state.tickTime)
        let handshake = Instant(nanoseconds: connection.anchor)
        guard state.lease != nil else {
            state.lease = AnchoredLease(
                session: connection.session.rawValue, terms: terms, generation: connection.generation,
                handshake: handshake)
            return
        }
        let before = state.lease?.provenUntil
        state.lease?.reconnected(generation: connection.generation, terms: terms, handshake: handshake)
        guard state.armed, let before, let after = state.lease?.provenUntil, after != before else { return }
        // A shorter timeout than before lowers the deadline at once (lock.md 2.4).
        if after < before { keeper.lower(to: after) } else { keeper.extend(until: after) }
    }

    /// On the ZooKeeper client's thread: the lease's arithmetic, at most one message to the keeper and its ping.
    private func finished(_ result: RenewalResult, of renewal: Renewal) {
        let leadership = renewal.leadership
        let sentAt = Instant(nanoseconds: result.sentAt)
        let acknowledgedAt = Instant(nanoseconds: result.completedAt)
        let armedLockLost: Bool = state.withLockedValue { state in
            // Of a session that another one has followed: generations are counted in each anew.
            guard state.port === renewal.port else { return false }
            state.inFlight = nil
            switch result.result {
            case .success:
                acknowledged(sentAt, acknowledgedAt, result, &state)
                return false
            case .failure(let error):
                guard let leadership else {
                    if error.code == .noNode { state.nodeMissing = true }
                    return false
                }
                guard case .leader(let current) = state.role, current == leadership else { return false }
                return failed(error, &state)
            }
        }
        // `leader` is gone or no longer ours: stop now, not at the deadline (lock.md 4.B).
        if armedLockLost, !state.withLockedValue({ $0.isPaused }) { keeper.fence() }
        keeper.beat()
        guard case .failure = result.result else {
            // The thread sleeps until the next one is due: only one that is late already does not wait for that.
            if state.withLockedValue({ Instant.now >= $0.nextAt }) { work.ring() }
            return
        }
        wakeup.signal(urgent: true)
        work.ring()
    }

    private func acknowledged(
        _ sentAt: Instant, _ acknowledgedAt: Instant, _ result: RenewalResult, _ state: inout State
    ) {
        state.nodeMissing = false
        guard result.isOnOneConnection,
            state.lease?.acknowledged(
                sentAt: sentAt, acknowledgedAt: acknowledgedAt, generation: result.submittedOn) == true,
            state.armed, let end = state.lease?.provenUntil
        else { return }
        keeper.extend(until: end)
    }

    /// Returns true when PostgreSQL has to be stopped at once.
    private func failed(_ error: ZooKeeperError, _ state: inout State) -> Bool {
        guard error.code == .noNode || error.code == .badVersion else { return false }
        switch error.failedOperation {
        case LockTransactions.renewEpochIndex:
            // Nothing moves: the loop reads and adopts, or finds another leader.
            Self.standDown(&state)
            return false
        case LockTransactions.renewLeaderIndex:
            let armed = state.armed
            Self.standDown(&state)
            return armed
        case LockTransactions.renewStatusIndex:
            state.nodeMissing = true
            return false
        default: return false
        }
    }
}
