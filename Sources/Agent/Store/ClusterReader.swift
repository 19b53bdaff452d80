import AdminModel
import HACore
import LocalConfiguration
import Logging
import ZooKeeper

/// One consistent read of the tree, which also sets all watches anew.
struct ClusterReader: Sendable {
    let layout: ZNodeLayout
    private let lastGood: LastGood

    init(layout: ZNodeLayout, logger: Logger) {
        self.layout = layout
        lastGood = LastGood(logger: logger)
    }

    private struct Member: Sendable {
        var name: MemberID
        var record: MemberRecord
        var session: Int64?
    }

    /// - Parameter deadline: for each of the three round trips.
    /// - Throws: `ZooKeeperError` when any read fails: nothing is concluded from half a tree.
    func read(_ session: ZooKeeperSession, deadline: Duration) async throws(ZooKeeperError) -> TreeSnapshot {
        let readAt = Instant.now
        guard let connection = session.connection else { throw ZooKeeperError(.connectionLoss, outcome: .didNotHappen) }
        // `leader` first: sessions that are read after it and are gone prove its absence (lock.md M2).
        let leader = try await getOrWatch(layout.leader, session, deadline)
        let top = try await readTop(session, deadline)
        let sync =
            top.sync.flatMap { found in
                lastGood.read(layout.sync, found.data, found.stat) { SyncRecord(json: try JSONParser.parse($0)) }
            } ?? .off
        let (members, leaseOwners) = try await readMembers(session, top, deadline) { name in
            // What a synchronous standby says of itself, the leader acts on at once, like what the leader says.
            leader.map { Self.name($0.data) } == name || sync.isStandby(name)
        }

        var view = StoreView(session: connection.session.rawValue, readAt: readAt)
        view.leader = leader.flatMap { data, stat in
            data.isEmpty
                ? nil
                : StoreView.Leader(
                    member: Self.name(data), term: Term(stat.czxid), session: stat.ephemeralOwner?.rawValue ?? 0,
                    version: Int64(stat.version.rawValue))
        }
        view.epoch = top.epoch.map { data, stat in
            StoreView.Epoch(
                version: Int64(stat.version.rawValue), zxid: stat.mzxid, holder: EpochRecord(znode: data).holder)
        }
        view.initialize = Self.initialize(top.initialize, isAtWork: top.bootstrap != nil)
        for member in members {
            guard let session = member.session else { continue }
            view.members[member.name] = MemberView(member.record, session: session)
            // What no version of a znode can be was not read off one.
            if let epoch = member.record.matriarch?.epoch, epoch <= Int64(Int32.max) {
                view.highestEpochVersion = max(view.highestEpochVersion, epoch)
            }
        }
        view.livingSessions = Set(members.compactMap(\.session)).union(leaseOwners)

        let status = top.status.flatMap { found in
            lastGood.read(layout.status, found.data, found.stat) { StatusRecord(json: try JSONParser.parse($0)) }
        }
        let history = top.history.flatMap { found in
            lastGood.read(layout.history, found.data, found.stat) { HistoryRecord(json: try JSONParser.parse($0)) }
        }
        var configVersion: Version?
        let config = top.config.flatMap { found in
            lastGood.read(layout.config, found.data, found.stat) { data in
                guard let object = try JSONParser.parse(data).asObject else { throw NotAnObject() }
                configVersion = found.stat.version
                return object
            }
        }
        let failover = top.failover.flatMap { found in
            lastGood.read(layout.failover, found.data, found.stat) {
                let record = try FailoverRecord(znode: $0)
                // Without its time it would be carried out now.
                if record.scheduledAt != nil, record.moment == nil { throw NotAMoment() }
                return record
            }
        }
        let reserved = top.timeline.flatMap { found in
            lastGood.read(layout.timeline, found.data, found.stat) { data in
                guard let number = UInt32(String(decoding: data.prefix(16), as: UTF8.self)) else { throw NotANumber() }
                return Timeline(number)
            }
        }
        view.hasConfig = config != nil
        view.optime = status?.optime
        view.historyTimeline = history?.clusterTimeline
        view.sync = StoreView.Sync(
            leader: sync.leader, standbys: Set(sync.standbys),
            version: top.sync.map { Int64($0.stat.version.rawValue) })
        if let failover, !failover.isEmpty, let stat = top.failover?.stat {
            view.request = StoreView.Request(
                leader: failover.leader, candidate: failover.candidate,
                dueAt: failover.moment.map { readAt + ($0 - MomentText.now) },
                version: Int64(stat.version.rawValue))
        }
        return TreeSnapshot(
            view: view, members: members.map { ($0.name, $0.record) }, config: config,
            configZxid: top.config?.stat.mzxid, configVersion: configVersion, status: status, sync: sync,
            history: history, failover: failover ?? FailoverRecord(),
            failoverVersion: top.failover?.stat.version, reservedTimeline: reserved)
    }

    private typealias Found = (data: [UInt8], stat: ZNodeStat)

    private struct Top: Sendable {
        var epoch, initialize, config, status, sync, history, failover, timeline: Found?
        var bootstrap: ZNodeStat?
        var members, leases: [String]
    }

    private func readTop(_ session: ZooKeeperSession, _ deadline: Duration) async throws(ZooKeeperError) -> Top {
        let layout = layout
        do {
            async let epoch = session.get(layout.epoch, deadline: deadline)
            async let initialize = getOrWatch(layout.initialize, session, deadline)
            async let config = getOrWatch(layout.config, session, deadline)
            async let status = session.get(layout.status, deadline: deadline)
            async let sync = session.get(layout.sync, deadline: deadline)
            async let history = session.get(layout.history, deadline: deadline)
            async let failover = getOrWatch(layout.failover, session, deadline)
            async let timeline = session.get(layout.timeline, deadline: deadline)
            async let bootstrap = session.exists(layout.bootstrap, watch: true, deadline: deadline)
            async let members = session.children(layout.members, watch: true, deadline: deadline)
            async let leases = session.children(layout.leases, deadline: deadline)
            return Top(
                epoch: try await epoch, initialize: try await initialize, config: try await config,
                status: try await status, sync: try await sync, history: try await history,
                failover: try await failover, timeline: try await timeline, bootstrap: try await bootstrap,
                members: try await members ?? [],
                leases: try await leases ?? [])
        } catch let error as ZooKeeperError {
            throw error
        } catch {
            throw ZooKeeperError(.cancelled, outcome: .didNotHappen)
        }
    }

    private func readMembers(
        _ session: ZooKeeperSession, _ top: Top, _ deadline: Duration, isWatched: (MemberID) -> Bool
    ) async throws(ZooKeeperError) -> ([Member], [Int64]) {
        do {
            return try await withThrowingTaskGroup(of: (Member?, Int64?).self) { group in
                for name in top.members {
                    guard let path = try? layout.member(MemberID(name)) else { continue }
                    let isWatched = isWatched(MemberID(name))
                    group.addTask {
                        guard let (data, stat) = try await session.get(path, watch: isWatched, deadline: deadline)
                        else { return (nil, nil) }
                        let record = lastGood.read(path, data, stat) { try MemberRecord(znode: $0) } ?? MemberRecord()
                        return (
                            Member(name: MemberID(name), record: record, session: stat.ephemeralOwner?.rawValue), nil
                        )
                    }
                }
                for name in top.leases {
                    guard let path = try? layout.lease(MemberID(name)) else { continue }
                    group.addTask {
                        (nil, try await session.exists(path, deadline: deadline)?.ephemeralOwner?.rawValue)
                    }
                }
                var members: [Member] = []
                var owners: [Int64] = []
                for try await (member, owner) in group {
                    if let member { members.append(member) }
                    if let owner { owners.append(owner) }
                }
                return (members.sorted { $0.name < $1.name }, owners)
            }
        } catch let error as ZooKeeperError {
            throw error
        } catch {
            throw ZooKeeperError(.cancelled, outcome: .didNotHappen)
        }
    }

    private func getOrWatch(
        _ path: ZNodePath, _ session: ZooKeeperSession, _ deadline: Duration
    ) async throws(ZooKeeperError) -> Found? {
        // A get of a missing znode sets no watch: exists does, and a znode made in between is read at its event.
        if let found = try await session.get(path, watch: true, deadline: deadline) { return found }
        guard try await session.exists(path, watch: true, deadline: deadline) != nil else { return nil }
        return try await session.get(path, watch: true, deadline: deadline)
    }

    private static func name(_ data: [UInt8]) -> MemberID { MemberID(String(decoding: data, as: UTF8.self)) }

    private static func initialize(_ found: Found?, isAtWork: Bool) -> StoreView.Initialize {
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
