import Logging
import Support
import ZooKeeper

/// A session with all that it was told, closed at the end of its test.
final class Witness: Sendable {
    let session: ZooKeeperSession
    private let seen = Locked<[SessionEvent]>([])
    private let reader: Task<Void, Never>

    var events: [SessionEvent] { seen.withLock { $0 } }
    var nodeEvents: [SessionEvent] {
        events.filter { if case .node = $0 { true } else { false } }
    }
    /// How often a server accepted the session.
    var connects: Int { events.count { if case .connected = $0 { true } else { false } } }

    init(_ session: ZooKeeperSession) {
        self.session = session
        reader = Task { [seen] in for await event in session.events { seen.withLock { $0.append(event) } } }
    }

    /// Closes the session and waits for the end of its events.
    func close() async {
        await session.close()
        await reader.value
    }

    func saw(_ event: SessionEvent, within deadline: Duration = .seconds(10)) async throws {
        try await eventually("the event \(event)", within: deadline) { events.contains(event) }
    }
}

/// Runs a test with a session on these hosts, connected unless `waits` is false.
func withSession<Value>(
    _ hosts: String, timeout: Duration = .seconds(4), authentication: [ZooKeeperConfiguration.Authentication] = [],
    access: AccessControl = .open, resuming: SessionCredentials? = nil, waits: Bool = true,
    _ body: (Witness) async throws -> Value
) async throws -> Value {
    let configuration = ZooKeeperConfiguration(
        hosts: try ZooKeeperHosts(hosts), timeout: timeout, authentication: authentication, accessControl: access)
    let witness = Witness(
        try await ZooKeeperSession.open(configuration, resuming: resuming, logger: Logger(label: "test")))
    do {
        if waits { try await witness.session.connected(deadline: .seconds(10)) }
        let value = try await body(witness)
        await witness.close()
        return value
    } catch {
        await witness.close()
        throw error
    }
}

/// The error of a request that must fail.
func failure(_ body: () async throws -> Void) async -> ZooKeeperError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? ZooKeeperError
    }
}

/// A server that the suites share which never stop or freeze it; each test has a folder of its own.
enum Shared {
    private static let server = Task { try await ZooKeeperServer.standalone() }
    private static let trio = Task { try await ZooKeeperEnsemble.start() }

    static func standalone() async throws -> ZooKeeperServer { try await server.value }
    static func ensemble() async throws -> ZooKeeperEnsemble { try await trio.value }
}

/// A deadline that no healthy request reaches.
let patience = Duration.seconds(10)
