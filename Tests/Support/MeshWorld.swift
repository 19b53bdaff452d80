import Foundation
import LibPQ

/// Zones of two members each at one ZooKeeper, that replicate to each other by the stand-in for Spock.
public final class MeshWorld: Sendable {
    /// One zone: a cluster of its own, and a node of the mesh.
    public struct Zone: Sendable {
        public let node: String
        public let cluster: TestCluster
        /// By member, the ways on which others reach its PostgreSQL and its REST API.
        public let wires: Locked<[String: (postgres: Wire, rest: Wire)]>
    }

    public static let table = "public.mesh_rows"
    public let zones: [Zone]
    public let zooKeeper: SuiteZooKeeper
    private let secrets: TemporaryFolder

    private init(zones: [Zone], zooKeeper: SuiteZooKeeper, secrets: TemporaryFolder) {
        self.zones = zones
        self.zooKeeper = zooKeeper
        self.secrets = secrets
    }

    /// Starts everything from empty folders and waits until every zone replicates to every other.
    /// - Parameter keys: more of the section `spock`, or something else in the place of its `dsn`.
    public static func start(
        zones count: Int = 3, _ keys: [String] = ["dsn: {user: postgres}"]
    ) async throws -> MeshWorld {
        let names = (1...count).flatMap { zone in ["a", "b"].map { "member-\(zone)\($0)" } }
        let zooKeeper = try await SuiteZooKeeper.start(.wired, members: names)
        let secrets = try TemporaryFolder("mesh")
        let mesh = "mesh\(UInt32.random(in: 0 ... .max))"
        var zones: [Zone] = []
        for number in 1...count {
            let wires = Locked<[String: (postgres: Wire, rest: Wire)]>([:])
            var settings = try await settings(mesh, "n\(number)", keys, passfile: passfile(in: secrets))
            settings.scope = "zone\(number)"
            settings.members = names.filter { $0.hasPrefix("member-\(number)") }
            settings.reachedAt = { place in
                let pair = (postgres: try Wire(to: place.port), rest: try Wire(to: place.restPort))
                wires.withLock { $0[place.name] = pair }
                return (pair.postgres.port, pair.rest.port)
            }
            let cluster = try TestCluster(settings, zooKeeper: zooKeeper.hosts, hosts: zooKeeper.memberHosts)
            zones.append(Zone(node: "n\(number)", cluster: cluster, wires: wires))
        }
        let world = MeshWorld(zones: zones, zooKeeper: zooKeeper, secrets: secrets)
        do {
            for zone in zones { try zone.cluster.start() }
            try await world.whole("from empty folders", within: AgentCommand.deadline(60))
            for zone in zones {
                let leader = try await zone.cluster.whole().leader
                try await leader.query(
                    "CREATE TABLE \(table) (id bigint PRIMARY KEY, node text NOT NULL, lsn pg_lsn NOT NULL)")
            }
            try await world.eachTableReplicates()
        } catch {
            await world.discard(after: error)
            throw error
        }
        return world
    }

    private static func settings(
        _ mesh: String, _ node: String, _ keys: [String], passfile: String
    ) async throws -> ClusterSettings {
        var settings = ClusterSettings()
        settings.binaries = try await SpockInstallation.binaries()
        settings.dynamic = [
            "primary_start_timeout: 0",
            "spock:",
            "  mesh: \(mesh)",
            "  databases: [postgres]",
            "  node: {name: \(node)}",
            "  slots: {copy_interval: 1s}",
            "  replication_sets:",
            "  - {name: default, all_tables_in: [public]}",
        ]
        settings.dynamic += keys.map { "  \($0)" }
        settings.sections = ["spock:\n  dsn:\n    passfile: \(passfile)"]
        let spock = try await SpockInstallation.settings()
        settings.parameters = ["output_plugin_libraries", "pglogical.conflict_resolution"].compactMap { name in
            spock[name].map { "\(name): \(ClusterSettings.quoted($0))" }
        }
        return settings
    }

    /// Peers' passwords, for libpq.
    private static func passfile(in folder: TemporaryFolder) throws -> String {
        let password = ClusterSettings().passwords.superuser.replacing("\\", with: "\\\\").replacing(":", with: "\\:")
        try folder.write("passfile", "*:*:*:postgres:\(password)\n", mode: 0o600)
        return folder.path("passfile")
    }

    public func discard(after error: (any Error)? = nil) async {
        if let error {
            let reports = zones.map { $0.cluster.report() }.joined()
            FileHandle.standardError.write(Data("\(error)\n\(reports)".utf8))
        }
        for zone in zones { await zone.cluster.discard() }
        try? await zooKeeper.stop()
        secrets.remove()
    }

    // MARK: What must hold in the end

    public typealias Roles = [String: TestCluster.Roles]

    /// Every zone is whole, and has one enabled subscription to every other that replicates.
    @discardableResult
    public func whole(
        _ words: String = "", zones wanted: [Zone]? = nil, within deadline: Duration = AgentCommand.deadline(90)
    ) async throws -> Roles {
        let zones = wanted ?? self.zones
        let end = ContinuousClock.now + deadline
        var roles: Roles = [:]
        for zone in zones {
            for node in zone.cluster.nodes where !node.isRunning { try node.start() }
            roles[zone.node] = try await zone.cluster.whole(words, within: max(.seconds(1), end - .now))
        }
        for zone in zones {
            guard let leader = roles[zone.node]?.leader else { continue }
            let peers = zones.map(\.node).filter { $0 != zone.node }.sorted()
            var last = ""
            do {
                try await eventually("replicates", within: max(.seconds(1), end - .now), pace: .milliseconds(100)) {
                    last = try await subscriptions(of: leader)
                    return last == peers.map { "\($0) replicating" }.joined(separator: ", ")
                }
            } catch is EventuallyTimedOut {
                throw SupportError("\(zone.node) does not replicate \(words) within \(deadline): \(last)")
            }
            // A standby that is promoted without them says so, and its peers get no more.
            for replica in roles[zone.node]?.replicas ?? [] {
                try await eventually("\(replica.name) has the peers' slots", within: max(.seconds(1), end - .now)) {
                    // It may be restarted for them just now.
                    guard let wanted = try? await slots(of: leader), let found = try? await slots(of: replica) else {
                        return false
                    }
                    return found == wanted
                }
            }
        }
        return roles
    }

    private func subscriptions(of leader: ClusterNode) async throws -> String {
        do {
            let rows = try await leader.query(
                "SELECT provider_node, status FROM spock.sub_show_status() ORDER BY 1, 2", deadline: .seconds(2)
            ).rows
            return try rows.map { "\(try $0.text("provider_node")) \(try $0.text("status"))" }
                .joined(separator: ", ")
        } catch let error as PostgresError { return "\(error)" }
    }

    private func slots(of node: ClusterNode) async throws -> String {
        try await node.query(
            """
            SELECT coalesce(string_agg(slot_name, ', ' ORDER BY slot_name), '') AS names FROM pg_replication_slots
            WHERE slot_type = 'logical'
            """
        ).first().text("names")
    }

    private func eachTableReplicates() async throws {
        for zone in zones {
            let leader = try await zone.cluster.whole().leader
            try await eventually("\(Self.table) is replicated by \(zone.node)", within: AgentCommand.deadline()) {
                try await leader.query(
                    "SELECT 1 FROM spock.tables WHERE relname = 'mesh_rows' AND set_name = 'default'"
                ).rows.count == 1
            }
        }
    }
}
