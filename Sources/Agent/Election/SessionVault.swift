import HACore
import Logging
import PostgresControl
import ZooKeeper

/// Leaves the session to the next process of this member, and takes up what the one before has left (lock.md 6).
///
/// Only for a process that is known to be the only one: its keeper has confirmed it, and `agent.lock` is its own.
actor SessionVault {
    private let file: SessionFile
    private let base: String
    private let member: MemberID
    /// The keeper that is attached now.
    private let keeper: @Sendable () -> KeeperIdentity?
    private let logger: Logger
    private var kept: SessionTicket?
    private var isClosed = false

    init(
        file: SessionFile, base: ZNodePath, member: MemberID, keeper: @escaping @Sendable () -> KeeperIdentity?,
        logger: Logger
    ) {
        self.file = file
        self.base = base.description
        self.member = member
        self.keeper = keeper
        self.logger = logger
    }

    private var place: SessionTicket.Place? {
        guard let boot = SessionTicket.Place.currentBoot(), let keeper = keeper() else { return nil }
        return SessionTicket.Place(boot: boot, base: base, member: member, keeper: keeper)
    }

    /// The session of the process before; nil when there is none, or anything is not as it was.
    /// - Parameter timeout: the one that would be asked for: with another, a session is not taken up.
    func take(timeout: Duration) async -> (credentials: SessionCredentials, tickTime: Duration?)? {
        do throws(PostgresControlError) {
            guard let text = try await file.read() else { return nil }
            guard let ticket = SessionTicket(text: text), let place else {
                logger.warning("\(file.path) is not understood, opening a new ZooKeeper session")
                return nil
            }
            guard ticket.place == place, ticket.credentials.requestedTimeout == timeout else {
                logger.info(
                    "the ZooKeeper session of the process before is left: it belongs to another boot, cluster, member, keeper or ttl"
                )
                return nil
            }
            kept = ticket
            return (ticket.credentials, ticket.tickTime)
        } catch {
            logger.warning("the ZooKeeper session of the process before is left: \(error)")
            return nil
        }
    }

    /// Writes the session down when it is another than the one that stands there.
    func keep(_ credentials: SessionCredentials, tickTime: Duration? = nil) async {
        guard !isClosed, let place else { return }
        let ticket = SessionTicket(credentials, place, tickTime: tickTime)
        guard ticket != kept else { return }
        kept = ticket
        do throws(PostgresControlError) {
            try await file.write(ticket.text)
        } catch {
            // The next process then moves the lock to a session of its own.
            logger.warning("cannot keep the ZooKeeper session for a restart of the agent: \(error)")
            if kept == ticket { kept = nil }
        }
    }

    /// Before the session is closed: a process that is killed in between must not leave it to a successor, under whose
    /// feet it would then end (lock.md 6, rule 3).
    /// - Returns: false when the file could not be removed: the session must not be closed then.
    func discard() async -> Bool {
        isClosed = true
        do throws(PostgresControlError) {
            try await file.remove()
            return true
        } catch {
            logger.error("the ZooKeeper session is left to its timeout: \(error)")
            return false
        }
    }
}
