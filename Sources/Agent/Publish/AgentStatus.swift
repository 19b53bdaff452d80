public import AdminModel
public import HACore
import NIOConcurrencyHelpers
public import PostgresControl

/// What the agent knows, as one immutable value for the doors (REST): no lock, no SQL, no ZooKeeper behind it.
public struct AgentStatus: Sendable {
    public var scope: String
    public var name: MemberID
    /// `state` and `role` as the member's record shows them (contract/patroni.md 1.3.1, 1.3.2).
    public var state: MemberState
    public var role: MemberRole
    public var local: LocalPostgres?
    public var systemIdentifier: SystemIdentifier?
    /// The last read of the tree, however old; see `treeIsFresh`.
    public var tree: TreeSnapshot?
    /// Epoch seconds of the last successful read; 0 if never.
    public var dcsLastSeen: Int
    public var configuredTags: JSONObject
    public var tags: Tags
    public var dynamic: DynamicConfig
    /// T of the present session in ms; nil without one.
    public var sessionTimeout: Int64?
    public var term: Term?
    public var epochVersion: Int64?
    public var rule: RuleID
    public var reason: String
    /// When the loop last looked.
    public var lookedAt: Instant
    /// A new cluster is being made: `/primary` stays 503 until it is done.
    public var isBootstrapping: Bool
    /// Slots of a mesh that have lost what they need, and are kept nevertheless.
    public var lostSlots: [String] = []
    /// Slots of a mesh with which peers could go on after a promotion here; nil: in no mesh.
    public var usableSlots: Int?
    /// The effect that is carried out, by its name.
    public var running: String?
    public var pendingRestart: [MemberRecord.PendingChange]
    /// The request as it was stored.
    public var scheduledRestart: JSONObject?
    /// When this process last saw a promotion end; nil before the first.
    public var promotedAt: Instant?
    /// Counts what was posted: another number, another status.
    public internal(set) var number = 0

    /// The tree was read within `ttl`: what health checks may rely on.
    public func treeIsFresh(at now: Instant) -> Bool {
        guard let tree else { return false }
        return now - tree.view.readAt < .seconds(dynamic.values.ttl)
    }
}

/// Where the loop puts its status and the doors read it, with what they need afresh.
public final class StatusBoard: Sendable {
    private let state = NIOLockedValueBox<AgentStatus?>(nil)
    private let server: @Sendable (_ maxAge: Duration, _ deadline: Duration) async -> ServerStatus?
    private let read: @Sendable () async throws -> TreeSnapshot
    private let servesWrites: @Sendable (Instant) -> Bool
    private let readLogBacklog: @Sendable () -> (waiting: Int, lost: Int)
    private let readVitals: @Sendable () -> Vitals
    /// What is known of the mesh.
    public let mesh: MeshBoard

    /// - Parameters:
    ///   - server: asks the local PostgreSQL, single flight; nil when it does not answer in time or does not run.
    ///   - read: reads the tree afresh.
    ///   - servesWrites: the lock is proved ours with more lease left than the early stop.
    ///   - logBacklog: lines of the log that wait to be written, and those that were lost and not spoken of yet.
    ///   - vitals: what `/metrics` shows of this moment.
    public init(
        server: @escaping @Sendable (_ maxAge: Duration, _ deadline: Duration) async -> ServerStatus?,
        read: @escaping @Sendable () async throws -> TreeSnapshot,
        servesWrites: @escaping @Sendable (Instant) -> Bool,
        logBacklog: @escaping @Sendable () -> (waiting: Int, lost: Int),
        vitals: @escaping @Sendable () -> Vitals, mesh: MeshBoard = MeshBoard()
    ) {
        self.server = server
        self.read = read
        self.servesWrites = servesWrites
        readLogBacklog = logBacklog
        readVitals = vitals
        self.mesh = mesh
    }

    /// Nil until the loop has looked once.
    public var status: AgentStatus? { state.withLockedValue { $0 } }

    /// The loop's side.
    public func post(_ status: AgentStatus) {
        state.withLockedValue { state in
            let number = (state?.number ?? 0) + 1
            state = status
            state?.number = number
        }
    }

    /// What the local PostgreSQL says, at most `maxAge` old.
    public func serverStatus(maxAge: Duration, deadline: Duration) async -> ServerStatus? {
        await server(maxAge, deadline)
    }

    /// A fresh read of the tree, as `/cluster` and `/history` want.
    public func freshTree() async throws -> TreeSnapshot { try await read() }

    /// The lock is held and proved by acknowledged writes with more left than the early stop (rulings, Lock 5).
    public func holdsProvedLock(at now: Instant) -> Bool { servesWrites(now) }

    /// Lines of the log that wait to be written, and those that were lost and not spoken of yet.
    public var logBacklog: (waiting: Int, lost: Int) { readLogBacklog() }

    /// What changes between two looks; gathered anew each time.
    public var vitals: Vitals { readVitals() }
}

extension Instant {
    /// CLOCK_BOOTTIME's now, for the doors.
    public static var current: Instant { now }
}
