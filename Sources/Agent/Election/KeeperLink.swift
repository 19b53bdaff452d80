import Glibc
import HACore
import Logging
import NIOConcurrencyHelpers
import PostgresControl
import SystemPackage

/// The agent's one connection to the keeper, replaced when a keeper had to be started anew.
///
/// What the lease path needs of it (extend, lower, fence) never waits.
final class KeeperLink: Sendable {
    private struct State {
        var client: KeeperClient?
        var status: KeeperStatus?
        /// Since when the status stands, if the client has seen no change since; nil: not of this client.
        var standing: (at: Instant, changes: UInt64)?
        /// The last ping was not answered.
        var isSilent = false
    }

    let runtime: RuntimeFolder
    private let binary: FilePath
    private let dataDirectory: FilePath
    private let member: MemberID
    private let wakeup: Wakeup
    private let counts: EventCounts
    private let logger: Logger
    private let state = NIOLockedValueBox(State())

    init(
        runtime: RuntimeFolder, binary: FilePath, dataDirectory: FilePath, member: MemberID, wakeup: Wakeup,
        counts: EventCounts, logger: Logger
    ) {
        self.runtime = runtime
        self.binary = binary
        self.dataDirectory = dataDirectory
        self.member = member
        self.wakeup = wakeup
        self.counts = counts
        self.logger = logger
    }

    /// Attaches to the keeper of this data directory, starting one if none lives, and stays attached until cancelled.
    /// - Parameters:
    ///   - patience: how long a member without a keeper may hold up the others.
    ///   - attached: called each time that a keeper has confirmed: no other agent that it knew of lives.
    ///   - hopeless: called when none could be attached to for that long.
    func run(
        patience: @Sendable () -> Duration, attached: @escaping @Sendable () async -> Void = {},
        hopeless: @Sendable () -> Void
    ) async {
        var complaint = ""
        var failingSince: Instant?
        while !Task.isCancelled {
            do {
                let client = try await KeeperClient.attach(
                    runtime: runtime, binary: binary, dataDirectory: dataDirectory, member: member.rawValue,
                    deadline: .seconds(10), logger: logger)
                state.withLockedValue { state in
                    state.client = client
                    state.standing = nil
                    state.isSilent = false
                }
                complaint = ""
                failingSince = nil
                wakeup.signal(urgent: true)
                await attached()
                await withTaskGroup { group in
                    group.addTask { await self.consume(client) }
                    group.addTask { await self.watch(client) }
                    await group.next()
                    group.cancelAll()
                }
                state.withLockedValue { $0.client = nil }
                client.close()
                if Task.isCancelled { return }
                logger.warning("the keeper is gone, starting another", metadata: ["pid": "\(client.keeperPID)"])
            } catch {
                let text = "\(error)"
                logger.log(level: text == complaint ? .debug : .error, "cannot attach to the keeper: \(text)")
                complaint = text
                let since = failingSince ?? Instant.now
                failingSince = since
                if Instant.now - since > patience() {
                    logger.critical("no keeper for \(patience()): ending, so that another member can lead")
                    hopeless()
                }
            }
            wakeup.signal(urgent: true)
            try? await Task.sleep(for: .milliseconds(200), clock: .continuous)
        }
    }

    private func consume(_ client: KeeperClient) async {
        for await event in client.events {
            counts.note(event)
            switch event {
            case .postmasterExited(let status):
                let end = WaitStatus(rawValue: status)
                logger.log(level: end.exitCode == 0 ? .info : .warning, "PostgreSQL ended: \(end)")
            case .fenced(let lateBy, let why):
                logger.critical(
                    "the keeper stopped PostgreSQL at once (\(why)), \(lateBy.milliseconds) ms after it was due")
            case .promoteFailed(let reason): logger.error("promotion failed: \(reason)")
            case .empty, .promoted, .toolEnded: break
            case .closed: return
            }
            wakeup.signal(urgent: true)
        }
    }

    /// A keeper that does not answer enforces nothing: it is killed, and so is PostgreSQL (rulings, Lock 9). Not one that
    /// is held up: it would not die before it can answer again.
    private func watch(_ client: KeeperClient) async {
        for await _ in await client.missedBeats() {
            guard await judge(client) else { return }
        }
    }

    /// A ping was not answered in time: asks once more, and each second for as long as the keeper is held up.
    /// - Returns: false when it is not to be watched any more.
    private func judge(_ client: KeeperClient) async -> Bool {
        let metadata: Logger.Metadata = ["pid": "\(client.keeperPID)"]
        var last: KeeperSilence?
        while true {
            let silence: KeeperSilence?
            do { silence = try await client.silence(pings: last == nil ? 1 : 2) } catch { return false }
            if Task.isCancelled { return false }
            state.withLockedValue { $0.isSilent = silence != nil }
            switch silence {
            case nil:
                if last != nil { logger.notice("the keeper answers again", metadata: metadata) }
                return true
            case .isItsOwn:
                logger.critical("the keeper does not answer, killing it", metadata: metadata)
                kill(client.keeperPID, SIGKILL)
                return false
            case let cause?:
                if last != cause { logger.error("the keeper does not answer: \(cause)", metadata: metadata) }
            }
            last = silence
            try? await Task.sleep(for: .seconds(1), clock: .continuous)
        }
    }

    /// Leaves the keeper, which ends by itself once PostgreSQL is gone.
    func close() { state.withLockedValue { $0.client }?.close() }

    // MARK: The lease path

    func extend(until end: Instant) {
        state.withLockedValue { state in
            // What it was told holds for what it said, unless it has fenced: that is an event.
            guard state.client?.extend(until: end) == true, let before = state.status?.armedUntil else { return }
            state.status?.armedUntil = max(before, end)
        }
    }

    func lower(to end: Instant) { _ = state.withLockedValue { $0.client }?.lower(to: end) }
    func fence() { _ = state.withLockedValue { $0.client }?.fence() }
    func beat() { state.withLockedValue { $0.client }?.beat() }

    // MARK: The loop

    /// The attached client; throws while there is none.
    func client() throws(KeeperError) -> KeeperClient {
        guard let client = state.withLockedValue({ $0.client }) else {
            throw KeeperError(.closed, outcome: .didNotHappen, "no keeper is attached")
        }
        return client
    }

    /// The keeper's state as it says itself; nil when it does not answer in time.
    /// - Parameter maxAge: an older answer than this is not given; nor is one of before an event or a command, or of a
    ///   keeper without a postmaster.
    func status(maxAge: Duration = .zero) async -> KeeperStatus? {
        guard let client = try? client() else { return nil }
        let (now, changes) = (Instant.now, client.changes)
        let standing = state.withLockedValue { state -> KeeperStatus? in
            guard let since = state.standing, since.changes == changes, now - since.at < maxAge, !state.isSilent,
                state.status?.postmasterPID != nil
            else { return nil }
            return state.status
        }
        if let standing { return standing }
        guard let status = try? await client.status(deadline: .milliseconds(500)) else { return nil }
        state.withLockedValue { state in
            state.status = status
            state.standing = state.client === client ? (now, changes) : nil
        }
        counts.note(status)
        return status
    }

    /// The keeper that is attached.
    var identity: KeeperIdentity? { state.withLockedValue { $0.client }?.identity }

    /// A keeper is attached and answered the last ping; at most 1.7 s old.
    var answers: Bool { state.withLockedValue { $0.client != nil && !$0.isSilent } }

    /// The last status that was read.
    var lastStatus: KeeperStatus? { state.withLockedValue { $0.status } }
}
