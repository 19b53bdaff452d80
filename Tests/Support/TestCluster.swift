import Foundation
import LibPQ

/// A cluster of whole processes: the program under test with real PostgreSQL servers and a real ZooKeeper.
public final class TestCluster: Sendable {
    /// Who writes and who follows, as seen at one moment when the cluster was whole.
    public struct Roles: Sendable {
        public let leader: ClusterNode
        public let replicas: [ClusterNode]
        public let timeline: UInt32
    }

    public let settings: ClusterSettings
    /// The test's own way to ZooKeeper, and the members' unless they have another.
    public let zooKeeperHosts: String
    public let nodes: [ClusterNode]
    public let folder: TemporaryFolder
    /// The `scope`, unlike that of any other cluster at the same ZooKeeper.
    public let scope: String
    private static let alive = Locked<[ObjectIdentifier: TestCluster]>([:])
    private static let numbers = Locked<Int>(0)
    /// Makes folders and files; nothing is started.
    /// - Parameter hosts: by member, the ZooKeeper servers of those that do not use `zooKeeper`.
    public init(
        _ settings: ClusterSettings = ClusterSettings(), zooKeeper: String, hosts: [String: String] = [:]
    ) throws {
        if let problem = ClusterEquipment.problem { throw SupportError(problem) }
        let number = Self.numbers.withLock {
            $0 += 1
            return $0
        }
        var own = settings
        own.scope = "\(settings.scope)-\(getpid())-\(number)"
        scope = own.scope
        self.settings = own
        zooKeeperHosts = zooKeeper
        folder = try TemporaryFolder("cluster-\(settings.scope)")
        let (folder, final) = (folder, own)
        nodes = try settings.members.map {
            try ClusterNode($0, in: folder, settings: final, zooKeeper: hosts[$0] ?? zooKeeper)
        }
        try Guardian.shared.get().watch(folder.path)
        Self.alive.withLock { $0[ObjectIdentifier(self)] = self }
    }

    public subscript(name: String) -> ClusterNode {
        get throws {
            guard let node = nodes.first(where: { $0.name == name }) else { throw SupportError("no member \(name)") }
            return node
        }
    }

    /// Starts all members at once.
    public func start() throws { for node in nodes { try node.start() } }

    /// Waits until the cluster is whole: one member out of recovery that answers 200 to `/primary` and `/leader`, and
    /// every other one streaming from it on its timeline, with 503 to `/primary`.
    /// - Parameters:
    ///   - words: for the failure, such as "after the kill".
    ///   - members: those that take part; all unless given.
    ///   - property: what must hold beside it, such as that another member leads.
    @discardableResult
    public func whole(
        _ words: String = "", members: [ClusterNode]? = nil, within deadline: Duration = AgentCommand.deadline(),
        where property: (Roles) -> Bool = { _ in true }
    ) async throws -> Roles {
        var last = ""
        do {
            return try await eventually("the cluster is whole", within: deadline, pace: .milliseconds(100)) {
                do {
                    let roles = try await look(members ?? nodes)
                    if property(roles) { return roles }
                    last = "\(roles.leader.name) leads on timeline \(roles.timeline)"
                } catch let why as NotWhole { last = why.reason }
                return Roles?.none
            }
        } catch is EventuallyTimedOut {
            throw SupportError("the cluster is not whole \(words) within \(deadline): \(last)")
        }
    }

    private struct NotWhole: Error { let reason: String }

    private func look(_ members: [ClusterNode]) async throws -> Roles {
        var primaries: [ClusterNode] = []
        for node in members {
            do {
                let row = try await node.query("SELECT pg_is_in_recovery() AS standby", deadline: .seconds(2)).first()
                if try row.bool("standby") == false { primaries.append(node) }
            } catch { throw NotWhole(reason: "\(node.name): \(error)") }
        }
        guard let leader = primaries.first, primaries.count == 1 else {
            throw NotWhole(reason: "\(primaries.count) members out of recovery: \(primaries.map(\.name))")
        }
        let replicas = members.filter { $0 !== leader }
        for node in members {
            for (target, expected) in [("/primary", node === leader), ("/leader", node === leader), ("/health", true)] {
                let status = await node.rest(target)
                guard status == (expected ? 200 : 503) else {
                    throw NotWhole(reason: "\(node.name): \(target) answers \(status.map { "\($0)" } ?? "nothing")")
                }
            }
        }
        do {
            let streaming = try await leader.query(
                """
                SELECT coalesce(string_agg(application_name, ',' ORDER BY application_name), '') AS names,
                    left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline
                FROM pg_stat_replication WHERE state = 'streaming' AND application_name LIKE 'member-%'
                """, deadline: .seconds(2)
            ).first()
            let names = try streaming.text("names")
            guard names == replicas.map(\.name).sorted().joined(separator: ",") else {
                throw NotWhole(reason: "\(leader.name) streams to [\(names)] only")
            }
            guard let timeline = UInt32(try streaming.text("timeline"), radix: 16) else {
                throw NotWhole(reason: "\(leader.name) has no timeline")
            }
            for replica in replicas {
                let row = try await replica.query(
                    "SELECT received_tli FROM pg_stat_wal_receiver", deadline: .seconds(2)
                ).first()
                guard try row.int64("received_tli") == Int64(timeline) else {
                    throw NotWhole(reason: "\(replica.name) is not on timeline \(timeline)")
                }
            }
            return Roles(leader: leader, replicas: replicas, timeline: timeline)
        } catch let error as PostgresError { throw NotWhole(reason: "\(error)") }
    }

    // MARK: Reports and end

    /// The tails of all logs, for a failed test.
    public func report() -> String {
        nodes.map { node in
            let state = node.exitStatus.map { "ended: \($0)" } ?? (node.isRunning ? "running" : "not started")
            return "----- \(node.name) (\(state)), end of \(node.place.log)\n\(node.logTail())\n"
        }.joined()
    }

    /// The reports of all clusters that are alive; empty when they were given within the last five seconds, since one
    /// fault fails several expectations.
    public static func reports() -> String {
        let now = ContinuousClock.now
        let isNew = lastReports.withLock { last in
            if let last, now < last + .seconds(5) { return false }
            last = now
            return true
        }
        return isNew ? alive.withLock { Array($0.values) }.map { $0.report() }.joined() : ""
    }
    private static let lastReports = Locked<ContinuousClock.Instant?>(nil)

    /// Kills every process of the cluster and removes its folder.
    public func discard() async {
        for node in nodes { try? await node.kill() }
        _ = Self.alive.withLock { $0.removeValue(forKey: ObjectIdentifier(self)) }
        // MATRIARCH_TEST_KEEP leaves data directories and logs for a look afterwards.
        if ProcessInfo.processInfo.environment["MATRIARCH_TEST_KEEP"] == nil { folder.remove() }
    }
}
