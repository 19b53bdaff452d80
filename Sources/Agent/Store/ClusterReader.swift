import AdminModel
import HACore
import LocalConfiguration
import Logging
import NIOConcurrencyHelpers
import ZooKeeper

/// One consistent read of the tree, which also sets all watches anew.
struct ClusterReader: Sendable {
    let layout: ZNodeLayout
    private let question: TreeQuestion
    private let lastGood: LastGood
    private let last = NIOLockedValueBox<TreeSnapshot?>(nil)

    /// - Parameter changes: nil: everything is read each time.
    init(layout: ZNodeLayout, logger: Logger, changes: (@Sendable () -> TreeChanges)? = nil) {
        self.init(question: TreeQuestion(layout: layout, changes: changes), logger: logger)
    }

    init(question: TreeQuestion, logger: Logger) {
        layout = question.layout
        self.question = question
        lastGood = LastGood(logger: logger)
    }

    private struct Member: Sendable {
        var name: MemberID
        var record: MemberRecord
        var session: Int64?
    }

    /// - Parameter deadline: for each of at most two round trips.
    /// - Throws: `ZooKeeperError` when any read fails: nothing is concluded from half a tree.
    func read(_ session: ZooKeeperSession, deadline: Duration) async throws(ZooKeeperError) -> TreeSnapshot {
        if let readAt = question.standing(session), var tree = last.withLockedValue({ $0 }) {
            tree.view.readAt = readAt
            return tree
        }
        let tree = try await readAnew(session, deadline: deadline)
        last.withLockedValue { $0 = tree }
        return tree
    }

    private func readAnew(_ session: ZooKeeperSession, deadline: Duration) async throws(ZooKeeperError) -> TreeSnapshot
    {
        let readAt = Instant.now
        guard let connection = session.connection else { throw ZooKeeperError(.connectionLoss, outcome: .didNotHappen) }
        let tree = try await question.ask(session, deadline: deadline) { name, tree in
            // What a synchronous standby says of itself, the leader acts on at once, like what the leader says.
            let name = MemberID(name)
            return tree[layout.leader].map { Self.name($0.data) } == name || syncRecord(tree).isStandby(name)
        }
        let sync = syncRecord(tree)
        let members = tree.children(layout.members).compactMap { path in tree[path].map { member(path, $0) } }
            .sorted { $0.name < $1.name }

        var view = StoreView(session: connection.session.rawValue, readAt: readAt)
        view.leader = tree[layout.leader].flatMap { data, stat in
            data.isEmpty
                ? nil
                : StoreView.Leader(
                    member: Self.name(data), term: Term(stat.czxid), session: stat.ephemeralOwner?.rawValue ?? 0,
                    version: Int64(stat.version.rawValue))
        }
        view.epoch = tree[layout.epoch].map { data, stat in
            StoreView.Epoch(
                version: Int64(stat.version.rawValue), zxid: stat.mzxid, holder: EpochRecord(znode: data).holder)
        }
        view.initialize = Self.initialize(tree[layout.initialize], isAtWork: tree.stat(layout.bootstrap) != nil)
        for member in members {
            guard let session = member.session else { continue }
            view.members[member.name] = MemberView(member.record, session: session)
            // What no version of a znode can be was not read off one.
            if let epoch = member.record.matriarch?.epoch, epoch <= Int64(Int32.max) {
                view.highestEpochVersion = max(view.highestEpochVersion, epoch)
            }
        }
        view.livingSessions = Set(members.compactMap(\.session)).union(
            tree.children(layout.leases).compactMap { tree.stat($0)?.ephemeralOwner?.rawValue })

        let status = tree[layout.status].flatMap { found in
            lastGood.read(layout.status, found.data, found.stat) { StatusRecord(json: try JSONParser.parse($0)) }
        }
        let history = tree[layout.history].flatMap { found in
            lastGood.read(layout.history, found.data, found.stat) { HistoryRecord(json: try JSONParser.parse($0)) }
        }
        let config = tree[layout.config].flatMap { found in
            lastGood.read(layout.config, found.data, found.stat) { data -> (object: JSONObject, zxid: Int64) in
                guard let object = try JSONParser.parse(data).asObject else { throw NotAnObject() }
                return (object, found.stat.mzxid)
            }
        }
        let failover = tree[layout.failover].flatMap { found in
            lastGood.read(layout.failover, found.data, found.stat) {
                let record = try FailoverRecord(znode: $0)
                // Without its time it would be carried out now.
                if record.scheduledAt != nil, record.moment == nil { throw NotAMoment() }
                return record
            }
        }
        let reserved = tree[layout.timeline].flatMap { found in
            lastGood.read(layout.timeline, found.data, found.stat) { data in
                guard let number = UInt32(String(decoding: data.prefix(16), as: UTF8.self)) else { throw NotANumber() }
                return Timeline(number)
            }
        }
        let configStat = tree[layout.config]?.stat
        view.hasConfig = config != nil
        view.optime = status?.optime
        view.historyTimeline = history?.clusterTimeline
        view.sync = StoreView.Sync(
            leader: sync.leader, standbys: Set(sync.standbys),
            version: tree[layout.sync].map { Int64($0.stat.version.rawValue) })
        if let failover, !failover.isEmpty, let stat = tree[layout.failover]?.stat {
            view.request = StoreView.Request(
                leader: failover.leader, candidate: failover.candidate,
                dueAt: failover.moment.map { Instant.now + ($0 - MomentText.now) },
                version: Int64(stat.version.rawValue), isFulfilled: failover.isFulfilled)
        }
        return TreeSnapshot(
            view: view, members: members.map { ($0.name, $0.record) }, config: config?.object,
            configZxid: configStat?.mzxid,
            // Whoever changes it expects what was read of it.
            configVersion: config?.zxid == configStat?.mzxid ? configStat?.version : nil, status: status, sync: sync,
            history: history, failover: failover ?? FailoverRecord(),
            failoverVersion: tree[layout.failover]?.stat.version, reservedTimeline: reserved)
    }

    private func syncRecord(_ tree: TreeAnswers) -> SyncRecord {
        tree[layout.sync].flatMap { found in
            lastGood.read(layout.sync, found.data, found.stat) { SyncRecord(json: try JSONParser.parse($0)) }
        } ?? .off
    }

    private func member(_ path: ZNodePath, _ found: (data: [UInt8], stat: ZNodeStat)) -> Member {
        let record = lastGood.read(path, found.data, found.stat) { try MemberRecord(znode: $0) } ?? MemberRecord()
        return Member(
            name: MemberID(path.name), record: record, session: found.stat.ephemeralOwner?.rawValue)
    }

    private static func name(_ data: [UInt8]) -> MemberID { MemberID(String(decoding: data, as: UTF8.self)) }

    private static func initialize(_ found: (data: [UInt8], stat: ZNodeStat)?, isAtWork: Bool) -> StoreView.Initialize {
        guard let (data, stat) = found else { return .absent }
        // Created and set once in one transaction: ours. A Patroni's is left to Patroni.
        if data.isEmpty { return stat.version == LockTransactions.mark && !isAtWork ? .abandoned : .inProgress }
        let text = String(decoding: data.prefix(64), as: UTF8.self)
        return SystemIdentifier(text).map { .done($0) } ?? .invalid(text)
    }
}

/// A document that parses and is not what its key asks for.
private struct NotAnObject: Error, CustomStringConvertible {
    var description: String { "not a JSON object" }
}

/// A znode that holds one number and nothing else.
private struct NotANumber: Error, CustomStringConvertible {
    var description: String { "not a number" }
}

/// A time that cannot be read, or has no offset.
private struct NotAMoment: Error, CustomStringConvertible {
    var description: String { "scheduled_at is no ISO 8601 time with an offset" }
}

extension MemberView {
    /// What a member's record says, in the core's terms.
    init(_ record: MemberRecord, session: Int64) {
        self.init(
            session: session, reachable: record.apiURL != nil,
            isPrimary: record.role == .primary && record.state == .running,
            isRunning: record.state == .running, nofailover: record.tags.nofailover, clonefrom: record.tags.clonefrom,
            nosync: record.tags.nosync, syncPriority: record.tags.syncPriority,
            failoverPriority: record.tags.failoverPriority,
            replicatefrom: record.tags.replicatefrom.map { MemberID($0) }, nostream: record.tags.nostream,
            timeline: record.timeline, position: record.walPosition,
            checkpointPending: record.checkpointAfterPromote == false,
            kept: record.matriarch?.keeper == .attached)
    }
}
