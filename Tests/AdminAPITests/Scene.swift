import AdminModel
import LocalConfiguration
import HACore
import LibPQ
import ZooKeeper

@testable import AdminAPI
@testable import Agent
@testable import PostgresControl

/// One moment of a member, to be changed by a test where it matters.
struct Scene: Sendable {
    static let now = Instant(nanoseconds: 1_000_000_000_000)
    static let primaryName: MemberID = "node-0"
    static let replicaName: MemberID = "node-1"

    var status: AgentStatus
    var server: ServerStatus?
    var holdsLock: Bool
    var now = Scene.now
    var vitals = Vitals(provenUntil: Scene.now + .milliseconds(25_250), keeperAnswers: true)

    var view: HealthView {
        HealthView(
            status: status, server: server, holdsLock: holdsLock, now: now, startedAt: Self.now - .seconds(1000))
    }

    static func primary(config: JSONObject = [:]) -> Scene {
        Scene(
            status: status(primaryName, .primary, config),
            server: server(
                SQLStatus(
                    at: now - .milliseconds(5), inRecovery: false, timeline: Timeline(1), written: LSN(67_109_064))),
            holdsLock: true)
    }

    static func replica(config: JSONObject = [:]) -> Scene {
        var server = server(
            SQLStatus(
                at: now - .milliseconds(5), inRecovery: true, timeline: Timeline(1), received: LSN(67_109_000),
                replayed: LSN(67_108_000), streaming: true, upstream: "127.0.0.1:25430"))
        server.receiver = ServerStatus.Receiver(
            status: "streaming", senderHost: "127.0.0.1", senderPort: 25430, receivedTimeline: Timeline(1),
            writtenLSN: LSN(67_109_000), latestEndLSN: LSN(67_109_064), slotName: "node_1")
        return Scene(status: status(replicaName, .replica, config), server: server, holdsLock: false)
    }

    /// The tree of a cluster of two, as both members see it.
    static func tree(config: JSONObject) -> TreeSnapshot {
        var view = StoreView(session: 1, readAt: now - .seconds(1))
        view.leader = StoreView.Leader(member: primaryName, term: Term(4_294_967_301), session: 1, version: 1)
        return TreeSnapshot(
            view: view, members: [(primaryName, record(0)), (replicaName, record(1))], config: config, configZxid: 7,
            configVersion: Version(rawValue: 3), status: StatusRecord(optime: LSN(67_109_064)), sync: .off,
            history: nil,
            failover: FailoverRecord())
    }

    private static func record(_ number: Int) -> MemberRecord {
        var record = MemberRecord()
        record.connURL = "postgres://127.0.0.1:2543\(number)/postgres"
        record.apiURL = "http://127.0.0.1:2800\(number)/patroni"
        record.state = .running
        record.role = number == 0 ? .primary : .replica
        record.version = "4.1.5"
        record.tags = Tags(["custom": .string("x\(number)")])
        record.walPosition = number == 0 ? LSN(67_109_064) : LSN(67_109_000)
        record.timeline = Timeline(1)
        if number == 1 {
            record.receiveLSN = LSN(67_109_000)
            record.replayLSN = LSN(67_108_000)
            record.replicationState = "streaming"
        }
        return record
    }

    private static func status(_ name: MemberID, _ role: MemberRole, _ config: JSONObject) -> AgentStatus {
        let control = ControlFile(
            systemIdentifier: SystemIdentifier(rawValue: "7710451765082907510"),
            state: role == .primary ? .inProduction : .inArchiveRecovery, timeline: Timeline(1),
            checkpoint: LSN(67_000_000), redo: LSN(67_000_000))
        var local = LocalPostgres(
            directory: .ready(control), process: .running(as: role == .primary ? .primary : .standby))
        local.startedAt = now - .seconds(100)
        local.sql = SQLStatus(
            at: now - .seconds(1), inRecovery: role != .primary, timeline: Timeline(1), streaming: role != .primary)
        let isPrimary = role == .primary
        return AgentStatus(
            scope: "gold", name: name, state: .running, role: role, local: local,
            systemIdentifier: control.systemIdentifier, tree: tree(config: config), dcsLastSeen: 1_795_229_517,
            configuredTags: ["custom": "x", "weight": 1.4, "spare": true, "nofailover": false],
            tags: Tags(["custom": "x", "weight": 1.4, "spare": true]), dynamic: dynamic(config), sessionTimeout: 30_000,
            term: isPrimary ? Term(4_294_967_301) : nil, epochVersion: isPrimary ? 3 : nil,
            rule: isPrimary ? "leader.steady" : "replica.follow",
            reason: isPrimary ? "no action. I am (node-0), the leader with the lock" : "no action. I am (node-1)",
            lookedAt: now - .seconds(1), isBootstrapping: false, pendingRestart: [])
    }

    static func dynamic(_ document: JSONObject, last: JSONObject? = nil) -> DynamicConfig {
        let account = LocalPostgresConfig.Account()
        return DynamicConfig(
            document: document, last: last,
            local: LocalPostgresConfig(
                listen: HostPort(host: "127.0.0.1", port: 5432), dataDir: "/data", configDir: "/data",
                pgpass: "/tmp/pgpass", superuser: account, replication: account, settings: PostgresSettings(),
                section: [:]))
    }

    private static func server(_ sql: SQLStatus) -> ServerStatus {
        ServerStatus(
            sql: sql, systemIdentifier: SystemIdentifier(rawValue: "7710451765082907510"), serverVersion: 150_020,
            postmasterStartTime: "2026-11-21 02:50:49.684824+00:00", postmasterStartEpoch: 1_795_229_449.684824,
            receiver: nil, lastReceivedLSN: nil, replayTimestamp: nil, replayTimestampEpoch: nil, replayPaused: false,
            replication: [], settings: ["restore_command": ""], primaryConninfo: Secret(""))
    }
}
