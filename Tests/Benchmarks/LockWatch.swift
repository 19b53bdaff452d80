import Logging
import Support
import ZooKeeper

/// When the leader's lock vanished, seen by watches of the benchmark's own.
///
/// One session to each server, since one server may die with the node: the first that hears of it counts.
final class LockWatch: Sendable {
    private let sessions: [ZooKeeperSession]
    private let readers: [Task<Void, Never>]
    private let vanished: Locked<Moment?>

    /// - Parameter hosts: servers that stay alive.
    init(_ hosts: [String], scope: String) async throws {
        let (path, vanished) = (try ZNodePath("/service/\(scope)/leader"), Locked<Moment?>(nil))
        var sessions: [ZooKeeperSession] = []
        do {
            for host in hosts { sessions.append(try await Self.watching(path, at: host)) }
        } catch {
            for session in sessions { await session.close() }
            throw error
        }
        self.vanished = vanished
        self.sessions = sessions
        readers = sessions.map { session in
            Task {
                for await event in session.events where event == .node(.deleted, path) {
                    let now = Moment.now
                    vanished.withLock { $0 = $0 ?? now }
                }
            }
        }
    }

    private static func watching(_ path: ZNodePath, at host: String) async throws -> ZooKeeperSession {
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        let session = try await ZooKeeperSession.open(
            ZooKeeperConfiguration(hosts: try ZooKeeperHosts(host), timeout: BenchCluster.sessionTimeout),
            logger: logger)
        do {
            try await session.connected(deadline: .seconds(5))
            guard try await session.exists(path, watch: true, deadline: .seconds(5)) != nil else {
                throw SupportError("there is no \(path) to watch")
            }
            return session
        } catch {
            await session.close()
            throw error
        }
    }

    /// - Throws: `SupportError` when no watch has fired.
    func time() throws -> Moment {
        guard let time = vanished.withLock({ $0 }) else { throw SupportError("no watch saw the lock vanish") }
        return time
    }

    func close() async {
        for session in sessions { await session.close() }
        for reader in readers { await reader.value }
    }
}
