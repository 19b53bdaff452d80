import AdminModel
import LocalConfiguration
import HACore
import Logging
import Support
import Testing
import ZooKeeper

@testable import Agent

/// A server that the suites share which never stop or freeze it; each test has a tree of its own.
enum SharedZooKeeper {
    private static let server = Task { try await ZooKeeperServer.standalone() }
    private static let trees = Locked(0)

    static func host() async throws -> String { try await server.value.host }

    /// An address of its own for a session that a lease guard renews: a guard that looks for another server shuts all
    /// sockets of this process to the one it had.
    static func ownHost(of server: ZooKeeperServer? = nil) async throws -> String {
        "127.0.0.1:\(try await wire(to: server).port)"
    }

    static func wire(to server: ZooKeeperServer? = nil) async throws -> Wire {
        let port: UInt16
        if let server { port = server.port } else { port = try await self.server.value.port }
        return try Wire(to: port)
    }

    static func layout() throws -> ZNodeLayout {
        let number = trees.withLock { count in
            count += 1
            return count
        }
        return try ZNodeLayout(namespace: "test", scope: "tree\(number)")
    }
}

/// A deadline that no healthy request reaches.
let patience = Duration.seconds(10)

/// Keeps the lines that a part says.
struct LogCollector: LogHandler {
    let lines = Locked<[String]>([])
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.withLock { $0.append("\(event.level): \(event.message)") } }

    var logger: Logger { Logger(label: "test", factory: { _ in self }) }
    func count(_ text: String) -> Int { lines.withLock { $0 }.count { $0.contains(text) } }
}

let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

func configuration(_ host: String, timeout: Duration = .seconds(4)) throws -> ZooKeeperConfiguration {
    ZooKeeperConfiguration(hosts: try ZooKeeperHosts(host), timeout: timeout)
}

/// Runs a test with a connected session of its own.
func withSession<Value>(
    _ host: String, timeout: Duration = .seconds(4), _ body: (ZooKeeperSession) async throws -> Value
) async throws -> Value {
    let session = try await ZooKeeperSession.open(try configuration(host, timeout: timeout), logger: silent)
    do {
        try await session.connected(deadline: patience)
        let value = try await body(session)
        await session.close()
        return value
    } catch {
        await session.close()
        throw error
    }
}

extension ZooKeeperSession {
    nonisolated var id: SessionID {
        get throws { try #require(credentials).session }
    }

    func put(_ path: ZNodePath, _ text: String, _ mode: CreateMode = .persistent) async throws {
        try await put(path, Array(text.utf8), mode)
    }

    /// Creates the znode with its parents, or sets it.
    func put(_ path: ZNodePath, _ data: [UInt8], _ mode: CreateMode = .persistent) async throws {
        if let parent = path.parent { try await createParents(parent, deadline: patience) }
        do throws(ZooKeeperError) {
            try await create(path, data, mode: mode, deadline: patience)
        } catch  where error.code == .nodeExists {
            try await set(path, data, expecting: .any, deadline: patience)
        }
    }

    func text(_ path: ZNodePath) async throws -> String? {
        try await get(path, deadline: patience).map { String(decoding: $0.data, as: UTF8.self) }
    }

    func remove(_ path: ZNodePath) async throws { try await delete(path, expecting: .any, deadline: patience) }

    /// With everything below it, as people remove a tree.
    func removeAll(_ path: ZNodePath) async throws {
        for name in try await children(path, deadline: patience) ?? [] { try await removeAll(path.child(name)) }
        try await remove(path)
    }

    /// What the transactions of a lock need: `epoch`, `status`, `sync`, and the parents.
    func prepare(_ layout: ZNodeLayout) async throws {
        for parent in [layout.members, layout.leases] { try await createParents(parent, deadline: patience) }
        for path in [layout.status, layout.sync] { try await put(path, "{}") }
        try await multi(LockTransactions(layout: layout, me: "anybody").createEpoch(above: 0), deadline: patience)
    }
}

/// The error of a request that must fail.
func failure(_ body: () async throws -> Void) async throws -> ZooKeeperError {
    do {
        try await body()
    } catch let error as ZooKeeperError {
        return error
    }
    throw SupportError("it did not fail")
}
